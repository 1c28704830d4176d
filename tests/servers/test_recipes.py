"""The service of the page on scopes, as it stands there. It is here because FastAPI is."""

import asyncio
import time

import httpx
import pytest

from django_jwtauth._core import jws
from django_jwtauth.keys import Key, KeySet
from django_jwtauth.verifier import Verifier
from tests.tools.docs import FENCE, page

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")


@pytest.fixture
def app():
    (block,) = [block for block in FENCE.findall(page("docs/scopes.md")) if "has_scopes" in block]
    service = {}
    exec(compile(block, "docs/scopes.md", "exec"), service)
    audience = service["verifier"].audience
    service["verifier"] = Verifier(issuer=ISSUER, audience=audience, keys=KeySet([KEY]))  # instead of fetching them
    return service["app"]


def get(app, url, headers):
    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
            return await client.get(url, headers=headers)

    return asyncio.run(ask())


def headers(**claims):
    now = int(time.time())
    about = {"iss": ISSUER, "sub": "17", "client_id": "c", "jti": "j", "sid": "s", "iat": now, "exp": now + 60}
    raw = jws.sign({**about, "aud": "https://stock.example.com", **claims}, typ="at+jwt", key=KEY)
    return {"Authorization": f"Bearer {raw}"}


@pytest.mark.parametrize(
    ("claims", "status", "challenge"),
    [
        (None, 401, "Bearer"),
        ({"exp": 1_000_000_000, "iat": 999_999_000}, 401, 'Bearer error="invalid_token"'),
        ({"scope": "stock:read", "aud": "https://orders.example.com"}, 401, 'Bearer error="invalid_token"'),
        ({}, 403, 'Bearer error="insufficient_scope", scope="stock:read"'),
        ({"scope": "stock:write"}, 403, 'Bearer error="insufficient_scope", scope="stock:read"'),
        ({"scope": "stock:write stock:read"}, 200, None),
    ],
)
def test_a_service_answers_401_or_403(app, claims, status, challenge):
    answer = get(app, "/stock", {} if claims is None else headers(**claims))
    assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == (status, challenge)
