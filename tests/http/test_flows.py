"""What a client sees, end to end."""

import datetime

import pytest

from django_jwtauth.models import RefreshToken
from tests.tools.http import bearer

HOUR = datetime.timedelta(hours=1)


def sign_in(client, **extra):
    response = client.post("/auth/token/", {"username": "ada", "password": "correct horse"}, format="json", **extra)
    assert response.status_code == 200, response.content
    return response.json()


@pytest.mark.django_db
def test_sign_in_call_refresh_steal_detect(client, user, age):
    first = sign_in(client)
    assert set(first) == {"access", "refresh", "token_type", "expires_in", "refresh_expires_in"}
    assert first["token_type"] == "Bearer"
    assert first["expires_in"] == 300
    assert client.get("/whoami/", **bearer(first["access"])).json()["user"] == str(user.pk)
    assert client.get("/stateless/", **bearer(first["access"])).status_code == 200

    session = RefreshToken.objects.get()
    same = client.post("/auth/token/refresh/", {"refresh": first["refresh"]}).json()
    assert same["refresh"] == first["refresh"]
    assert same["access"] != first["access"]

    age(session, HOUR)
    second = client.post("/auth/token/refresh/", {"refresh": first["refresh"]}).json()
    assert second["refresh"] != first["refresh"]
    replayed = client.post("/auth/token/refresh/", {"refresh": first["refresh"]}).json()
    assert replayed["refresh"] == second["refresh"]

    session.refresh_from_db()
    age(session, HOUR)
    stolen = client.post("/auth/token/refresh/", {"refresh": first["refresh"]})
    assert stolen.status_code == 401
    assert stolen.json()["code"] == "token_not_valid"
    assert stolen.json()["reason"] == "reused"
    assert stolen["WWW-Authenticate"] == 'Bearer realm="api"'
    for path in ("/whoami/", "/stateless/"):
        refused = client.get(path, **bearer(replayed["access"]))
        assert refused.status_code == 401
        assert refused.json()["reason"] == "revoked"
        assert refused["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
