"""Users and tokens, ours and those of our peers."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from knox.models import get_token_model
from oauth2_provider.models import get_access_token_model
from rest_framework_simplejwt import state
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from django_jwtauth import sessions
from django_jwtauth.keys import Key
from django_jwtauth.secret import hidden

SIMPLEJWT = "Simple JWT"
KNOX = "knox"
OAUTH_TOOLKIT = "OAuth Toolkit"
PYJWT = "PyJWT"
CRYPTOGRAPHY = "cryptography"
PASSWORD = "correct horse"  # noqa: S105 - nobody is protected by it


def user() -> User:
    """Return the user who signs in."""
    found = User.objects.filter(username="ada").first()
    return found or User.objects.create_user("ada", "ada@example.com", PASSWORD)


def let_simplejwt_sign_with(key: Key) -> None:
    """Have Simple JWT sign and verify with a key of ours."""
    verifying: Any = key.public_pem() if not key.is_symmetric else hidden(key._public).reveal().hex()
    state.token_backend = TokenBackend(key.alg, key.private_pem() if not key.is_symmetric else verifying, verifying)


def headers(person: User) -> dict[str, str]:
    """Return the value of ``Authorization`` for each view."""
    ours = f"Bearer {sessions.start(person).access}"
    theirs = f"Bearer {AccessToken.for_user(person)}"
    _, knox = get_token_model().objects.create(user=person)
    token = get_access_token_model().objects.create(
        user=person, token="o" * 30, expires=timezone.now() + timedelta(days=1), scope="read"
    )
    return {
        "stateless": ours,
        "session": ours,
        "simplejwt-stateless": theirs,
        "simplejwt": theirs,
        "knox": f"Token {knox}",
        "oauth-toolkit": f"Bearer {token.token}",
    }


def simplejwt_refresh(person: User) -> str:
    """Return a refresh token of Simple JWT."""
    return str(RefreshToken.for_user(person))


def clear() -> None:
    """Remove the tokens that :func:`headers` has made for OAuth Toolkit, which has a fixed text."""
    get_access_token_model().objects.all().delete()
