"""Times before which all tokens are refused."""

import datetime
import time

from django.test import RequestFactory

from django_jwtauth import revocation_cache, tokens
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.database import database_now, epoch
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from django_jwtauth.refusals import Unavailable

DAY = datetime.timedelta(days=1)


def now():
    return database_now("default")


def later_than(moment):
    """Wait until the database's clock has gone on; SQLite's counts milliseconds."""
    while now() <= moment:
        time.sleep(0.001)


def next_second(moment):
    while int(epoch(now())) <= int(epoch(moment)):
        time.sleep(0.01)


def bulk(user, count, **times):
    """So many sessions, made in one go."""
    at = now()
    rows = [
        RefreshToken(user=user, created_at=at, rotated_at=at, auth_time=at, expires_at=at + 90 * DAY)
        for _ in range(count)
    ]
    for row in rows:
        row.bind(user)
        for name, value in times.items():
            setattr(row, name, value)
    RefreshToken.objects.bulk_create(rows, batch_size=500)
    return rows


def access_of(session):
    """An access token of a session that is known only from its row."""
    return tokens.mint_access(session, now=now(), request=None).raw.reveal()


def verdict(raw, cls=StatelessJWTAuthentication):
    """Why a request with this token is refused; or that it is accepted, the short way if this process knows it."""
    try:
        cls().authenticate(RequestFactory().get("/", headers={"Authorization": f"Bearer {raw}"}))
    except (InvalidTokenError, Unavailable) as error:
        return error.detail["reason"]
    return "accepted"


def stateful(raw):
    return verdict(raw, JWTAuthentication)


def listed():
    """What a process lists that has just been started."""
    return revocation_cache.LocalRevocations().usable()
