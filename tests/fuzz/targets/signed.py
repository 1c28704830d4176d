"""Access and refresh tokens of any header and claims, well signed with the issuer's keys, sent to each endpoint.

No attacker has these keys. But whatever a token says, it is one session's own token, or it is refused like any other.
"""

import json

from django_jwtauth import conf
from django_jwtauth.keys import b64url_decode
from tests.fuzz.requests import SIGNED_IN, Endpoint, chosen, name_of, type_of, world
from tests.fuzz.target import Target, joined, parts
from tests.fuzz.targets.tokens import signed
from tests.tools.jws import JSON
from tests.tools.tokens import TEXTS

HEADER = "Authorization: Bearer <signed>"
AS_ACCESS = [
    Endpoint(method="GET", path="/stateful/", headers=HEADER),
    Endpoint(method="GET", path="/stateless/", headers=HEADER),
    Endpoint(method="POST", path="/plain/", headers=HEADER),
    Endpoint(method="GET", path="/auth/sessions/", headers=HEADER),
    Endpoint(method="POST", path="/auth/logout/", headers=HEADER),
    Endpoint(method="POST", path="/auth/logout/all/", headers=HEADER),
]
IN_A_BODY = [
    Endpoint(method="POST", path="/auth/token/refresh/", body="refresh=<signed>"),
    Endpoint(method="POST", path="/auth/token/", body="grant_type=refresh_token&refresh_token=<signed>"),
    Endpoint(method="POST", path="/auth/token/verify/", body="token=<signed>"),
    Endpoint(method="POST", path="/auth/token/blacklist/", body="refresh=<signed>"),
    Endpoint(method="POST", path="/auth/token/revoke/", body="token=<signed>", may_succeed_without=True),
]
ASKED = Endpoint(method="POST", path="/auth/token/introspect/", body="token=<signed>", headers=SIGNED_IN)
ENDPOINTS = [*AS_ACCESS, *IN_A_BODY, ASKED]
BINDING = {"a": ("iss", "sub", "sid"), "r": ("iss", "aud", "sid", "jti")}
"""The claims that must be those of the session, for each kind of token."""
GENERATIONS = (0, 1, -1, 2**31, "0", True, None)


def good(kind):
    """Return header and claims of a token of the user, as JSON."""
    token = world().words["<access>" if kind == "a" else "<refresh>"]
    return [b64url_decode(part.encode()).decode() for part in token.split(".")[:2]]


def seeds():
    """Return the user's own tokens, and each with an odd value of each claim."""
    for kind in BINDING:
        payload = good(kind)[1]
        claims = json.loads(payload)
        for number, _ in enumerate(ENDPOINTS):
            yield joined(kind + name_of(number), "<header>", "<claims>")
        odd = [{name: value} for name in claims for value in (1, "", [claims[name]], None, f"{claims[name]}x")]
        odd += [{"sid": value} for value in TEXTS.values() if value is not ...]
        odd += [{"gen": value} for value in GENERATIONS] + [{"nbf": 1}, {"act": {"sub": "2"}}, {"cnf": {"jkt": "a"}}]
        for number, changes in enumerate(odd):
            yield joined(kind + name_of(number % len(ENDPOINTS)), "<header>", f"<claims>{json.dumps(changes)}")
        for number, payload in enumerate(JSON.values()):
            yield joined(kind + name_of(number % len(ENDPOINTS)), "<header>", payload)


def check(data):
    """A token is accepted as its session's own, or refused; and never in another way."""
    name, header, payload = parts(data, 3)
    kind = "r" if name[:1] == b"r" else "a"
    endpoint = chosen(name[1:], ENDPOINTS)
    good_header, good_claims = good(kind)
    header = header.replace(b"<header>", good_header.encode())
    # What follows the good claims is added to them.
    payload = payload.replace(b"<claims>{", good_claims[:-1].encode() + b",").replace(b"<claims>", good_claims.encode())
    config = conf.get_config()
    key = (config.refresh_keys if kind == "r" else config.signing_keys).signing_key
    world().words["<signed>"] = signed(key, header, payload)
    is_own = is_of_the_session(kind, payload, json.loads(good_claims))
    needs = () if endpoint is ASKED else ("<signed>",) if is_own else ("<nothing>",)
    return world().send(
        endpoint,
        headers=endpoint.headers,
        content_type=type_of(endpoint.body),
        body=endpoint.body.encode(),
        needs=needs,
    )


def is_of_the_session(kind, payload, own):
    """Tell whether a payload says what ties it to the session of the user."""
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return isinstance(claims, dict) and all(claims.get(name) == own[name] for name in BINDING[kind])


TARGET = Target(
    name="signed",
    check=check,
    seeds=seeds,
    words=(
        *("<header>", "<claims>", "<claims>{}", "iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "gen"),
        *("auth_time", "nbf", "act", "cnf", "scope", "acr", "amr", "typ", "alg", "kid", "at+jwt", "rt+jwt", "null"),
    ),
    max_length=4096,
    runs=1500,
)
