"""Tests of the project's own."""

from django.contrib.auth import get_user_model
from django.test import TestCase

from django_jwtauth.test import Issuer, JWTClient, JWTTestMixin, make_token, sign_in, stateless_user


class OrdersTest(JWTTestMixin, TestCase):
    """Tests with each of the tools."""

    def test_orders(self) -> None:
        """Sign in, and call."""
        user = get_user_model().objects.create(username="ada")
        signed_in = self.sign_in(user, scopes=["orders:read"])
        client = JWTClient()
        client.sign_in(user, scopes=["orders:read"], claims={"tenant": "acme"})
        other = sign_in(client, user, audience="https://orders.example.com")
        self.assertRefused(client.get("/orders/"), "revoked")
        raw: str = make_token(user, fault="expired")
        with Issuer("https://auth.example.com") as issuer:
            assert issuer.make_token("1", scopes=["orders:read"]) != raw
        assert signed_in.access != other.access
        assert stateless_user("1").pk == "1"
