"""Whether a password is enough: one decision for both endpoints, and what a challenge looks like."""

import pytest
from django.test import override_settings
from django.urls import path
from rest_framework.test import APIClient
from rest_framework.views import exception_handler

from django_jwtauth import views
from django_jwtauth.browser_views import BrowserLoginView
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests.tools.http import RIGHT, TOKEN
from tests.tools.routes import WithRoutes

LOGIN = "/auth/browser/login/"
ASKED = []


def enough(user, *, request):
    return None


def never(user, *, request):
    ASKED.append((user.get_username(), request.path))
    return {"reason": "second_factor", "challenge": "abc"}


def unnamed(user, *, request):
    return {"detail": "Ask Grace.", "contact": "grace@example.com"}


def own_reason(user, *, request):
    return {"reason": "contract_not_signed"}


def empty(user, *, request):
    return {}


def refusing(user, *, request):
    raise InvalidTokenError("blocked", code="no_active_account", message="Not from here")


def sign_in(url):
    client = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    csrf = client.get("/auth/browser/csrf/").json()["csrf_token"]
    return client.post(url, RIGHT, headers={"X-CSRFToken": csrf})


def deciding(function, **more):
    return override_settings(JWTAUTH={"SIGN_IN_CHALLENGE": function, **more})


@pytest.mark.parametrize("url", [TOKEN, LOGIN])
@pytest.mark.parametrize("function", [never, f"{__name__}.never"], ids=["function", "path"])
def test_a_challenge_takes_the_place_of_the_tokens(user, url, function):
    ASKED.clear()
    with deciding(function):
        answer = sign_in(url)
    assert answer.status_code == 401
    assert answer.json() == {
        "detail": "A second factor is needed to sign in",
        "code": "challenge_required",
        "reason": "second_factor",
        "challenge": "abc",
    }
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Cache-Control"] == "no-store"
    assert answer.cookies.keys() <= {"csrftoken"}
    assert [("ada", url)] == ASKED
    assert not RefreshToken.objects.exists()
    user.refresh_from_db()
    assert user.last_login is None


@pytest.mark.parametrize("url", [TOKEN, LOGIN])
@pytest.mark.parametrize(
    ("function", "detail", "reason"),
    [
        (unnamed, "Ask Grace.", "challenge"),
        (own_reason, "The password is right, but not enough to sign in", "contract_not_signed"),
        (empty, "The password is right, but not enough to sign in", "challenge"),
    ],
)
def test_a_challenge_may_name_its_reason_and_detail(user, url, function, detail, reason):
    with deciding(function):
        answer = sign_in(url)
    assert (answer.status_code, answer.json()["detail"], answer.json()["reason"]) == (401, detail, reason)


@pytest.mark.parametrize("url", [TOKEN, LOGIN])
def test_none_means_that_the_password_is_enough(user, url):
    with deciding(enough):
        assert sign_in(url).status_code == 200


@pytest.mark.parametrize("url", [TOKEN, LOGIN])
@pytest.mark.parametrize("wrong", [False, True, "second_factor", 0])
def test_any_other_answer_admits_nobody(user, url, wrong):
    with deciding(lambda user, *, request: wrong):
        assert sign_in(url).status_code == 500
    assert not RefreshToken.objects.exists()


@pytest.mark.parametrize("url", [TOKEN, LOGIN])
def test_the_function_may_refuse(user, url):
    with deciding(refusing):
        answer = sign_in(url)
    assert (answer.status_code, answer.json()["reason"], answer.json()["detail"]) == (401, "blocked", "Not from here")


def test_only_right_passwords_are_challenged(client, user):
    with deciding(never):
        answer = client.post(TOKEN, {**RIGHT, "password": "wrong"})
    assert answer.json()["reason"] == "credentials"


def test_challenges_are_not_counted_as_failed_sign_ins(client, user):
    with deciding(never, THROTTLE_RATES={"login": "2/min"}):
        answers = [client.post(TOKEN, RIGHT).json()["reason"] for _ in range(4)]
    assert answers == ["second_factor"] * 4


class DecidingView(views.TokenView):
    def get_challenge(self, request, user):
        return None


class OtherMethodsView(views.TokenView):
    amr = ["pwd", "otp"]
    acr = "two-factor"


class OtherMethodsBrowserView(BrowserLoginView):
    amr = ["pwd", "otp"]
    acr = "two-factor"


def test_a_view_can_decide_for_itself(client, user):
    with deciding(never), WithRoutes(path("mine/", DecidingView.as_view())):
        assert client.post("/mine/", RIGHT).status_code == 200


@pytest.mark.parametrize("view", [OtherMethodsView, OtherMethodsBrowserView])
def test_a_view_can_name_what_it_has_asked_for(user, view):
    with WithRoutes(path("mine/", view.as_view())):
        assert sign_in("/mine/").status_code == 200
    row = RefreshToken.objects.get()
    assert (row.amr, row.acr) == (["pwd", "otp"], "two-factor")


def test_without_packages_that_demand_more_the_password_is_enough(user, django_assert_max_num_queries):
    client = APIClient()
    client.post(TOKEN, RIGHT)  # a password of an older hash is upgraded once
    with django_assert_max_num_queries(4 + 2):  # and a savepoint
        assert client.post(TOKEN, RIGHT).status_code == 200


def with_numbers(user, *, request):
    return {"attempts": 3, "methods": ["totp"]}


def envelope(exc, context):
    response = exception_handler(exc, context)
    response.data = {"errors": response.data, "codes": exc.get_codes(), "full": exc.get_full_details()["code"]["code"]}
    return response


@pytest.mark.parametrize("url", [TOKEN, LOGIN])
def test_the_project_s_handler_of_errors_sees_a_challenge(user, url):
    with deciding(with_numbers), override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": envelope}):
        answer = sign_in(url)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    assert answer.json()["errors"] | {"attempts": 3, "methods": ["totp"]} == answer.json()["errors"]
    assert (answer.json()["codes"]["code"], answer.json()["full"]) == ("challenge_required",) * 2
