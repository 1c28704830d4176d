"""The middleware for plain Django views, among those of others that look at the user or set another one."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.functional import SimpleLazyObject

from tests.tools.http import bearer
from tests.tools.plain import OwnAPI

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]
OURS = "django_jwtauth.middleware.JWTMiddleware"


def who(request):
    return JsonResponse({"user": request.user.get_username()})


urlpatterns = [
    path("who/", who),
    path("quiet/", lambda request: JsonResponse({})),
    path("api/", OwnAPI.as_view()),
]


@pytest.fixture
def middleware(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, OURS]


@pytest.fixture(params=[Client, AsyncClient])
def ask(request):
    """Ask as a server with threads does, and as one with an event loop."""

    def ask(url, *, session="", **more):
        client = request.param()
        if session:
            client.cookies["sessionid"] = session
        return async_to_sync(client.get)(url, **more) if request.param is AsyncClient else client.get(url, **more)

    return ask


@pytest.fixture
def session(user):
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def demoting(get_response):
    """A middleware that lets nobody in whose account is locked. Here, that is everybody."""

    def middleware(request):
        request.user = AnonymousUser()
        return get_response(request)

    return middleware


def wrapping(get_response):
    """A middleware that adds something to the user when somebody asks, as django-otp's does."""

    def middleware(request):
        seen = request.user
        request.user = SimpleLazyObject(lambda: get_user_model().objects.filter(pk=seen.pk).first() or AnonymousUser())
        return get_response(request)

    return middleware


def looking(get_response):
    """A middleware whose responses depend on the user."""

    def middleware(request):
        greeted = request.user.get_username()
        response = get_response(request)
        response["Greeted"] = greeted
        return response

    return middleware


def test_views_of_rest_framework_see_what_a_later_middleware_has_made_of_the_user(
    middleware, settings, ask, session, pair
):
    before = settings.MIDDLEWARE
    settings.MIDDLEWARE = [*before, f"{__name__}.demoting"]
    for url in ("/api/", "/who/"):
        assert ask(url, session=session).json()["user"] == ""
    settings.MIDDLEWARE = [*before, f"{__name__}.wrapping"]
    for headers in ({}, bearer(pair.access), bearer("nonsense")):
        assert ask("/api/", session=session, **headers).json() == {"user": "ada", "plain": "ada"}
    assert ask("/api/", **bearer(pair.access)).json() == {"user": "", "plain": ""}  # it accepts no tokens


def test_a_later_middleware_that_looks_at_the_user_makes_any_response_vary(middleware, settings, ask, pair):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.looking"]
    for url in ("/api/", "/quiet/"):
        answer = ask(url, **bearer(pair.access))
        assert (answer.status_code, answer["Greeted"]) == (200, "ada")
        assert {"Authorization", "Cookie"} <= set(answer["Vary"].split(", "))


class OwnAuthenticationMiddleware(AuthenticationMiddleware):
    pass


@pytest.mark.parametrize(
    "later", ["django.contrib.auth.middleware.AuthenticationMiddleware", f"{__name__}.OwnAuthenticationMiddleware"]
)
def test_no_request_has_the_user_of_a_session_and_the_token_of_somebody_else(settings, ask, session, pair, later):
    """Django's middleware would replace our user, and leave our token."""
    sessions_first = "django.contrib.sessions.middleware.SessionMiddleware"
    settings.MIDDLEWARE = [sessions_first, OURS, later]
    with pytest.raises(ImproperlyConfigured, match="JWTMiddleware comes before"):
        ask("/who/", session=session, **bearer(pair.access))
    settings.MIDDLEWARE = [sessions_first, later, OURS]
    assert ask("/who/", **bearer(pair.access)).json() == {"user": "ada"}
