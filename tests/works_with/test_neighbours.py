"""Users of other packages move in, by the lines that the page of neighbours prints."""

from datetime import timedelta

import pytest
from django.urls import path
from django.utils import timezone
from knox.models import get_token_model
from rest_framework.authtoken.models import Token
from rest_framework.settings import api_settings

from django_jwtauth.models import RefreshToken
from tests.tools.docs import page, section
from tests.tools.http import RIGHT, bearer
from tests.tools.routes import WithRoutes
from tests.urls import WhoAmI

from .page import NEIGHBOURS, moved_in

pytestmark = pytest.mark.django_db
NEW = "battery staple 9"


def headed(token):
    return {"HTTP_AUTHORIZATION": f"Token {token}"}


class Plain(WhoAmI):
    def get(self, request):
        return super().get(request) if hasattr(request.auth, "sid") else self.http_method_not_allowed(request)


# REST framework's tokens


def test_authtoken_is_exchanged_by_each_device(client, user, settings):
    names = moved_in(settings, "Authtoken of REST framework")
    old = Token.objects.create(user=user)
    Token.objects.update(created=timezone.now() - timedelta(days=100))
    who = Plain.as_view(authentication_classes=api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    with WithRoutes(path("exchange/", names["ExchangeView"].as_view()), path("me/", who)):
        pairs = [client.post("/exchange/", **headed(old.key)).json() for _ in range(2)]
        assert client.post("/exchange/", **headed("x")).status_code == 401
        assert client.post("/exchange/").status_code == 401
        assert client.post("/exchange/", **bearer(pairs[0]["access"])).status_code == 401
        for pair in pairs:
            assert client.get("/me/", **bearer(pair["access"])).json()["user"] == str(user.pk)
            assert client.post("/auth/token/refresh/", {"refresh": pair["refresh"]}).status_code == 200
        assert client.get("/me/", **headed(old.key)).status_code == 405  # accepted, and belongs to no session
    assert RefreshToken.objects.count() == 2
    for session in RefreshToken.objects.all():
        assert timezone.now() - session.auth_time >= timedelta(days=99)


# django-rest-knox


def test_knox_tokens_are_exchanged_once_each(client, user, settings):
    names = moved_in(settings, "django-rest-knox")
    old, other = (get_token_model().objects.create(user)[1] for _ in range(2))
    with WithRoutes(path("exchange/", names["ExchangeView"].as_view())):
        pair = client.post("/exchange/", **headed(old)).json()
        assert client.get("/whoami/", **bearer(pair["access"])).json()["user"] == str(user.pk)
        # A lost response: again, but not for long, and each time leaves it no longer.
        assert client.post("/exchange/", **headed(old)).status_code == 200
        expiries = list(get_token_model().objects.order_by("expiry").values_list("expiry", flat=True))
        assert expiries[0] - timezone.now() < timedelta(minutes=5) < expiries[1] - timezone.now()
        get_token_model().objects.filter(expiry=expiries[0]).update(expiry=timezone.now() - timedelta(seconds=1))
        assert client.post("/exchange/", **headed(old)).status_code == 401
        assert client.post("/exchange/", **headed(other)).status_code == 200


# djoser


def test_djoser_s_paths_for_jwts_and_its_passwords(client, user, settings, age):
    names = moved_in(settings, "djoser")
    with WithRoutes(*names["urlpatterns"]):
        mine, others = (client.post("/jwt/create/", RIGHT).json() for _ in range(2))
        assert client.post("/jwt/verify/", {"token": mine["access"]}).status_code == 200
        assert client.post("/jwt/refresh/", {"refresh": mine["refresh"]}).status_code == 200
        wrong = {"new_password": NEW, "current_password": "wrong"}
        assert client.post("/users/set_password/", wrong, **bearer(mine["access"])).status_code == 400
        assert client.post("/users/set_password/", {**wrong, "current_password": RIGHT["password"]}).status_code == 401
        new = {"new_password": NEW, "current_password": RIGHT["password"]}
        assert client.post("/users/set_password/", new, **bearer(mine["access"])).status_code == 204
        assert client.get("/users/me/", **bearer(mine["access"])).status_code == 200
        assert client.post("/jwt/refresh/", {"refresh": mine["refresh"]}).status_code == 200
        assert client.get("/users/me/", **bearer(others["access"])).status_code == 401
        assert client.post("/jwt/create/", RIGHT).status_code == 401
        assert client.post("/jwt/create/", {**RIGHT, "password": NEW}).status_code == 200


def test_allauth_and_oauth_toolkit_have_their_lines_elsewhere():
    for heading, target in (
        ("allauth headless", "signing-in.md#by-social-login"),
        ("django-oauth-toolkit", "works-with"),
    ):
        assert target in section(page(NEIGHBOURS), f"## {heading}")
