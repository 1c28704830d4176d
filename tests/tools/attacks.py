"""An attacker who has good tokens, and the ways to send bad ones."""

import functools
import hmac
import json
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_jwtauth.keys import Key, b64url_decode, b64url_encode
from django_jwtauth.models import BlacklistedToken, RefreshToken
from tests.tools.http import bearer
from tests.tools.keys import key_for

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
KEYS = {alg: key_for(alg) for alg in ("ES256", "RS256")}
SETUPS = {
    "HS256": [],
    "ES256 and RS256": ["ES256", "RS256"],
}
UNLIMITED = dict.fromkeys(["login", "login_address", "login_username", "refresh"])
ATTACKER = Key.generate("ES256")
ATTACKER_SECRET = Key.from_secret(b"the-attacker-has-a-secret-of-his-own")


@dataclass(frozen=True, kw_only=True)
class Good:
    """A pair of valid tokens, and functions that sign changed copies of them."""

    access: str
    refresh: str
    key: Key
    refresh_key: Key

    @property
    def claims(self):
        return json.loads(b64url_decode(self.access.split(".")[1].encode()))

    @property
    def refresh_claims(self):
        return json.loads(b64url_decode(self.refresh.split(".")[1].encode()))

    def header(self, **changes):
        members = {"alg": self.key.alg, "typ": "at+jwt", "kid": self.key.kid, **changes}
        return {name: value for name, value in members.items() if value is not ...}

    def sign(self, header=None, claims=None, *, key=None):
        """Sign any header and claims with the right key or another one. Bytes are used as they are."""
        return compact(self.header() if header is None else header, self.claims if claims is None else claims).signed(
            key or self.key
        )

    def with_claims(self, **changes):
        return self.sign(claims={name: value for name, value in {**self.claims, **changes}.items() if value is not ...})

    def with_header(self, **changes):
        return self.sign(self.header(**changes))

    def refresh_with(self, header=None, **changes):
        claims = {name: value for name, value in {**self.refresh_claims, **changes}.items() if value is not ...}
        base = {"alg": "HS256", "typ": "rt+jwt", "kid": self.refresh_key.kid}
        return compact({**base, **(header or {})}, claims).signed(self.refresh_key)


@dataclass(frozen=True)
class compact:  # noqa: N801
    """The first two segments of a token."""

    header: object
    claims: object

    def __str__(self):
        parts = (self.header, self.claims)
        return ".".join(b64url_encode(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in parts)

    def signed(self, key):
        return f"{self}.{b64url_encode(key.sign(str(self).encode()))}"

    def hmac(self, secret, digest="sha256"):
        return f"{self}.{b64url_encode(hmac.digest(secret, str(self).encode(), digest))}"


DELIVERIES = {
    "header": lambda client, raw: client.get("/whoami/", **bearer(raw)),
    "stateless": lambda client, raw: client.get("/stateless/", **bearer(raw)),
    "logout": lambda client, raw: client.post("/auth/logout/", **bearer(raw)),
    "verify": lambda client, raw: client.post("/auth/token/verify/", {"token": raw}, format="json"),
    "refresh": lambda client, raw: client.post("/auth/token/refresh/", {"refresh": raw}, format="json"),
    "blacklist": lambda client, raw: client.post("/auth/token/blacklist/", {"refresh": raw}, format="json"),
    "form": lambda client, raw: client.post("/auth/token/refresh/", {"refresh": raw}, format="multipart"),
}


def everything():
    """All rows of the tables that sign-ins, refreshes and revocations change."""
    tables = (RefreshToken, BlacklistedToken, get_user_model())
    return [list(model.objects.order_by("pk").values()) for model in tables]


def assert_says_nothing(response, raw):
    """Check that the response is a refusal in JSON, with fixed words."""
    too_large = {413} if len(raw) > 200_000 else set()  # in a body
    assert response.status_code in {400, 401} | too_large, (response.status_code, response.content)
    assert response["Content-Type"] == "application/json"
    body = response.json()
    if response.status_code == 401:
        assert set(body) == {"detail", "code", "reason"}
        assert response["WWW-Authenticate"].startswith('Bearer realm="api"')
    assert not pieces_of(response.content.decode(), raw)


@functools.lru_cache(maxsize=16)
def pieces_of(text, raw):
    """Return what a response repeats of a token. It is always the same few responses."""
    return {piece for start in range(0, len(text) - 9) if (piece := text[start : start + 10]) in raw}


def assert_refused_everywhere(raw, names=DELIVERIES):
    client = APIClient()
    for name in names:
        response = DELIVERIES[name](client, raw)
        assert_says_nothing(response, raw)
