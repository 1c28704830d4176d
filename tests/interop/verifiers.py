"""How the other verifiers are asked: each takes a token and answers with its claims, or with why it refuses it."""

import json
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager

import joserfc.errors
import joserfc.jwk
import joserfc.jwt
import jwcrypto.common
import jwcrypto.jwk
import jwcrypto.jwt
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

from .apache import serving

CLAIMS = ("iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid")


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:
        return response.read().decode()


def published_keys(issuer):
    """Return the key set that the metadata lead to, as every one of the libraries from PyPI needs it."""
    metadata = json.loads(get(f"{issuer}/.well-known/oauth-authorization-server"))
    assert metadata["issuer"] == issuer
    return get(metadata["jwks_uri"])


def with_joserfc(issuer, audience, algorithm):
    keys = joserfc.jwk.KeySet.import_key_set(json.loads(published_keys(issuer)))
    registry = joserfc.jwt.JWTClaimsRegistry(
        **{
            **{name: {"essential": True} for name in CLAIMS},
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": audience},
        }
    )

    def verify(raw):
        token = joserfc.jwt.decode(raw, keys, algorithms=[algorithm])
        if token.header.get("typ") != "at+jwt":
            raise ValueError("no access token: its typ is another one")
        registry.validate(token.claims)
        return token.claims

    return verify


def with_jwcrypto(issuer, audience, algorithm):
    keys = jwcrypto.jwk.JWKSet.from_json(published_keys(issuer))
    expected = {**dict.fromkeys(CLAIMS), "iss": issuer, "aud": audience}

    def verify(raw):
        token = jwcrypto.jwt.JWT(algs=[algorithm], check_claims=expected, expected_type="JWS")
        token.leeway = 0
        token.deserialize(raw, keys)
        if json.loads(token.header).get("typ") != "at+jwt":
            raise ValueError("no access token: its typ is another one")
        return json.loads(token.claims)

    return verify


def with_authlib(issuer, audience, algorithm):
    class Validator(JWTBearerTokenValidator):
        keys = joserfc.jwk.KeySet.import_key_set(json.loads(published_keys(issuer)))

        def get_jwks(self):
            return self.keys

    validator = Validator(issuer=issuer, resource_server=audience)

    def verify(raw):
        token = validator.authenticate_token(raw)
        validator.validate_token(token, scopes=None, request=None)
        return dict(token)

    return verify


PYTHON = {"joserfc": with_joserfc, "jwcrypto": with_jwcrypto, "authlib": with_authlib}
REFUSALS = (joserfc.errors.JoseError, jwcrypto.common.JWException, OAuth2Error, ValueError)


@contextmanager
def asking_python(connect, issuer, audience, algorithm):
    verify = connect(issuer, audience, algorithm)

    def ask(token):
        try:
            return {"claims": verify(token)}
        except REFUSALS as error:
            return {"refused": f"{error!r} {error.__cause__ or ''}"}

    yield ask


@contextmanager
def asking_node(directory, module, issuer, audience, algorithm, **options):
    arguments = {"issuer": issuer, "audience": audience, "algorithms": [algorithm], **options}
    with subprocess.Popen(
        ["node", "ask.mjs", f"./{module}.mjs", json.dumps(arguments)],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as node:
        try:

            def ask(token):
                node.stdin.write(token + "\n")
                node.stdin.flush()
                return json.loads(node.stdout.readline())

            yield ask
            node.stdin.close()
            assert node.wait(timeout=30) == 0
        finally:
            node.kill()


@contextmanager
def asking_apache(issuer, audience, **options):
    with serving(issuer, audience, **options) as url:

        def ask(token):
            try:
                return {"claims": get(url, Authorization=f"Bearer {token}")}
            except urllib.error.HTTPError as error:
                with error:
                    return {"refused": f"{error.code} {error.headers['WWW-Authenticate']}"}

        yield ask


def asking(name, node, issuer, audience, algorithm):
    """Return a context whose value takes a token, and returns ``claims``, or why it was ``refused``.

    Args:
        name: Of the verifier, in the table.
        node: The directory with the packages from npm.
        issuer: Whose tokens to trust.
        audience: For whom they must be.
        algorithm: The one to trust.
    """
    if name in PYTHON:
        return asking_python(PYTHON[name], issuer, audience, algorithm)
    if name == "apache":
        return asking_apache(issuer, audience)
    return asking_node(node, name, issuer, audience, algorithm)
