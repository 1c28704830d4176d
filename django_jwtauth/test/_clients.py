"""Test clients that sign themselves in, and a mixin for test cases."""

from typing import Any, Unpack

from django.test import AsyncClient
from rest_framework.test import APIClient

from ..verifier import AccessToken
from ._issuer import Issuer
from ._sign_in import SignedIn, asign_in, force_authenticate, sign_in, sign_out
from ._state import reset_state
from ._tokens import Options, make_token


class JWTClient(APIClient):
    """REST framework's client, which signs itself in."""

    def sign_in(
        self, user: Any, *, cookies: bool = False, issuer: Issuer | None = None, **options: Unpack[Options]
    ) -> SignedIn:
        """Sign this client in. Arguments and errors as for :func:`sign_in`."""
        return sign_in(self, user, cookies=cookies, issuer=issuer, **options)

    def sign_out(self) -> None:
        """Take the tokens away. See :func:`sign_out`."""
        sign_out(self)

    def force_authenticate(  # type: ignore[override]  # with more arguments, and a result
        self, user: Any = None, token: Any = None, **options: Unpack[Options]
    ) -> AccessToken | None:
        """Authenticate by force, with a real ``request.auth`` unless a token is given. See :func:`force_authenticate`.

        Args:
            user: As for :func:`force_authenticate`.
            token: What ``request.auth`` shall be instead.
            options: As for :func:`force_authenticate`.
        """
        if token is None:
            return force_authenticate(self, user, **options)
        super().force_authenticate(user=user, token=token)
        return None


class AsyncJWTClient(AsyncClient):
    """Django's client for coroutines, which signs itself in."""

    async def asign_in(
        self, user: Any, *, cookies: bool = False, issuer: Issuer | None = None, **options: Unpack[Options]
    ) -> SignedIn:
        """Sign this client in. Arguments and errors as for :func:`sign_in`."""
        return await asign_in(self, user, cookies=cookies, issuer=issuer, **options)

    def sign_out(self) -> None:
        """Take the tokens away. See :func:`sign_out`."""
        sign_out(self)


class JWTTestMixin:
    """For a ``TestCase`` of Django or REST framework. List it before the test case among the base classes.

    The test case keeps its own client.
    """

    client: Any

    def setUp(self) -> None:
        """Reset the state before each test."""
        reset_state()
        super().setUp()  # type: ignore[misc]

    def sign_in(self, user: Any, **options: Any) -> SignedIn:
        """Sign ``self.client`` in. Arguments and errors as for :func:`sign_in`."""
        return sign_in(self.client, user, **options)

    def sign_out(self) -> None:
        """Take the tokens of ``self.client`` away. See :func:`sign_out`."""
        sign_out(self.client)

    def make_token(self, user: Any, **options: Any) -> str:
        """Return an access token. Arguments and errors as for :func:`make_token`."""
        return make_token(user, **options)

    def assertRefused(self, response: Any, reason: str) -> None:  # noqa: N802 - as unittest names assertions
        """Assert that a response says that the token was refused, and why.

        Args:
            response: The response, with status 401.
            reason: The ``reason`` in its body.
        """
        found = response.status_code, response.json().get("reason")
        self.assertEqual(found, (401, reason))  # type: ignore[attr-defined]  # noqa: PT009 - of the test case
