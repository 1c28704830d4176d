"""Sign-in by password beside allauth.mfa and mandatory verification: who is stopped, and how a sign-in is finished."""

import json
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.core.cache import cache
from django.core.checks import run_checks
from django.urls import NoReverseMatch, path, reverse
from rest_framework.test import APIClient

from django_jwtauth import conf, views
from django_jwtauth.models import RefreshToken
from tests.tools.http import RIGHT, TOKEN, bearer
from tests.tools.routes import WithRoutes

from . import second_factor

APP = "/_allauth/app/v1/"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECOND = "/auth/token/second-factor/"
BROWSER_SECOND = "/auth/browser/login/second-factor/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def verified(user):
    return EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)


@pytest.fixture
def protected(verified):
    """A user with an authenticator app."""
    totp.TOTP.activate(verified.user, SECRET)
    return verified.user


@pytest.fixture
def recipe(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.JWTAUTH = {"SIGN_IN_CHALLENGE": "tests.allauth.second_factor.challenge"}


@pytest.fixture
def browser():
    client = APIClient(enforce_csrf_checks=True)
    csrf = client.get("/auth/browser/csrf/").json()["csrf_token"]
    client.credentials(HTTP_X_CSRFTOKEN=csrf)
    return client


def code():
    """What the user's app shows now."""
    return totp.format_hotp_value(totp.hotp_value(SECRET, int(time.time()) // 30))


def claims_of(access):
    return conf.get_config().verifier.verify(access).claims


def assert_challenged(answer, reason):
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (401, "challenge_required", reason)
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Cache-Control"] == "no-store"
    assert not answer.json().keys() & {"access", "refresh"}
    assert answer.cookies.keys() <= {"csrftoken"}
    assert not RefreshToken.objects.exists()


# Without a decision of the project


def test_the_password_alone_does_not_sign_in_a_user_with_a_second_factor(client, browser, protected):
    for answer in (client.post(TOKEN, RIGHT), browser.post("/auth/browser/login/", RIGHT)):
        assert_challenged(answer, "second_factor")


@pytest.mark.parametrize("value", ["mandatory", True])
def test_nor_one_whose_address_must_be_verified_first(client, browser, user, settings, value):
    settings.ACCOUNT_EMAIL_VERIFICATION = value
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    for answer in (client.post(TOKEN, RIGHT), browser.post("/auth/browser/login/", RIGHT)):
        assert_challenged(answer, "unverified_address")
    EmailAddress.objects.update(verified=True)
    assert client.post(TOKEN, RIGHT).status_code == 200


@pytest.mark.parametrize(("required", "status"), [(True, 401), (False, 200), ({"password"}, 401), ({"mfa"}, 200)])
def test_nor_anybody_where_allauth_sends_a_code(client, user, settings, required, status):
    settings.ACCOUNT_LOGIN_BY_CODE_REQUIRED = required
    assert client.post(TOKEN, RIGHT).status_code == status


@pytest.mark.parametrize(
    ("field", "phone", "is_on", "status"),
    [
        ("phone*", None, True, 401),
        ("phone", None, True, 200),
        ("phone", ("+4930123", False), True, 401),
        ("phone*", ("+4930123", False), False, 200),
        ("phone*", ("+4930123", True), True, 200),
        ("email*", ("+4930123", False), True, 200),
    ],
)
def test_nor_one_whose_phone_must_be_verified_first(client, user, settings, field, phone, is_on, status):
    settings.ACCOUNT_SIGNUP_FIELDS = [field, "password1*"]
    settings.ACCOUNT_PHONE_VERIFICATION_ENABLED = is_on
    settings.ACCOUNT_ADAPTER = "tests.allauth.phones.PhoneAdapter"
    settings.TESTS_PHONE = phone
    answer = client.post(TOKEN, RIGHT)
    assert answer.status_code == status
    if status == 401:
        assert_challenged(answer, "unverified_phone")


def test_everybody_else_signs_in_as_ever(client, browser, user):
    assert client.post(TOKEN, RIGHT).status_code == 200
    assert browser.post("/auth/browser/login/", RIGHT).status_code == 200


def test_a_wrong_password_says_nothing_of_a_second_factor(client, protected):
    answer = client.post(TOKEN, {**RIGHT, "password": "wrong"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "credentials")


# The check


def warned():
    messages = run_checks(tags=["security"], include_deployment_checks=True)
    return [message.msg for message in messages if message.id == "jwtauth.W011"]


def test_the_check_names_the_packages_and_the_routes(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    (message,) = warned()
    assert "uses allauth.mfa, the mandatory email verification of allauth, and" in message
    assert "at auth/token/, auth/browser/login/." in message


def test_the_check_is_content_with_a_decision_or_without_sign_in(recipe, settings):
    assert warned() == []
    settings.JWTAUTH = {}
    settings.ROOT_URLCONF = "tests.allauth.urls_without_sign_in"
    assert warned() == []
    settings.ROOT_URLCONF = None
    assert warned() == []
    settings.JWTAUTH = {"NONSENSE": 1}
    assert warned() == []


class Undecided(views.TokenView):
    pass


def test_the_check_finds_subclasses_and_leaves_out_those_that_decide(settings):
    with WithRoutes(path("mine/", Undecided.as_view())):
        assert "at mine/, auth/token/, auth/browser/login/." in warned()[0]


# The recipe


def test_a_sign_in_is_challenged_and_a_code_finishes_it(client, protected, recipe):
    challenged = client.post(TOKEN, RIGHT)
    assert_challenged(challenged, "second_factor")
    answer = client.post(SECOND, {"challenge": challenged.json()["challenge"], "code": code()})
    assert answer.status_code == 200
    claims = claims_of(answer.json()["access"])
    assert (claims["sub"], claims["amr"], claims["acr"]) == (str(protected.pk), ["pwd", "otp"], "two-factor")
    assert client.get("/whoami/", **bearer(answer.json()["access"])).status_code == 200
    refreshed = client.post("/auth/token/refresh/", {"refresh": answer.json()["refresh"]}).json()
    assert claims_of(refreshed["access"])["acr"] == "two-factor"


def test_in_cookies_too(browser, protected, recipe):
    challenged = browser.post("/auth/browser/login/", RIGHT)
    assert_challenged(challenged, "second_factor")
    answer = browser.post(BROWSER_SECOND, {"challenge": challenged.json()["challenge"], "code": code()})
    assert answer.status_code == 200
    assert len(answer.cookies.keys() - {"csrftoken"}) == 2
    assert not answer.json().keys() & {"access", "refresh"}
    row = RefreshToken.objects.get()
    assert (row.user, row.amr, row.acr, row.transport) == (protected, ["pwd", "otp"], "two-factor", "browser")


def test_another_site_cannot_finish_a_sign_in(protected, recipe):
    page = APIClient(enforce_csrf_checks=True)
    challenge = APIClient().post(TOKEN, RIGHT).json()["challenge"]
    assert page.post(BROWSER_SECOND, {"challenge": challenge, "code": code()}).status_code == 403


def test_a_recovery_code_finishes_it_once(client, protected, recipe):
    (recovery, *_) = RecoveryCodes.activate(protected).get_unused_codes()
    for status in (200, 401):
        challenge = client.post(TOKEN, RIGHT).json()["challenge"]
        assert client.post(SECOND, {"challenge": challenge, "code": recovery}).status_code == status


def test_a_code_works_once(client, protected, recipe):
    challenge = client.post(TOKEN, RIGHT).json()["challenge"]
    answers = [client.post(SECOND, {"challenge": challenge, "code": code()}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[1].json()["reason"] == "wrong_code"


def test_an_unverified_address_cannot_be_finished_by_a_code(client, protected, recipe):
    EmailAddress.objects.update(verified=False)
    challenged = client.post(TOKEN, RIGHT)
    assert_challenged(challenged, "unverified_address")
    assert "challenge" not in challenged.json()


def test_without_a_second_factor_the_password_is_enough(client, verified, recipe):
    assert claims_of(client.post(TOKEN, RIGHT).json()["access"])["amr"] == ["pwd"]


def test_a_challenge_ends_with_the_password_with_the_user_and_with_time(client, protected, recipe, monkeypatch):
    challenge = client.post(TOKEN, RIGHT).json()["challenge"]

    def finish(challenge):
        answer = client.post(SECOND, {"challenge": challenge, "code": code()})
        return answer.status_code, answer.json()["reason"]

    over = (401, "challenge_expired")
    assert finish("nonsense") == over
    protected.is_active = False
    protected.save()
    assert finish(challenge) == over
    protected.is_active = True
    protected.set_password("battery staple")
    protected.save()
    assert finish(challenge) == over
    challenge = client.post(TOKEN, {**RIGHT, "password": "battery staple"}).json()["challenge"]
    monkeypatch.setattr(second_factor, "SECONDS", -1)
    assert finish(challenge) == over
    assert not RefreshToken.objects.exists()


def test_right_passwords_are_not_counted_and_wrong_codes_are(client, protected, recipe, settings):
    settings.JWTAUTH = {**settings.JWTAUTH, "THROTTLE_RATES": {"login": "3/min"}}
    for _ in range(4):
        challenge = client.post(TOKEN, RIGHT).json()["challenge"]
    answers = []
    for _ in range(4):  # with a fresh challenge for each, and from many addresses
        challenge = client.post(TOKEN, RIGHT).json()["challenge"]
        answers.append(client.post(SECOND, {"challenge": challenge, "code": "000000"}).status_code)
    assert answers == [401, 401, 401, 429]


# Sign-in by allauth only


def post(client, where, body, **headers):
    return client.post(APP + where, json.dumps(body), content_type="application/json", headers=headers)


def test_with_the_other_urls_there_is_no_sign_in_by_password(client, protected, settings):
    settings.ROOT_URLCONF = "tests.allauth.urls_without_sign_in"
    for url in (TOKEN, "/auth/browser/login/"):
        assert client.post(url, RIGHT).status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("jwtauth:token")


def test_an_app_signs_in_with_a_second_factor_by_headless(client, protected, settings):
    settings.ROOT_URLCONF = "tests.allauth.urls_without_sign_in"
    challenged = post(client, "auth/login", {"email": protected.email, "password": "correct horse"})
    assert challenged.status_code == 401
    assert "access_token" not in challenged.content.decode()
    session = {"X-Session-Token": challenged.json()["meta"]["session_token"]}
    wrong = post(client, "auth/2fa/authenticate", {"code": "000000"}, **session)
    assert (wrong.status_code, RefreshToken.objects.exists()) == (400, False)
    answer = post(client, "auth/2fa/authenticate", {"code": code()}, **session)
    assert answer.status_code == 200
    meta = answer.json()["meta"]
    claims = claims_of(meta["access_token"])
    assert (claims["amr"], claims["acr"]) == (["pwd", "mfa"], "two-factor")
    refreshed = client.post(reverse("jwtauth:token-refresh"), {"refresh": meta["refresh_token"]})
    assert claims_of(refreshed.json()["access"])["acr"] == "two-factor"


def test_a_browser_signs_in_with_a_second_factor_by_pages(client, protected, settings):
    settings.ROOT_URLCONF = "tests.allauth.urls_without_sign_in"
    client.post("/accounts/login/", {"login": protected.email, "password": "correct horse"})
    assert client.post("/auth/token/session/").status_code == 401
    client.post("/accounts/2fa/authenticate/", {"code": code()})
    answer = client.post("/auth/token/session/")
    assert claims_of(answer.json()["access"])["amr"] == ["pwd", "mfa"]
    cache.clear()
