"""What a client of Simple JWT has and does."""

import time

from rest_framework_simplejwt.tokens import RefreshToken


def sign_in(user, **claims):
    """Return the refresh token that Simple JWT gave the user a minute ago."""
    token = RefreshToken.for_user(user)
    token["iat"] = int(time.time()) - 60
    for name, value in claims.items():
        token[name] = value
    return token


def refresh(client, token, **data):
    return client.post("/auth/token/refresh/", {"refresh": str(token), **data}, format="json")


def reason(response):
    assert response.status_code == 401, response.content
    return response.json()["reason"]
