"""Old access tokens are accepted, and old refresh tokens become one session each, for a limited time."""

import base64
import hmac
import json
import time
import uuid
from datetime import timedelta

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import IntegrityError, connection, models
from django.db.models.functions import Now
from django.db.models.signals import pre_save
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.utils import get_md5_hash_password

from django_jwtauth import sessions
from django_jwtauth._core.clock import stopwatch
from django_jwtauth.contrib.simplejwt.models import BlacklistedToken, EndedTokens, ExchangedToken, OutstandingToken
from django_jwtauth.contrib.simplejwt.reading import session_id_of
from django_jwtauth.errors import RefreshConflictError
from django_jwtauth.models import RefreshToken
from tests.migrate import rules
from tests.tools.http import bearer
from tests.tools.simplejwt import reason, refresh, sign_in

pytestmark = pytest.mark.django_db
KEY = api_settings.SIGNING_KEY
BOTH = pytest.mark.parametrize("url", ["/whoami/", "/stateless/"])


def forged(token, key=KEY, headers=None, algorithm="HS256", **changes):
    return jwt.encode({**token.payload, **changes}, key, algorithm=algorithm, headers=headers)


@BOTH
def test_an_old_access_token_is_accepted(client, user, old, url):
    response = client.get(url, **bearer(str(old.access_token)))
    assert response.status_code == 200
    assert response.json()["user"] == str(user.pk)


def test_an_old_access_token_costs_one_statement(client, old, django_assert_num_queries):
    token = str(old.access_token)
    client.get("/stateless/", **bearer(token))
    with django_assert_num_queries(1):
        client.get("/whoami/", **bearer(token))
    with django_assert_num_queries(0):
        client.get("/stateless/", **bearer(token))


@BOTH
def test_an_old_refresh_token_is_no_access_token(client, old, url):
    assert reason(client.get(url, **bearer(str(old)))) == "wrong_type"


@BOTH
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": "9999999999"}, "invalid"),
        ({"exp": 9999999999.5}, "invalid"),
        ({"token_type": "sliding"}, "wrong_type"),
        ({"token_type": None}, "wrong_type"),
        ({"jti": ""}, "invalid"),
        ({"jti": 7}, "invalid"),
        ({"user_id": None}, "invalid"),
        ({"user_id": True}, "invalid"),
        ({"iat": "1"}, "invalid"),
        ({"iat": 9999999999}, "not_yet_valid"),
    ],
    ids=str,
)
def test_a_wrong_claim_is_refused(client, old, url, changes, expected):
    assert reason(client.get(url, **bearer(forged(old.access_token, **changes)))) == expected


@BOTH
def test_another_key_or_form_is_refused(client, old, url):
    access = old.access_token
    header, payload, signature = str(access).split(".")
    doubled = base64.urlsafe_b64encode(json.dumps(access.payload)[:-1].encode() + b', "jti": "x"}').decode().rstrip("=")
    attempts = [
        forged(access, key="x" * 40),
        forged(access, key="y" * 64, algorithm="HS512"),
        forged(access, headers={"typ": "at+jwt"}),
        f"{header}.{payload}.{signature}=",
        f"{header}.{payload}.",
        f"{header}.{doubled}.{signature}",
        f"{header}.{payload}.{signature}.x",
        jwt.encode(access.payload, None, algorithm="none"),
        "é" * 10,
        "x" * 20_000,
    ]
    for attempt in attempts:
        assert client.get(url, **bearer(attempt)).status_code == 401
        assert refresh(client, attempt).status_code == 401
    assert not ExchangedToken.objects.exists()


def test_nothing_old_is_accepted_from_the_date_on(client, old, settings):
    settings.JWTAUTH_SIMPLEJWT = {"UNTIL": "2020-01-01"}
    for url in ("/whoami/", "/stateless/"):
        assert reason(client.get(url, **bearer(str(old.access_token)))) == "invalid"
    assert reason(refresh(client, old)) == "invalid"


def test_one_old_token_is_one_session(client, user, old):
    responses = [refresh(client, old) for _ in range(3)]
    assert [response.status_code for response in responses] == [200] * 3
    [successor] = {response.json()["refresh"] for response in responses}
    session = RefreshToken.objects.get()
    assert (session.pk, session.user, session.generation, session.replays) == (session_id_of(old["jti"]), user, 0, 2)
    assert session.auth_time == session.created_at < session.rotated_at
    for url in ("/whoami/", "/stateless/"):
        assert client.get(url, **bearer(responses[0].json()["access"])).status_code == 200
    assert refresh(client, successor).status_code == 200


def test_an_old_token_after_its_window_ends_the_session(client, old, age):
    successor = refresh(client, old).json()["refresh"]
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    assert reason(refresh(client, old)) == "reused"
    assert reason(refresh(client, successor)) == "revoked"
    assert reason(refresh(client, old)) == "revoked"


@pytest.mark.parametrize(("waited", "status"), [(20, 200), (5, 401)], ids=["sent in time", "sent late"])
def test_an_old_token_that_had_to_wait_is_judged_by_when_it_arrived(client, old, age, monkeypatch, waited, status):
    refresh(client, old)
    age(RefreshToken.objects.get(), timedelta(seconds=40))
    real, ahead = stopwatch.seconds, []
    monkeypatch.setattr(stopwatch, "seconds", lambda: real() + sum(ahead[:1]))

    def wait(execute, *args):
        ahead.append(waited)
        return execute(*args)

    with connection.execute_wrapper(wait):
        assert refresh(client, old).status_code == status


def test_an_old_token_after_its_successor_was_used_ends_the_session(client, old, age, settings):
    settings.JWTAUTH_SIMPLEJWT = {"UNTIL": "2100-01-01", "KEEP_FIRST_TOKEN_UNTIL": "2100-01-01"}
    successor = refresh(client, old).json()["refresh"]
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    refresh(client, successor)
    assert reason(refresh(client, old)) == "reused"


def test_a_purged_session_does_not_come_back(client, old):
    refresh(client, old)
    RefreshToken.objects.all().delete()
    assert reason(refresh(client, old)) == "revoked"
    assert not RefreshToken.objects.exists()


def test_simple_jwt_refuses_what_was_exchanged(client, old):
    refresh(client, old)
    response = client.post("/old/token/refresh/", {"refresh": str(old)}, format="json")
    assert response.status_code == 401


def test_what_simple_jwt_revoked_is_refused(client, old):
    old.blacklist()
    assert reason(refresh(client, old)) == "revoked"
    assert reason(client.post("/auth/token/verify/", {"token": str(old)}, format="json")) == "revoked"
    assert not RefreshToken.objects.exists()


@pytest.mark.parametrize("url", ["/auth/token/blacklist/", "/auth/token/revoke/"])
@pytest.mark.parametrize("is_exchanged", [False, True])
def test_signing_out_with_an_old_token_ends_what_came_of_it(client, old, url, is_exchanged):
    access = refresh(client, old).json()["access"] if is_exchanged else None
    body = {"refresh": str(old), "token": str(old)}
    for _ in range(2):
        assert client.post(url, body, format="json").status_code == 200
    assert reason(refresh(client, old)) == "revoked"
    assert RefreshToken.objects.get().revoked_reason == "logout"
    if access:
        assert reason(client.get("/whoami/", **bearer(access))) == "revoked"


def test_revoking_an_old_access_token(client, old):
    access = str(old.access_token)
    assert client.post("/auth/token/revoke/", {"token": access}, format="json").status_code == 200
    for url in ("/whoami/", "/stateless/"):
        assert reason(client.get(url, **bearer(access))) == "revoked"


def test_verify_tells_what_would_be_accepted(client, old, age):
    def verify(token):
        return client.post("/auth/token/verify/", {"token": str(token)}, format="json")

    assert verify(old).status_code == 200
    assert verify(old.access_token).status_code == 200
    assert not RefreshToken.objects.exists()
    refresh(client, old)
    assert verify(old).status_code == 200
    age(RefreshToken.objects.get(), timedelta(minutes=5))
    assert reason(verify(old)) == "reused"
    assert RefreshToken.objects.get().revoked_at is None


def test_inactive_and_unknown_users_are_refused(client, user, old):
    get_user_model().objects.update(is_active=False)
    assert reason(refresh(client, old)) == "user_inactive"
    assert reason(client.get("/whoami/", **bearer(str(old.access_token)))) == "user_inactive"
    for name in ("999999", "nobody", "9" * 40):
        token = sign_in(user, user_id=name)
        assert refresh(client, token).json()["code"] == "user_not_found"
    assert not RefreshToken.objects.exists()


@pytest.mark.parametrize(
    "end",
    [
        lambda user: sessions.revoke_all(user),
        lambda user: sessions.revoke_everyone(),
        lambda user: (user.set_password("another"), user.save()),
    ],
    ids=["all", "everyone", "password"],
)
def test_who_was_signed_out_everywhere_has_no_old_token_left(
    client, user, old, end, django_capture_on_commit_callbacks
):
    access = str(old.access_token)  # which is made at this moment, not at the sign-in
    with django_capture_on_commit_callbacks(execute=True):
        end(user)
    assert reason(refresh(client, old)) == "revoked"
    assert reason(client.get("/whoami/", **bearer(access))) == "revoked"


def test_signing_out_again_moves_the_time(user):
    sessions.revoke_all(user)
    first = EndedTokens.objects.get().not_before
    sessions.revoke_all(user)
    assert EndedTokens.objects.get().not_before > first


def test_the_password_is_checked_where_simple_jwt_did(client, user, settings):
    # Simple JWT reads its settings once, so the tokens are made here.
    settings.SIMPLE_JWT = {"CHECK_REVOKE_TOKEN": True}
    digest = get_md5_hash_password(user.password)
    old = sign_in(user, hash_password=digest)
    assert refresh(client, old).status_code == 200
    for token in (sign_in(user), sign_in(user, hash_password=7), sign_in(user, hash_password="é")):
        assert refresh(client, token).json()["code"] == "password_changed"
    get_user_model().objects.update(password="other")
    assert refresh(client, sign_in(user, hash_password=digest)).json()["code"] == "password_changed"
    assert client.get("/whoami/", **bearer(str(old.access_token))).json()["code"] == "password_changed"


def test_the_projects_own_rule_counts(client, old, settings):
    settings.SIMPLE_JWT = {"USER_AUTHENTICATION_RULE": "tests.migrate.rules.nobody"}
    assert reason(refresh(client, old)) == "user_inactive"
    settings.SIMPLE_JWT = {"USER_AUTHENTICATION_RULE": lambda user: user is not None}
    assert refresh(client, old).status_code == 200


def test_names_fields_audience_and_issuer_of_simple_jwt(client, user, settings):
    settings.SIMPLE_JWT = {
        "USER_ID_FIELD": "username",
        "USER_ID_CLAIM": "name",
        "AUDIENCE": "shop",
        "ISSUER": "https://old.example",
        "LEEWAY": timedelta(minutes=1),
        "SIGNING_KEY": "short",
    }

    def signed(token, **changes):
        claims = {**token.payload, "name": "ada", "aud": "shop", "iss": "https://old.example", **changes}
        header, payload = (
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
            for part in ({"alg": "HS256", "typ": "JWT"}, claims)
        )
        signature = hmac.digest(b"short", header + b"." + payload, "sha256")  # without PyJWT's warning
        return b".".join([header, payload, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()

    old = sign_in(user)
    assert client.get("/whoami/", **bearer(signed(old.access_token))).status_code == 200
    assert refresh(client, signed(old)).status_code == 200
    assert refresh(client, signed(old, exp=int(time.time()) - 30)).status_code == 200
    assert reason(refresh(client, signed(old, aud="other"))) == "wrong_audience"
    assert reason(refresh(client, signed(old, iss="other"))) == "wrong_issuer"
    assert refresh(client, old).status_code == 401


def test_tokens_without_type_and_jti(client, user, settings):
    settings.SIMPLE_JWT = {"TOKEN_TYPE_CLAIM": None, "JTI_CLAIM": None}
    claims = {"user_id": str(user.pk), "exp": int(time.time()) + 600}
    raw = jwt.encode(claims, KEY)
    assert refresh(client, raw).status_code == 200
    assert refresh(client, raw).json()["refresh"]
    assert RefreshToken.objects.count() == 1


def test_an_old_access_token_belongs_to_no_session(client, old):
    access = bearer(str(old.access_token))
    assert client.get("/auth/sessions/", **access).status_code == 200
    assert reason(client.post("/auth/logout/", **access)) == "no_token"
    assert reason(client.delete("/auth/sessions/", **access)) == "no_token"
    assert client.post("/auth/logout/all/", **access).status_code == 200
    assert reason(refresh(client, old)) == "revoked"


def test_foreign_tokens_are_ignored_but_old_ones_are_not_foreign(client, old, settings):
    settings.JWTAUTH = {"IGNORE_FOREIGN_TOKENS": True}
    assert client.get("/whoami/", **bearer(str(old.access_token))).status_code == 200
    assert client.get("/whoami/", **bearer("knox")).status_code == 401


def test_old_tokens_are_throttled_by_session(client, old, settings):
    settings.JWTAUTH = {"THROTTLE_RATES": {"refresh": "2/min"}}
    assert [refresh(client, old).status_code for _ in range(3)] == [200, 200, 429]


def test_browsers_do_not_get_a_session_of_the_body(client, old):
    refresh(client, old)
    RefreshToken.objects.update(transport="browser")
    assert reason(refresh(client, old)) == "invalid"


class TestClientsThatDoNotRotate:
    @pytest.fixture(autouse=True)
    def transition(self, settings):
        settings.JWTAUTH_SIMPLEJWT = {"UNTIL": "2100-01-01", "KEEP_FIRST_TOKEN_UNTIL": "2100-01-01"}

    def test_an_old_token_goes_on(self, client, old, age):
        for _ in range(4):
            response = refresh(client, old)
            assert response.status_code == 200
            age(RefreshToken.objects.get(), timedelta(days=1))
        assert RefreshToken.objects.get().replays == 3

    def test_the_first_token_of_a_session_goes_on(self, client, user, age):
        pair = sessions.start(user)
        for _ in range(4):
            age(RefreshToken.objects.get(), timedelta(hours=1))
            assert refresh(client, pair.refresh).status_code == 200
        assert RefreshToken.objects.get().replays == 3

    def test_but_not_once_its_successor_has_been_used(self, client, user, age):
        pair = sessions.start(user)
        age(pair.session, timedelta(hours=1))
        second = refresh(client, pair.refresh).json()["refresh"]
        age(RefreshToken.objects.get(), timedelta(hours=1))
        assert refresh(client, second).status_code == 200
        assert reason(refresh(client, pair.refresh)) == "reused"

    def test_and_not_after_the_date(self, client, user, age, settings):
        settings.JWTAUTH_SIMPLEJWT = {"UNTIL": "2100-01-01", "KEEP_FIRST_TOKEN_UNTIL": "2020-01-01"}
        pair = sessions.start(user)
        age(pair.session, timedelta(hours=1))
        refresh(client, pair.refresh)
        age(RefreshToken.objects.get(), timedelta(hours=1))
        assert reason(refresh(client, pair.refresh)) == "reused"


def test_who_is_deactivated_during_the_exchange_gets_no_session(client, user, old, settings):
    def deactivate(loaded):
        return get_user_model().objects.filter(pk=loaded.pk).update(is_active=False)

    settings.SIMPLE_JWT = {"USER_AUTHENTICATION_RULE": deactivate}
    assert reason(refresh(client, old)) == "user_inactive"
    assert not RefreshToken.objects.exists()
    assert not ExchangedToken.objects.exists()


def test_whose_password_changes_during_the_exchange_gets_no_session(client, user, old, settings):
    def change(loaded):
        return get_user_model().objects.filter(pk=loaded.pk).update(password="another")

    settings.SIMPLE_JWT = {"USER_AUTHENTICATION_RULE": change}
    assert refresh(client, old).json()["code"] == "password_changed"
    assert not RefreshToken.objects.exists()
    assert not ExchangedToken.objects.exists()


def test_an_exchange_without_a_request(old, age):
    pair = sessions.refresh(str(old))
    assert pair.session.pk == session_id_of(old["jti"])
    assert sessions.refresh(str(old)).refresh == pair.refresh


def test_an_imported_token_is_exchanged_without_a_request(old):
    call_command("jwtauth_import_simplejwt")
    assert sessions.refresh(str(old)).session.pk == session_id_of(old["jti"])
    assert ExchangedToken.objects.get().exchanged_at is not None


@pytest.mark.parametrize(
    ("changes", "status"), [({"generation": models.F("generation") + 1}, 503), ({"revoked_at": Now()}, 401)]
)
def test_an_exchange_that_loses_a_race_looks_again(client, old, settings, monkeypatch, age, changes, status):
    call_command("jwtauth_import_simplejwt")
    age(RefreshToken.objects.get(), timedelta(minutes=1))
    monkeypatch.setattr(rules, "changes", changes)
    settings.JWTAUTH = {"CLAIMS_HOOKS": ["tests.migrate.rules.interfere"]}
    assert refresh(client, old).status_code == status
    assert ExchangedToken.objects.get().exchanged_at is None


@pytest.mark.parametrize("use", [sessions.refresh, sessions.find_by_refresh_token])
def test_an_exchange_that_cannot_be_stored_ends(old, use):
    def fail(**kwargs):
        raise IntegrityError

    pre_save.connect(fail, sender=RefreshToken)
    try:
        with pytest.raises(RefreshConflictError):
            use(str(old))
    finally:
        pre_save.disconnect(fail, sender=RefreshToken)
    assert not ExchangedToken.objects.exists()


def test_signing_out_everywhere_before_the_tables_are_there(user, monkeypatch):
    monkeypatch.setattr(EndedTokens._meta, "db_table", "nowhere")
    sessions.revoke_all(user)


def test_signing_out_a_user_who_has_been_deleted(user):
    user.delete()
    assert sessions.revoke_all(user) == 0


@pytest.mark.parametrize("model", [ExchangedToken, EndedTokens, OutstandingToken, BlacklistedToken])
def test_rows_are_named_by_their_keys(model):
    key = uuid.uuid4() if model is ExchangedToken else 7
    assert str(model(pk=key)) == str(key)


def test_a_user_in_the_old_tables_can_be_deleted(user, old):
    user.delete()
    assert OutstandingToken.objects.get().user_id is None


def test_a_user_can_be_deleted_without_the_old_tables(user, monkeypatch):
    monkeypatch.setattr(OutstandingToken._meta, "db_table", "nowhere")
    user.delete()
    assert not get_user_model().objects.exists()
