"""Sessions, their rows and their tokens."""

import datetime

import pytest

from django_jwtauth import conf, sessions, tokens
from django_jwtauth.database import database_now
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken

HOUR = datetime.timedelta(hours=1)
ALL_SIGNALS = ("session_started", "session_refreshed", "session_revoked", "refresh_token_reused")
_interference = []


def interfere(user, *, request, session):
    """A claims hook. It runs between the reading of a row and its UPDATE: where another request may come between."""
    if _interference:
        _interference.pop(0)(session)
    return {}


def row(session):
    return RefreshToken.objects.filter(pk=session.pk).values().get()


def change(session, **changes):
    RefreshToken.objects.filter(pk=session.pk).update(**changes)


def now():
    return database_now("default")


def refresh_token(session, generation):
    session.refresh_from_db()
    session.generation = generation
    return tokens.mint_refresh(session).raw.reveal()


def claims_of(access):
    return conf.get_config().verifier.verify(access).claims


def refusal(raw):
    with pytest.raises(InvalidTokenError) as caught:
        sessions.refresh(raw)
    return caught.value.reason


def age_of_code(pair, by=HOUR):
    change(pair.session, rotated_at=row(pair.session)["rotated_at"] - by)
