"""Packages that have tokens or passwords of their own, beside ours."""

import datetime

import pytest
from django.urls import include, path
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenObtainPairView

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from tests.tools.http import RIGHT, bearer
from tests.tools.routes import WithRoutes

from .page import set_up

pytestmark = pytest.mark.django_db
NEW = "battery staple 9"


class Who(APIView):
    """Says which package authenticated the request."""

    def get(self, request):
        return Response({"user": str(request.user.pk), "by": type(request.successful_authenticator).__module__})


def who(settings, package):
    """Return a route to a view under the default classes that the lines for a package set."""
    set_up(settings, package)
    return path("who/", Who.as_view(authentication_classes=api_settings.DEFAULT_AUTHENTICATION_CLASSES))


def ask(client, token):
    answer = client.get("/who/", **bearer(token))
    return (answer.json()["user"], answer.json()["by"].partition(".")[0]) if answer.status_code == 200 else 401


# djangorestframework-simplejwt


def test_simplejwt_tokens_are_accepted_beside_ours(client, user, settings, pair):
    with WithRoutes(who(settings, "djangorestframework-simplejwt"), path("simple/", TokenObtainPairView.as_view())):
        theirs = client.post("/simple/", RIGHT).json()["access"]
        assert ask(client, theirs) == (str(user.pk), "rest_framework_simplejwt")
        assert ask(client, pair.access) == (str(user.pk), "django_jwtauth")
        for token in (theirs[:-4] + "AAAA", pair.access[:-4] + "AAAA", pair.refresh, "opaque"):
            assert ask(client, token) == 401
        sessions.revoke(pair.session)
        assert ask(client, pair.access) == 401


# django-oauth-toolkit


def test_oauth_toolkit_tokens_are_accepted_beside_ours(client, user, settings, pair):
    route = who(settings, "django-oauth-toolkit")
    app = Application.objects.create(
        name="a client", client_type="confidential", authorization_grant_type="client-credentials"
    )
    end = timezone.now() + datetime.timedelta(hours=1)
    AccessToken.objects.create(user=user, token="opaque123", application=app, expires=end, scope="read")
    with WithRoutes(route):
        assert ask(client, "opaque123") == (str(user.pk), "oauth2_provider")
        assert ask(client, pair.access) == (str(user.pk), "django_jwtauth")
        for token in ("opaque", pair.access[:-4] + "AAAA", pair.refresh):
            assert ask(client, token) == 401


# dj-rest-auth


def test_rest_auth_changes_passwords_under_our_tokens(client, user, settings, pair):
    started_with = settings.REST_AUTH  # it reads them while it is loaded, and does not take all of them
    set_up(settings, "dj-rest-auth")
    assert started_with == settings.REST_AUTH
    with WithRoutes(path("rest/", include("dj_rest_auth.urls"))):
        assert client.get("/rest/user/", **bearer(pair.access)).json()["username"] == "ada"
        new = {"new_password1": NEW, "new_password2": NEW}
        assert client.post("/rest/password/change/", new, **bearer(pair.access)).status_code == 200
        assert client.get("/rest/user/", **bearer(pair.access)).status_code == 401
        assert RefreshToken.objects.get().revoked_reason == "password_changed"
        user.refresh_from_db()
        after = sessions.start(user)
        # What it calls signing out is not ours.
        assert client.post("/rest/logout/", **bearer(after.access)).status_code == 200
        assert client.get("/rest/user/", **bearer(after.access)).status_code == 200


# djoser


def test_djoser_changes_passwords_and_deletes_users_under_our_tokens(client, user, settings, pair):
    set_up(settings, "djoser")
    assert client.get("/djoser/users/me/", **bearer(pair.access)).json()["username"] == "ada"
    new = {"new_password": NEW, "current_password": RIGHT["password"]}
    assert client.post("/djoser/users/set_password/", new, **bearer(pair.access)).status_code == 204
    assert client.get("/djoser/users/me/", **bearer(pair.access)).status_code == 401
    user.refresh_from_db()
    after = sessions.start(user)
    gone = client.delete("/djoser/users/me/", {"current_password": NEW}, **bearer(after.access))
    assert gone.status_code == 204
    reasons = RefreshToken.objects.order_by("created_at").values_list("revoked_reason", "user")
    assert list(reasons) == [("password_changed", None), ("user_deleted", None)]
