"""Every key of ``JWTAUTH`` takes effect when it is overridden."""

import contextlib
import datetime
import json
import time

import jwt
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, models
from django.http import HttpResponse
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from django_jwtauth import conf, revocation_cache, sessions
from django_jwtauth.authentication import StatelessJWTAuthentication
from django_jwtauth.database import database_now
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.keys import b64url_decode
from django_jwtauth.middleware import JWTMiddleware
from django_jwtauth.models import RefreshToken
from tests.tools.conf import HOUR, SECRET
from tests.tools.revocation_cache import make_list_old


def add_tenant(user, *, request, session):
    return {"tenant": "acme"}


# Each setting is shown at work: what can be seen of it by default, and with the value given.


def claims(name):
    def observe(user, rf):
        pair = sessions.start(user)
        return conf.get_config().verifier.verify(pair.access).claims.get(name)

    return observe


def signing_kid_changes(user, rf):
    return conf.get_config().signing_keys.signing_key.kid != conf.get_shared_config().signing_keys.signing_key.kid


@contextlib.contextmanager
def use_tenant(name):
    yield


def with_a_tenant(observe):
    """``TENANT_SETTINGS`` and ``TENANT_CONTEXT`` have no effect without ``TENANT``."""
    given = settings.JWTAUTH if hasattr(settings, "JWTAUTH") else {}
    with override_settings(JWTAUTH={"TENANT": lambda: "acme", **given}):
        return observe()


def issuer_of_a_tenant(user, rf):
    return with_a_tenant(lambda: conf.get_config().issuer)


def tenant_in_a_context(user, rf):
    def observe():
        try:
            with conf.tenant_context("acme"):
                return conf.get_config().tenant
        except ImproperlyConfigured:
            return "none"

    return with_a_tenant(observe)


def signing_algorithm(user, rf):
    header = sessions.start(user).access.partition(".")[0]
    return json.loads(b64url_decode(header.encode()))["alg"]


def access_seconds(user, rf):
    return sessions.start(user).expires_in


def refresh_seconds(user, rf):
    return sessions.start(user).refresh_expires_in


def session_seconds(user, rf):
    session = sessions.start(user).session
    return (session.expires_at - session.created_at).total_seconds()


def generation_after_a_refresh_at_once(user, rf):
    return sessions.refresh(sessions.start(user).refresh).session.generation


def outcome_of_a_late_retry(user, rf):
    pair = sessions.start(user)
    for _ in range(2):
        RefreshToken.objects.update(rotated_at=models.F("rotated_at") - HOUR / 2)
        try:
            generation = sessions.refresh(pair.refresh).session.generation
        except InvalidTokenError as error:
            return error.reason
    return generation


def accepted_three_seconds_after_exp(user, rf):
    verifier = conf.get_config().verifier
    raw = sessions.start(user).access
    try:
        verifier.verify(raw, now=verifier.verify(raw).expires_at.timestamp() + 3)
    except InvalidTokenError as error:
        return error.reason
    return "accepted"


def sessions_after_two_sign_ins(user, rf):
    sessions.start(user), sessions.start(user)
    return RefreshToken.objects.live(database_now("default")).count()


def remembered_tokens(user, rf):
    verifier = conf.get_config().verifier
    verifier.verify(sessions.start(user).access)
    return len(verifier._cache._entries)


def a_token_of_600_bytes(user, rf):
    try:
        sessions.start(user, scope="x" * 600)
    except ImproperlyConfigured as error:
        return "MAX_TOKEN_LENGTH" in str(error)
    return "minted"


def stateless(user, *, list_age=None, database_down=False):
    """Authenticate with a revocation list of some age; return the answer and the number of queries."""
    raw = sessions.start(user).access
    revocation_cache.forget()
    if list_age:
        revocation_cache.check(conf.get_config().verifier.verify(raw))
        make_list_old(list_age)

    def fail(execute, sql, *args):
        raise OperationalError("down")

    with CaptureQueriesContext(connection) as queries:
        try:
            with connection.execute_wrapper(fail if database_down else lambda execute, *args: execute(*args)):
                StatelessJWTAuthentication().authenticate_token(raw)
        except InvalidTokenError as error:
            return error.reason, len(queries)
    return "accepted", len(queries)


def list_of_ten_seconds(user, rf):
    return stateless(user, list_age=10)


def list_of_ten_minutes_without_database(user, rf):
    return stateless(user, list_age=600, database_down=True)[0]


def no_list_without_database(user, rf):
    return stateless(user, database_down=True)[0]


def foreign_token(user, rf):
    try:
        found = StatelessJWTAuthentication().authenticate(rf.get("/", headers={"Authorization": "Bearer opaque"}))
    except InvalidTokenError:
        return "refused"
    return "ignored" if found is None else "accepted"


def second_failed_sign_in(user, rf):
    client = APIClient()
    return [client.post("/auth/token/", {"username": "ada", "password": "x"}).status_code for _ in range(2)][1]


def address_from_two_headers(user, rf):
    headers = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=198.51.100.1"}
    with override_settings(JWTAUTH={**getattr(settings, "JWTAUTH", {}), "NUM_PROXIES": 1}):
        return sessions.start(user, request=rf.get("/", headers=headers)).session.ip_address


def address_of_a_forwarded_request(user, rf):
    request = rf.get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "203.0.113.7"})
    return sessions.start(user, request=request).session.ip_address


def refresh_that_was_sent_in_time(user, rf):
    """It has been in a queue, for so long that the window is over."""
    pair = sessions.start(user)
    minute = datetime.timedelta(minutes=1)
    RefreshToken.objects.update(generation=1, rotated_at=pair.session.rotated_at - minute)
    request = rf.post("/", headers={"X-Request-Start": f"t={time.time() - 50:.3f}"})
    try:
        return "accepted" if sessions.refresh(pair.refresh, request=request) else None
    except InvalidTokenError as error:
        return error.reason


def purged_a_day_after_revocation(user, rf):
    session = sessions.start(user).session
    sessions.revoke(session)
    RefreshToken.objects.update(revoked_at=session.revoked_at - datetime.timedelta(days=1))
    return RefreshToken.objects.purgeable(database_now("default")).exists()


def accepted_issuers(user, rf):
    return sorted(conf.get_config().verifiers)


def sign_in_for(**asked):
    response = APIClient().post("/auth/token/", {"username": "ada", "password": "correct horse", **asked})
    return response.status_code, response.json()


def granted_of_two_scopes(user, rf):
    return sign_in_for(scope="orders:read orders:write")[1]["scope"]


def audience_of_another_service(user, rf):
    status, body = sign_in_for(resource="https://stock.example.com")
    return status if status != 200 else jwt.decode(body["access"], options={"verify_signature": False})["aud"]


def ask_for_code(user, *, request):
    return {"reason": "code_needed"}


def reason_of_a_right_password(user, rf):
    return sign_in_for()[1].get("reason")


def names_of_cookies(user, rf):
    body = {"username": "ada", "password": "correct horse"}
    return sorted(APIClient().post("/auth/browser/login/", body).cookies.keys() - {"csrftoken"})


def is_not_ada(user):
    return user.username != "ada"


def kind_of_user_in_a_plain_view(user, rf):
    request = rf.get("/", headers={"Authorization": f"Bearer {sessions.start(user).access}"})
    answer = JWTMiddleware(lambda request: HttpResponse(request.user.__class__.__name__))
    return answer(request).content


def status_of_a_sign_in(user, rf):
    return sign_in_for()[0]


EFFECTS = {
    "ISSUER": (claims("iss"), "django-jwtauth", "https://auth.example.com", "https://auth.example.com"),
    "AUDIENCE": (claims("aud"), "django-jwtauth", ["first", "second"], "first"),
    "CLIENT_ID": (claims("client_id"), "first-party", "shop", "shop"),
    "ACCESS_TOKEN_LIFETIME": (access_seconds, 300, HOUR, 3600),
    "REFRESH_TOKEN_LIFETIME": (refresh_seconds, 14 * 86400, HOUR, 3600),
    "SESSION_LIFETIME": (session_seconds, 90 * 86400, HOUR, 3600),
    "REFRESH_GRACE_PERIOD": (generation_after_a_refresh_at_once, 0, datetime.timedelta(0), 1),
    "REFRESH_RETRY_PERIOD": (outcome_of_a_late_retry, "reused", HOUR, 1),
    "LEEWAY": (accepted_three_seconds_after_exp, "accepted", datetime.timedelta(0), "expired"),
    "SIGNING_KEYS": (signing_algorithm, "HS256", [{"alg": "HS512", "secret": SECRET}], "HS512"),
    "SUBJECT_FIELD": (claims("sub"), None, "username", "ada"),
    "USER_AUTHENTICATION_RULE": (status_of_a_sign_in, 200, "tests.conf.test_effects.is_not_ada", 401),
    "CLAIMS_HOOKS": (claims("tenant"), None, ["tests.conf.test_effects.add_tenant"], "acme"),
    "CLAIMS": (claims("mail"), None, {"mail": "email"}, "ada@example.com"),
    "SCOPES": (granted_of_two_scopes, "", ["orders:read"], "orders:read"),
    "AUDIENCES": (audience_of_another_service, 400, ["https://stock.example.com"], "https://stock.example.com"),
    "SIGN_IN_CHALLENGE": (reason_of_a_right_password, None, "tests.conf.test_effects.ask_for_code", "code_needed"),
    "COOKIES": (
        names_of_cookies,
        ["__Host-jwtauth-access", "__Secure-jwtauth-refresh"],
        {"access_name": "a", "refresh_name": "r"},
        ["a", "r"],
    ),
    "MAX_SESSIONS_PER_USER": (sessions_after_two_sign_ins, 2, 1, 1),
    "TOKEN_CACHE_SIZE": (remembered_tokens, 1, 0, 0),
    "MAX_TOKEN_LENGTH": (a_token_of_600_bytes, "minted", 600, True),
    "IGNORE_FOREIGN_TOKENS": (foreign_token, "refused", True, "ignored"),
    "AUTHENTICATION_CLASS": (
        kind_of_user_in_a_plain_view,
        b"User",
        "django_jwtauth.authentication.StatelessJWTAuthentication",
        b"StatelessUser",
    ),
    "REVOCATION_POLL_INTERVAL": (list_of_ten_seconds, ("accepted", 1), datetime.timedelta(minutes=1), ("accepted", 0)),
    "REVOCATION_MAX_STALENESS": (list_of_ten_minutes_without_database, "stale", HOUR, "accepted"),
    "REVOCATION_FAIL_OPEN": (no_list_without_database, "stale", True, "accepted"),
    "TRUSTED_ISSUERS": (
        accepted_issuers,
        ["django-jwtauth"],
        {"https://auth.example.com": {}},
        ["django-jwtauth", "https://auth.example.com"],
    ),
    "TENANT": (signing_kid_changes, False, lambda: "acme", True),
    "TENANT_SETTINGS": (issuer_of_a_tenant, "django-jwtauth", lambda tenant: {"ISSUER": tenant}, "acme"),
    "TENANT_CONTEXT": (tenant_in_a_context, "none", use_tenant, "acme"),
    "THROTTLE_RATES": (second_failed_sign_in, 401, {"login": "1/min"}, 429),
    "NUM_PROXIES": (address_of_a_forwarded_request, "10.0.0.1", 1, "203.0.113.7"),
    "PROXY_HEADER": (address_from_two_headers, "203.0.113.7", "Forwarded", "198.51.100.1"),
    "REQUEST_START_HEADER": (refresh_that_was_sent_in_time, "reused", "X-Request-Start", "accepted"),
    "PURGE_REVOKED_AFTER": (purged_a_day_after_revocation, False, HOUR, True),
}


def almost(value):
    """Seconds are counted while the clock goes on."""
    return pytest.approx(value, abs=30) if type(value) is int and value > 60 else value


@pytest.mark.parametrize("name", EFFECTS)
def test_every_setting_takes_effect_when_it_is_overridden(user, rf, name):
    observe, default, value, effect = EFFECTS[name]
    default = str(user.pk) if name == "SUBJECT_FIELD" else default
    assert observe(user, rf) == almost(default)
    RefreshToken.objects.all().delete()
    with override_settings(JWTAUTH={name: value}):
        assert observe(user, rf) == almost(effect)
    RefreshToken.objects.all().delete()
    revocation_cache.forget()
    assert conf.get_config() is conf.get_config()
    assert observe(user, rf) == almost(default)


def test_no_setting_was_forgotten_above():
    assert sorted(setting.key for setting in conf.SETTINGS) == sorted(EFFECTS)
