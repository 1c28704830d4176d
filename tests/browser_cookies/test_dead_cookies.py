"""Cookies that are no longer good, on pages that need no user; and cookies outside of REST framework's views."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated, IsAuthenticatedOrReadOnly
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_jwtauth import sessions
from django_jwtauth.authentication import (
    JWTAuthentication,
    JWTCookieAuthentication,
    StatelessJWTAuthentication,
    StatelessJWTCookieAuthentication,
)
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.models import RefreshToken
from tests import urls
from tests.tools.cookie_jar import ACCESS
from tests.tools.database import failing_reads
from tests.tools.http import bearer

pytestmark = pytest.mark.urls(__name__)


class Page(APIView):
    authentication_classes = [JWTCookieAuthentication]
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"user": str(request.user)})

    post = get


class OwnedPage(Page):
    permission_classes = [IsAuthenticatedOrReadOnly]

    def get(self, request):
        self.check_object_permissions(request, None)
        return super().get(request)

    def check_object_permissions(self, request, obj):
        if not request.user.is_authenticated:
            self.permission_denied(request)


BOTH = [JWTCookieAuthentication, SessionAuthentication]
urlpatterns = [
    *urls.urlpatterns,
    path("public/", Page.as_view()),
    path("stateless/public/", Page.as_view(authentication_classes=[StatelessJWTCookieAuthentication])),
    path("members/", Page.as_view(permission_classes=[IsAuthenticated])),
    path("owned/", OwnedPage.as_view()),
    path("for-staff/", Page.as_view(authentication_classes=BOTH, permission_classes=[IsAdminUser])),
    path("both/", Page.as_view(authentication_classes=BOTH, permission_classes=[IsAuthenticated])),
]


def revoke(user):
    RefreshToken.objects.update(revoked_at=RefreshToken.objects.now(), revoked_reason="admin")


def expire(user):
    RefreshToken.objects.update(expires_at=RefreshToken.objects.get().created_at)


def deactivate(user):
    get_user_model().objects.update(is_active=False)


def change_password(user):
    get_user_model().objects.update(password="!")


DEAD = {
    revoke: "revoked",
    expire: "session_expired",
    deactivate: "user_inactive",
    change_password: "password_changed",
}
dead = pytest.mark.parametrize("end", DEAD, ids=lambda end: end.__name__)


@pytest.fixture
def cookie(pair):
    return {"headers": {"Cookie": f"{ACCESS}={pair.access}"}}


@dead
def test_a_page_that_needs_no_user_is_shown_to_nobody_in_particular(client, user, cookie, end):
    assert client.get("/public/", **cookie).json() == {"user": "ada"}
    end(user)
    for method in ("get", "head", "options"):
        response = getattr(client, method)("/public/", **cookie)
        assert (response.status_code, response["Vary"]) == (200, "Accept, Cookie")
    assert client.get("/public/", **cookie).json() == {"user": "AnonymousUser"}


@dead
@pytest.mark.parametrize("url", ["/members/", "/owned/"])
def test_a_page_that_needs_a_user_says_why_the_cookie_is_refused(client, user, cookie, end, url):
    assert client.get(url, **cookie).status_code == 200
    end(user)
    response = client.get(url, **cookie)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    assert response.json()["reason"] == DEAD[end]
    assert set(response.json()) == {"detail", "code", "reason"}


@dead
@pytest.mark.parametrize("url", ["/public/", "/members/", "/owned/"])
def test_what_is_sent_with_a_dead_cookie_is_never_taken_as_an_anonymous_visitors(client, user, cookie, end, url):
    end(user)
    response = client.post(url, **cookie)
    assert (response.status_code, response.json()["reason"]) == (401, DEAD[end])


def test_the_same_is_true_of_the_stateless_class(client, user, pair, cookie):
    sessions.revoke(pair.session)
    assert client.get("/stateless/public/", **cookie).json() == {"user": "AnonymousUser"}
    assert client.post("/stateless/public/", **cookie).json()["reason"] == "revoked"


@override_settings(JWTAUTH={"SIGNING_KEYS": [{"alg": "HS256", "secret": "of-good-length-and-only-for-this-test-8351"}]})
def test_the_same_is_true_under_another_secret_key(client, user):
    headers = {"Cookie": f"{ACCESS}={sessions.start(user).access}"}
    with override_settings(SECRET_KEY="another-secret-key-of-good-length-0123456789"):
        assert client.get("/public/", headers=headers).json() == {"user": "AnonymousUser"}
        assert client.get("/members/", headers=headers).json()["reason"] == "key_changed"


def test_a_header_is_refused_on_every_page(client, pair):
    sessions.revoke(pair.session)
    assert client.get("/public/", **bearer(pair.access)).json()["reason"] == "revoked"


@pytest.mark.parametrize("value", ["x", "a.b.c", "{0}; {1}={0}", "{2}"], ids=["opaque", "malformed", "two", "refresh"])
def test_a_cookie_that_was_never_good_is_refused_on_every_page(client, pair, value):
    header = {"Cookie": f"{ACCESS}=" + value.format(pair.access, ACCESS, pair.refresh)}
    assert client.get("/public/", headers=header).status_code == 401


def test_a_cookie_that_cannot_be_checked_is_503_on_every_page(client, cookie):
    with failing_reads():
        response = client.get("/stateless/public/", **cookie)
    assert (response.status_code, response["Retry-After"]) == (503, "1")


def test_another_class_is_asked_and_decides(client, user, cookie):
    revoke(user)
    client.force_login(user)
    headers = {"Cookie": f"{cookie['headers']['Cookie']}; sessionid={client.cookies['sessionid'].value}"}
    assert client.get("/both/", headers=headers).json() == {"user": "ada"}
    assert client.get("/for-staff/", headers=headers).status_code == 403


def test_each_request_has_its_own_refusal(user, cookie):
    view = Page.as_view(permission_classes=[IsAuthenticated])
    revoke(user)
    factory = RequestFactory()
    assert view(factory.get("/", **cookie)).data["reason"] == "revoked"
    assert "reason" not in view(factory.get("/")).data


# Empty cookies


@override_settings(JWTAUTH={"COOKIES": {"secure": False}})
def test_after_signing_out_djangos_test_client_is_anonymous(user):
    client = Client()
    client.post("/auth/browser/login/", {"username": "ada", "password": "correct horse"})
    assert client.get("/public/").json() == {"user": "ada"}
    assert client.post("/auth/browser/logout/").status_code == 204
    assert client.get("/public/").json() == {"user": "AnonymousUser"}
    assert client.get("/members/").json() == {"detail": "Authentication credentials were not provided."}
    assert client.post("/public/").status_code == 200
    assert client.post("/auth/browser/refresh/").json()["reason"] == "not_authenticated"


@pytest.mark.parametrize("empty", ["", '""', " ", '  ""'])
def test_an_empty_cookie_counts_as_no_token(db, empty):
    headers = {"Cookie": f"{ACCESS}={empty}"}
    assert APIClient().get("/public/", headers=headers).json() == {"user": "AnonymousUser"}


# Django's own request


CLASSES = [
    JWTAuthentication,
    StatelessJWTAuthentication,
    JWTCookieAuthentication,
    StatelessJWTCookieAuthentication,
]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_takes_djangos_own_request(rf, pair, cookie, cls):
    assert cls().authenticate(rf.get("/")) is None
    assert cls().authenticate(rf.get("/", **bearer(pair.access)))[1].sid == str(pair.session.pk)
    found = cls().authenticate(rf.get("/", **cookie))
    assert (found is not None) is (cls in CLASSES[2:])


@pytest.mark.parametrize("cls", CLASSES[2:])
def test_with_djangos_own_request_the_csrf_check_is_made_and_a_refusal_is_raised(rf, pair, cookie, cls):
    with pytest.raises(PermissionDenied) as caught:
        cls().authenticate(rf.post("/", **cookie))
    assert caught.value.get_codes() == {"detail": "csrf_failed", "code": "csrf_failed", "reason": "csrf_failed"}
    sessions.revoke(pair.session)
    with pytest.raises(InvalidTokenError, match="revoked"):
        cls().authenticate(rf.get("/", **cookie))


def test_a_dead_cookie_costs_one_query(client, user, cookie, django_assert_num_queries):
    revoke(user)
    with django_assert_num_queries(1, connection=connection):
        client.get("/public/", **cookie)
