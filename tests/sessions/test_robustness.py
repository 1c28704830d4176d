"""Restored backups, changed settings, broken hooks, and what must not stand in an error report."""

import datetime
import re
import sys

import pytest
from django.views.debug import ExceptionReporter

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.errors import ClaimsHookError
from django_jwtauth.models import RefreshToken
from tests.tools.backends import BlockedAuthentication
from tests.tools.http import bearer
from tests.tools.sessions import HOUR, age_of_code, change, claims_of, now, refresh_token, refusal, row

DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)


# Robustness


@pytest.mark.django_db
def test_a_restored_backup_signs_nobody_out(pair):
    """The newest tokens are ahead of their rows and refused; nothing ends, and the tokens of the backup's day work."""
    change(pair.session, generation=3, rotated_at=now() - HOUR)
    old = refresh_token(pair.session, 3)
    new = sessions.refresh(old).refresh
    change(pair.session, generation=3, rotated_at=now() - HOUR)  # the restore
    assert refusal(new) == "ahead"
    assert row(pair.session)["revoked_at"] is None
    assert sessions.refresh(old).session.generation == 4


@pytest.mark.django_db
def test_a_new_secret_key_ends_no_session_while_the_old_one_is_a_fallback(pair, client, settings):
    old, new = settings.SECRET_KEY, "another secret key of a good length, 0123456789"
    age_of_code(pair)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).status_code == 200
    renewed = sessions.refresh(pair.refresh)
    assert renewed.session.generation == 1
    settings.SECRET_KEY_FALLBACKS = []  # the rotation has bound the session to the new key
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(renewed.access)).status_code == 200
        assert client.get(path, **bearer(pair.access)).json()["reason"] == "invalid"
    assert sessions.refresh(renewed.refresh).refresh == renewed.refresh
    assert refusal(pair.refresh) == "invalid"


@pytest.mark.django_db
def test_a_new_secret_key_without_a_fallback_refuses_and_ends_nothing(pair, client, settings):
    before, old = row(pair.session), settings.SECRET_KEY
    settings.SECRET_KEY = "another secret key of a good length, 0123456789"
    assert refusal(pair.refresh) == "invalid"
    assert client.get("/whoami/", **bearer(pair.access)).json()["reason"] == "invalid"
    assert row(pair.session) == before
    settings.SECRET_KEY = old
    assert sessions.refresh(pair.refresh).refresh == pair.refresh


@pytest.mark.django_db
def test_a_changed_idle_limit_holds_for_living_sessions_too(pair, settings):
    change(pair.session, rotated_at=now() - 5 * DAY)
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": DAY}
    assert refusal(pair.refresh) == "session_expired"
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": 6 * DAY}
    assert sessions.refresh(pair.refresh).session.generation == 1


@pytest.mark.django_db
def test_a_shorter_session_lifetime_is_for_new_sessions(user, pair, settings):
    settings.JWTAUTH = {"SESSION_LIFETIME": HOUR}
    assert sessions.refresh(pair.refresh).refresh == pair.refresh
    assert sessions.start(user).refresh_expires_in <= 3600


@pytest.mark.django_db
def test_a_shorter_access_token_lifetime_ends_older_tokens_sooner(pair, client, settings):
    assert client.get("/whoami/", **bearer(pair.access)).status_code == 200
    claims = claims_of(pair.access) | {"iat": int(now().timestamp()) - 60}
    old = jws.sign(claims, typ="at+jwt", key=conf.get_config().signing_keys.signing_key)
    assert client.get("/whoami/", **bearer(old)).status_code == 200
    settings.JWTAUTH = {"ACCESS_TOKEN_LIFETIME": 30 * SECOND}
    assert client.get("/whoami/", **bearer(old)).json()["reason"] == "expired"
    settings.JWTAUTH = {"ACCESS_TOKEN_LIFETIME": HOUR}
    assert client.get("/whoami/", **bearer(old)).status_code == 200


@pytest.mark.django_db
def test_nothing_revoked_comes_back(user, client, settings):
    """Not by a refresh of any generation, a longer lifetime, a saved user, or a changed password."""
    pair = sessions.start(user)
    change(pair.session, generation=5)
    raws = [refresh_token(pair.session, generation) for generation in range(7)]
    sessions.revoke(pair.session)
    before = row(pair.session)
    settings.JWTAUTH = {"REFRESH_TOKEN_LIFETIME": 400 * DAY, "SESSION_LIFETIME": 400 * DAY}
    user.is_active = False
    user.save()
    user.is_active = True
    user.save()
    assert {refusal(raw) for raw in raws} == {"revoked"}
    assert row(pair.session) == before
    for path in ("/whoami/", "/stateless/"):
        assert client.get(path, **bearer(pair.access)).json()["reason"] == "revoked"


@pytest.mark.django_db
def test_a_hook_that_fails_leaves_nothing_half_done(pair, between):
    def fail(session):
        raise ZeroDivisionError

    age_of_code(pair)
    before = row(pair.session)
    between(fail)
    with pytest.raises(ClaimsHookError, match="ZeroDivisionError"):
        sessions.refresh(pair.refresh)
    assert row(pair.session) == before
    assert sessions.refresh(pair.refresh).session.generation == 1


@pytest.mark.parametrize(
    "arguments",
    [{"scope": "a\nb"}, {"acr": "\x00"}, {"amr": ["pwd", ""]}, {"amr": ["p\twd"]}, {"amr": "pwd"}],
    ids=["scope", "acr", "empty amr", "amr", "amr no list"],
)
def test_what_no_token_may_carry_is_refused_at_the_start(user, arguments):
    with pytest.raises(ValueError, match=r"amr must be a list|A scope is a list of words"):
        sessions.start(user, **arguments)
    assert not RefreshToken.objects.exists()


def test_revoking_a_session_that_was_purged_does_nothing(pair):
    RefreshToken.objects.all().delete()
    assert sessions.revoke(pair.session) == 0


@pytest.mark.django_db
def test_neither_password_nor_token_stands_in_an_error_report(user, pair, settings, rf):
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.sessions.test_robustness.failing_hook"], "REFRESH_GRACE_PERIOD": DAY}
    request = rf.post("/")
    settings.DEBUG = False
    for raw, function in ((pair.refresh, sessions.refresh), (pair.access, BlockedAuthentication().authenticate_token)):
        try:
            function(raw)
        except Exception:
            report = ExceptionReporter(request, *sys.exc_info()).get_traceback_html()
            frames = report.split('<li class="frame')
            ours = [frame for frame in frames if re.search(r'class="fname">[^<]*/django_jwtauth/', frame)]
            assert ours
            assert not [frame for frame in ours if raw in frame]
        else:
            raise AssertionError("It was to fail.")


def failing_hook(user, *, request, session):
    raise LookupError
