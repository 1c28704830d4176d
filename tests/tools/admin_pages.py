"""What becomes of a session whose page is shown."""

import datetime

from django.contrib.auth import get_user_model

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken

DAY = datetime.timedelta(days=1)


# The status


def update(**changes):
    def update(session):
        moved = {key: getattr(session, key) + by for key, by in changes.items()}
        RefreshToken.objects.filter(pk=session.pk).update(**moved)

    return update


def update_user(**changes):
    return lambda session: get_user_model().objects.filter(pk=session.user_id).update(**changes)


def revoke(reason, note=""):
    return lambda session: sessions.revoke(session, reason=reason, note=note)


# Find by token


def refreshed(pair, age):
    """Refresh it twice, so that the first token is two generations old."""
    newest = pair
    for _ in range(2):
        age(newest.session, DAY)
        newest = sessions.refresh(newest.refresh)
    return newest
