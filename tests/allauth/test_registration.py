"""dj-rest-auth, by the lines that the page of neighbours prints: registration, and a sign-out that ends the session."""

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.urls import include, path

from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer
from tests.tools.routes import WithRoutes
from tests.works_with.page import moved_in

pytestmark = pytest.mark.django_db
PASSWORD = "battery staple 9"
GRACE = {"username": "grace", "email": "grace@example.com", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def project(settings):
    started_with = settings.REST_AUTH  # it reads them while it is loaded, and does not take all of them
    names = moved_in(settings, "dj-rest-auth")
    assert started_with == settings.REST_AUTH
    with WithRoutes(*names["urlpatterns"]):
        yield


def register(client):
    return client.post("/rest/registration/", GRACE)


def test_a_registration_starts_a_session(client, project):
    pair = register(client)
    assert (pair.status_code, set(pair.json())) == (201, {"access", "refresh", "expires_in"})
    assert client.get("/rest/user/", **bearer(pair.json()["access"])).json()["email"] == GRACE["email"]
    assert RefreshToken.objects.get().amr == ["pwd"]


def test_an_address_that_must_be_verified_first_starts_none(client, project, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    assert register(client).json() == {"detail": "Verification e-mail sent."}
    assert get_user_model().objects.count() == 1
    assert not RefreshToken.objects.exists()


def test_signing_out_ends_the_session(client, project):
    register(client)
    pair = client.post("/rest/login/", {"username": "grace", "password": PASSWORD}).json()
    assert client.post("/rest/logout/", **bearer(pair["access"])).status_code == 204
    assert client.get("/rest/user/", **bearer(pair["access"])).status_code == 401
    assert client.post("/auth/token/refresh/", {"refresh": pair["refresh"]}).status_code == 401
    assert client.post("/rest/logout/").status_code == 401


def warned():
    return [found for found in run_checks(include_deployment_checks=True) if found.id == "jwtauth.W013"]


def test_its_own_sign_out_is_warned_of(client, project):
    assert warned() == []
    with WithRoutes(path("rest/", include("dj_rest_auth.urls"))):
        (message,) = warned()
        assert "at rest/logout/:" in message.msg
