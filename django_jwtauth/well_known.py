"""The documents with which other services verify our tokens: key set, metadata and revocation list.

They are public, the same for everybody, readable by web pages of any origin, and may be cached.
"""

import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotFound
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.csrf import csrf_exempt

from . import conf, revocation_cache
from ._core.fetch import split_url
from ._core.revocation_list import MAX_ENTRIES, RevocationList, SignedList
from .database import epoch
from .keys import Key

logger = logging.getLogger("django_jwtauth")

JWKS_MAX_AGE = 60
"""How many seconds caches may keep the key set."""
METADATA_MAX_AGE = 300
"""How many seconds caches may keep the metadata."""
REVOCATIONS_MAX_AGE = 1
"""How many seconds caches may keep the revocation list. The copy of the serving process may be just as old."""
SIGNING_PERIOD = 30
"""How many seconds a signed list is served, as long as nothing changes, before it is signed again."""
REPLAY_SECONDS = 2 * SIGNING_PERIOD
"""How many seconds an attacker who withholds newer lists can replay an old one."""

_METHODS = "GET, HEAD, OPTIONS"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicDocument:
    """A document as it is sent, and how long caches may keep it."""

    body: bytes = field(repr=False)
    content_type: str
    etag: str
    """Weak where processes write the same content in different bytes (RFC 9110 section 8.8.1)."""
    max_age: int
    """In seconds."""


def public_document(make: Callable[..., PublicDocument | None]) -> Callable[..., HttpResponse]:
    """Make a view of a function that returns a document.

    The function may raise ``Http404``, and returns ``None`` if the document is not available now.
    """

    @login_not_required  # for LoginRequiredMiddleware
    @csrf_exempt  # nothing is changed here, and other methods are to get a 405, not a 403
    @functools.wraps(make)
    def view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.method == "OPTIONS":
            # The preflight of a page that sends If-None-Match itself (Fetch standard).
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = _METHODS
            response["Access-Control-Allow-Headers"] = "If-None-Match"
            response["Access-Control-Max-Age"] = "86400"
        elif request.method not in ("GET", "HEAD"):
            response = HttpResponseNotAllowed(_METHODS.split(", "))
        else:
            try:
                response = _answer(request, make(**kwargs))
            except Http404:
                response = HttpResponseNotFound()
        response["Access-Control-Allow-Origin"] = "*"
        return response

    return view


def _answer(request: HttpRequest, document: PublicDocument | None) -> HttpResponse:
    if document is None:
        unavailable = HttpResponse(status=503)
        unavailable["Retry-After"] = "1"
        unavailable["Cache-Control"] = "no-store"
        return unavailable
    response = HttpResponse(document.body, content_type=document.content_type)
    response["ETag"] = document.etag
    response["Cache-Control"] = f"public, max-age={document.max_age}"
    response["Access-Control-Expose-Headers"] = "ETag"
    return get_conditional_response(request, etag=document.etag, response=response) or response


@public_document
def jwks() -> PublicDocument:
    """The key set: the public members of all asymmetric keys (RFC 7517 section 5). Without such keys it is empty."""
    return _json(conf.get_config().signing_keys.public_jwks(), "application/jwk-set+json", JWKS_MAX_AGE)


@public_document
def metadata(path: str = "") -> PublicDocument:
    """The authorization server metadata (RFC 8414): where everything is that the project serves."""
    issuer = conf.get_config().issuer
    parts = split_url(issuer)
    if parts.scheme not in ("https", "http") or path not in ("", parts.path.rstrip("/")):
        raise Http404
    # The host comes from the issuer, not from the request, because the answer is cached.
    origin = f"{parts.scheme}://{parts.netloc}"
    token_endpoint, grants = _token_endpoint(origin)
    endpoints = {
        "jwks_uri": _url(origin, jwks),
        "token_endpoint": token_endpoint,
        "revocation_endpoint": _url(origin, "jwtauth:token-revoke"),
        "introspection_endpoint": _url(origin, "jwtauth:token-introspect"),
        "jwt_revocations_uri": _url(origin, revocations) if _public_signing_key() else "",
    }
    methods = {"token_endpoint": "none", "revocation_endpoint": "none", "introspection_endpoint": "Bearer"}
    # Empty members are left out, except the one that is required (section 3.2). The other members are there because
    # their defaults would promise codes, implicit grants and client secrets.
    about = {
        "issuer": issuer,
        **{name: url for name, url in endpoints.items() if url},
        "response_types_supported": [],
        **({"grant_types_supported": list(grants)} if grants else {}),
        **{f"{name}_auth_methods_supported": [method] for name, method in methods.items() if endpoints[name]},
    }
    return _json(about, "application/json", METADATA_MAX_AGE)


@public_document
def revocations() -> PublicDocument | None:
    """The revocation list, signed. Without an asymmetric key it is a 404, because nobody else could verify it."""
    key = _public_signing_key()
    if key is None:
        raise Http404
    reading = revocation_cache.latest(max_age=REVOCATIONS_MAX_AGE)
    if reading is None:
        return None
    config = conf.get_config()
    issued_at = int(reading.started_at)
    signed_list = SignedList(
        revoked=_bounded(reading.value),
        issued_at=issued_at,
        expires_at=issued_at + REPLAY_SECONDS,
        ttl=math.ceil(config.revocation_poll_interval.total_seconds()),
        max_lifetime=math.ceil(config.access_token_lifetime.total_seconds()),
    )
    return _last_signed.get(signed_list, issuer=config.issuer, key=key)


def _bounded(local: revocation_cache.LocalList) -> RevocationList:
    """Return a list that others do not refuse as too long. If there are too many ids, one time replaces them all.

    That revokes all older access tokens, also those of sessions that are alive; their clients refresh them.
    """
    if len(local.sids) + len(local.jtis) <= MAX_ENTRIES:
        return local
    times = [*local.sids.values(), *local.jtis.values()]
    logger.error(
        "More than %d sessions and tokens were revoked lately: one time is published instead of their ids.", MAX_ENTRIES
    )
    everyone = max(math.floor(epoch(max(times))), local.not_before)
    return RevocationList(not_before=everyone)


class _LastSigned:
    """Remembers the last list that was signed, so that an unchanged list is signed once in a signing period."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows does not fork
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start again with no list and a new lock."""
        self._last: tuple[SignedList, str, Key, PublicDocument] | None = None
        self._lock = threading.Lock()

    def get(self, signed_list: SignedList, *, issuer: str, key: Key) -> PublicDocument:
        """Return the document of this list: the last one, if it says the same."""
        with self._lock:  # one thread signs and the others wait: sorting and signing a long list takes a second
            return self._get(signed_list, issuer=issuer, key=key)

    def _get(self, signed_list: SignedList, *, issuer: str, key: Key) -> PublicDocument:
        last = self._last
        if last is not None and last[1:3] == (issuer, key) and _is_same(last[0], signed_list):
            # The new list is kept: next time it is the same object, and is not compared entry by entry.
            self._last = (signed_list, issuer, key, last[3])
            return last[3]
        period = signed_list.issued_at // SIGNING_PERIOD
        content = [issuer, key.kid, period, signed_list.content()]
        document = PublicDocument(
            body=signed_list.sign(issuer=issuer, key=key).encode(),
            content_type="application/jwt",
            etag=f"W/{_etag(json.dumps(content).encode())}",
            max_age=REVOCATIONS_MAX_AGE,
        )
        self._last = (signed_list, issuer, key, document)
        return document


_last_signed = _LastSigned()


def forget() -> None:
    """Forget the document that was signed last, as if this process had just been started."""
    _last_signed.forget()


def _is_same(one: SignedList, other: SignedList) -> bool:
    """Tell whether two lists say the same and belong to the same signing period. Fast, because they may be long."""
    first, second = (replace(each, issued_at=each.issued_at // SIGNING_PERIOD, expires_at=0) for each in (one, other))
    return first == second


def _public_signing_key() -> Key | None:
    key = conf.get_config().signing_keys.signing_key
    return None if key.is_symmetric else key


def _url(origin: str, view: Callable[..., HttpResponse] | str) -> str:
    try:
        return origin + reverse(view)
    except NoReverseMatch:
        return ""


def _token_endpoint(origin: str) -> tuple[str, Sequence[str]]:
    """Return the URL of the token endpoint (RFC 6749 section 3.2) and its grant types; empty if there is none.

    What counts is the view that the project has there, which may not be ours. Without sign-in by password, refreshing
    is the only grant.
    """
    for name in ("jwtauth:token", "jwtauth:token-refresh"):
        with contextlib.suppress(NoReverseMatch, Resolver404):
            url = reverse(name)
            view: Any = resolve(f"/{url.removeprefix(get_script_prefix())}").func
            declared = getattr(getattr(view, "cls", None), "oauth_grants", ())
            if grants := getattr(view, "initkwargs", {}).get("oauth_grants", declared):
                return origin + url, grants
    return "", ()


def _json(value: Mapping[str, Any], content_type: str, max_age: int) -> PublicDocument:
    body = json.dumps(value).encode()
    return PublicDocument(body=body, content_type=content_type, etag=_etag(body), max_age=max_age)


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
