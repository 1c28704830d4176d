"""The revocation list of this process."""

import time

from django_jwtauth import revocation_cache, sessions
from django_jwtauth._core.polling import Reading
from django_jwtauth._core.revocation_list import RevocationList
from django_jwtauth.database import database_now
from django_jwtauth.models import RefreshToken
from django_jwtauth.revocation_cache import Snapshot


def entries(known):
    """All ids on the list, with their times."""
    revoked = known.current()
    return {**revoked.sids, **revoked.jtis}


def hold(**sids):
    """What another thread would have read at this moment."""
    started, revoked = time.monotonic(), RevocationList(sids=sids)
    snapshot = Snapshot(full_at=started, sids=sids, jtis={}, revoked=revoked)
    revocation_cache._list._latest = Reading(value=snapshot, started=started, started_at=time.time())


def now():
    return database_now("default")


def revoked_row(user, at):
    """Another process's revocation, seen only in the database."""
    session = sessions.start(user).session
    RefreshToken.objects.filter(pk=session.pk).update(revoked_at=at, revoked_reason="admin")
    return str(session.pk)
