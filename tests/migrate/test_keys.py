"""Old tokens are verified by the key that Simple JWT had: RS256, and a key set of somebody else."""

import base64
import hmac
import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.tools.http import bearer
from tests.tools.simplejwt import reason, refresh

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def tokens(rsa_key, user):
    now = int(time.time())
    claims = {"user_id": str(user.pk), "exp": now + 300, "iat": now, "jti": "a"}
    access = {**claims, "token_type": "access"}
    return [
        jwt.encode(part, rsa_key, "RS256", headers={"kid": "k"})
        for part in (access, {**claims, "token_type": "refresh"})
    ]


def test_rs256(client, rsa_key, tokens, settings):
    public = rsa_key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    settings.SIMPLE_JWT = {"ALGORITHM": "RS256", "VERIFYING_KEY": pem, "SIGNING_KEY": "not looked at"}
    assert client.get("/whoami/", **bearer(tokens[0])).status_code == 200
    assert refresh(client, tokens[1]).status_code == 200
    # The public key is no secret: nobody signs with it.
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT"}, jwt.decode(tokens[0], options={"verify_signature": False}))
    )
    signature = hmac.digest(pem.encode(), header + b"." + payload, "sha256")
    forged = b".".join([header, payload, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    assert client.get("/whoami/", **bearer(forged)).status_code == 401


def test_without_a_jti_another_signature_of_the_same_token_is_no_other_token(client, user, settings):
    """Of each ECDSA signature, anybody can make a second one that is valid too."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    settings.SIMPLE_JWT = {"ALGORITHM": "ES256", "VERIFYING_KEY": pem.decode(), "JTI_CLAIM": None}
    raw = jwt.encode({"user_id": str(user.pk), "exp": int(time.time()) + 300, "token_type": "refresh"}, key, "ES256")
    message, _, signature = raw.rpartition(".")
    given = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = given[:32] + (order - int.from_bytes(given[32:], "big")).to_bytes(32, "big")
    twin = f"{message}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}"
    assert refresh(client, raw).status_code == 200
    assert client.post("/auth/token/blacklist/", {"refresh": raw}).status_code == 200
    assert reason(refresh(client, raw)) == "revoked"
    assert reason(refresh(client, twin)) == "revoked"


def test_a_key_set(client, rsa_key, tokens, settings):
    jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key.public_key())), "kid": "k", "use": "sig"}

    class KeySet(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [jwk]}).encode())

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), KeySet) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings.SIMPLE_JWT = {"ALGORITHM": "RS256", "JWK_URL": f"http://127.0.0.1:{server.server_port}/"}
        assert client.get("/whoami/", **bearer(tokens[0])).status_code == 200
        server.shutdown()
