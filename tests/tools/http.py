"""Requests and answers."""

import uuid

from django_jwtauth.models import BlacklistedToken, RefreshToken


def bearer(token):
    return {"headers": {"Authorization": f"Bearer {token}"}}


TOKEN, REFRESH, VERIFY = "/auth/token/", "/auth/token/refresh/", "/auth/token/verify/"
BLACKLIST, LOGOUT, LOGOUT_ALL, SESSIONS = (
    "/auth/token/blacklist/",
    "/auth/logout/",
    "/auth/logout/all/",
    "/auth/sessions/",
)
RIGHT = {"username": "ada", "password": "correct horse"}


def rows():
    """Everything both tables hold, to show that nothing changed."""
    return list(RefreshToken.objects.order_by("pk").values()), list(BlacklistedToken.objects.values())


def assert_refused(response, code, reason, challenge='Bearer realm="api"'):
    assert response.status_code == 401
    assert set(response.json()) == {"detail", "code", "reason"}
    assert (response.json()["code"], response.json()["reason"]) == (code, reason)
    assert response.json()["detail"]
    assert response["WWW-Authenticate"] == challenge
    assert response["Cache-Control"] == "no-store"


def urls_and_methods():
    targets = [TOKEN, REFRESH, VERIFY, BLACKLIST, LOGOUT, LOGOUT_ALL, SESSIONS, f"{SESSIONS}{uuid.UUID(int=0)}/"]
    return [(url, method) for url in targets for method in ("get", "post", "put", "patch", "delete", "options", "head")]
