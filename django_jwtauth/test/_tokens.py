"""Tokens for tests: good ones, and those that must be refused."""

import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, TypedDict, Unpack

from .. import conf
from .._core import jws
from .._core.custom_claims import is_registered, json_problem
from ..authentication import StatelessUser
from ..keys import Key, b64url_decode
from ..secret import hide
from ..verifier import AccessToken

FAULTS: Mapping[str, str] = {
    "expired": "expired",
    "not_yet_valid": "not_yet_valid",
    "revoked": "revoked",
    "wrong_audience": "wrong_audience",
    "wrong_issuer": "invalid",
    "wrong_signature": "invalid",
}
"""The faults that a token for tests may have, each with the ``reason`` of its refusal."""

ELSEWHERE = "https://elsewhere.example.com"
ONE_HOUR = 3600


class Options(TypedDict, total=False):
    """What a test may say about a token."""

    scopes: Iterable[str]
    claims: Mapping[str, Any]
    auth_time: datetime
    amr: Iterable[str]
    acr: str
    audience: str
    actor: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Tokens that were made for a test."""

    access: str
    refresh: str = ""
    session: Any = None


def make_token(user: Any, *, fault: str = "", **options: Unpack[Options]) -> str:
    """Return an access token of our own.

    Args:
        user: The user, for whom a session is started; or the subject of a token without a session, as text, which
            needs no database: :class:`~django_jwtauth.authentication.StatelessJWTAuthentication` accepts it.
        fault: One of ``FAULTS``, for a token that must be refused; empty for a good one. A token that is revoked
            needs a session.
        options: ``scopes``, ``claims``, ``auth_time``, ``amr``, ``acr``, ``audience`` and ``actor``, as for
            :func:`sign_in`.

    Raises:
        ValueError: if there is no such fault, or as for :func:`sign_in`.
        TypeError: as for :func:`sign_in`.
    """
    return make(user, fault=fault, **options).access


def stateless_user(subject: str, **options: Unpack[Options]) -> StatelessUser:
    """Return the user of a request that was authenticated by its token alone. Nothing is signed, or stored.

    Args:
        subject: The user's ``pk``, which is the ``sub`` of the token.
        options: As for :func:`sign_in`.

    Raises:
        TypeError: if there is no such argument.
    """
    token = AccessToken.from_claims(own_claims(subject, **options))
    return StatelessUser(issuer=token.issuer, pk=token.subject, token=token)


def make(user: Any, *, fault: str = "", transport: str = "body", **options: Unpack[Options]) -> Made:
    """Make tokens; with a session if the user is not just a subject. Arguments as for :func:`make_token`.

    Args:
        user: The user, or a subject.
        fault: The fault, or empty.
        transport: How the client keeps its tokens.
        options: What the token says.
    """
    check_fault(fault)
    if isinstance(user, str):
        if fault == "revoked":
            raise ValueError("A revoked token needs a session: pass the user, not only the subject.")
        key = conf.get_config().signing_keys.signing_key
        return Made(access=signed(own_claims(user, **options), key=key, fault=fault))
    return _with_session(user, fault, transport, **options)


def _with_session(user: Any, fault: str, transport: str, **options: Unpack[Options]) -> Made:
    _check(options)
    # Found only now: the tables are not there in a service without our app.
    sessions = import_module("django_jwtauth.sessions")
    scopes = words(options.get("scopes", ()))
    given = {name: options[name] for name in ("acr", "audience", "actor", "auth_time") if name in options}
    pair = sessions.start(user, scope=" ".join(scopes), amr=words(options.get("amr", ())), transport=transport, **given)
    if missing := set(scopes) - set(pair.scope.split()):
        raise ValueError(f"JWTAUTH['SCOPES'] does not allow this user {', '.join(sorted(missing))}.")
    access, claims = pair.access, own(options.get("claims", {}))
    if claims or fault not in ("", "revoked"):
        said = claims_of(access) | claims
        access = signed(said, key=conf.get_config().signing_keys.signing_key, fault=fault)
    if fault == "revoked":
        sessions.revoke(pair.session)
    return Made(access=access, refresh=pair.refresh, session=pair.session)


def own_claims(subject: str, **options: Unpack[Options]) -> dict[str, Any]:
    """Return the claims of a token of our own that has no session. Arguments as for :func:`stateless_user`."""
    config = conf.get_config()
    lifetime = int(config.access_token_lifetime.total_seconds())
    options["audience"] = options.get("audience") or config.audience[0]
    return new_claims(subject, issuer=config.issuer, lifetime=lifetime, **options)


def new_claims(subject: str, *, issuer: str, lifetime: int, **options: Unpack[Options]) -> dict[str, Any]:
    """Return the claims of an access token (RFC 9068 section 2.2).

    Args:
        subject: Its ``sub``.
        issuer: Its ``iss``.
        lifetime: In seconds.
        options: What it says besides; an audience must be there.
    """
    _check(options)
    now, auth_time, actor = int(time.time()), options.get("auth_time"), options.get("actor", "")
    optional = {
        "scope": " ".join(words(options.get("scopes", ()))),
        "amr": words(options.get("amr", ())),
        "acr": options.get("acr", ""),
        "act": {"sub": actor if isinstance(actor, str) else str(actor.pk)} if actor else None,
        "auth_time": None if actor else int(now if auth_time is None else auth_time.timestamp()),
    }
    return {
        "iss": issuer,
        "sub": subject,
        "aud": options["audience"],
        "client_id": "test",
        "iat": now,
        "exp": now + lifetime,
        "jti": secrets.token_urlsafe(16),
        "sid": str(uuid.uuid4()),
        **{name: value for name, value in optional.items() if value},
        **own(options.get("claims", {})),
    }


def signed(said: Mapping[str, Any], *, key: Key, fault: str) -> str:
    """Sign the claims of an access token, with a fault."""
    claims = dict(said)
    if fault == "expired":
        claims = _moved(claims, by=claims["iat"] - claims["exp"] - ONE_HOUR)
    elif fault == "not_yet_valid":
        claims = _moved(claims, by=ONE_HOUR)
    elif fault == "wrong_audience":
        claims["aud"] = ELSEWHERE
    elif fault == "wrong_issuer":
        claims["iss"], key = ELSEWHERE, Key.generate("ES256")
    raw = jws.sign(claims, typ=jws.ACCESS.typ, key=key)
    if fault == "wrong_signature":
        other = jws.sign({**claims, "jti": secrets.token_urlsafe(16)}, typ=jws.ACCESS.typ, key=key)
        raw = f"{raw.rpartition('.')[0]}.{other.rpartition('.')[2]}"
    return hide(raw).reveal()  # type: ignore[no-any-return]


def _moved(claims: Mapping[str, Any], *, by: int) -> dict[str, Any]:
    return {name: value + by if name in ("iat", "exp", "auth_time") else value for name, value in claims.items()}


def claims_of(raw: str) -> dict[str, Any]:
    """Return the claims of a token that this module has made."""
    return jws.load_object(b64url_decode(raw.split(".")[1].encode()))


def words(given: Iterable[str]) -> list[str]:
    """Return words as a list, however they were given."""
    return given.split() if isinstance(given, str) else list(given)


def own(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return claims that a test adds, as a project's hook may.

    Raises:
        ValueError: if one is registered, or cannot be carried by a token.
    """
    for name, value in claims.items():
        if is_registered(name):
            raise ValueError(f"{name!r} is a registered claim: use its own argument, if it has one.")
        if problem := json_problem({name: value}):
            raise ValueError(f"the claim {name!r} is not JSON: {problem}.")
    return dict(claims)


def _check(options: Options) -> None:
    """Refuse an argument that nobody knows. A test would pass without what it was meant to say.

    Raises:
        TypeError: if it is none of ``Options``.
    """
    known = Options.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(f"{name!r} is not one of the arguments {', '.join(known)}.")


def check_fault(fault: str) -> None:
    """Refuse an unknown fault.

    Raises:
        ValueError: if it is not one of ``FAULTS``.
    """
    if fault and fault not in FAULTS:
        raise ValueError(f"The fault {fault!r} is not one of {', '.join(FAULTS)}.")
