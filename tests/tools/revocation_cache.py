"""The revocation list of this process."""

import time

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth._core.polling import Reading
from django_jwtauth.database import database_now
from django_jwtauth.local_list import Entries, part_length
from django_jwtauth.models import RefreshToken
from tests.tools.issuers import make_old


def entries(known):
    """All ids on the list, with their times."""
    revoked = known.usable()
    return {**revoked.sids, **revoked.jtis}


def hold(**sids):
    """What another thread would have read at this moment."""
    started = time.monotonic()
    found = Entries(None, begins_at=time.time() - 1000, length=part_length(conf.get_config()))
    for sid, at in sids.items():
        found.add(0, sid, at)
    found = found.as_list(not_before=0, begins_at=time.time() - 1000, fully_read_at=started)
    revocation_cache._list._latest = Reading(value=found, started=started, started_at=time.time())


def make_list_old(seconds):
    """Make it look as if this process had read its list so long ago."""
    make_old(revocation_cache._list, seconds)


def now():
    return database_now("default")


def revoked_row(user, at):
    """Another process's revocation, seen only in the database."""
    session = sessions.start(user).session
    RefreshToken.objects.filter(pk=session.pk).update(revoked_at=at, revoked_reason="admin")
    return str(session.pk)
