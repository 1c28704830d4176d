"""The documents that other services verify our tokens by: key set, metadata and revocation list.

All are public, the same for everybody, open to pages of every origin, and may be kept by caches.
"""

import functools
import hashlib
import json
import logging
import math
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotFound
from django.urls import NoReverseMatch, reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.csrf import csrf_exempt

from . import conf, revocation_cache
from ._core.fetch import split_url
from ._core.revocation_list import MAX_ENTRIES, Document, RevocationList
from .database import epoch
from .keys import Key

logger = logging.getLogger("django_jwtauth")

JWKS_MAX_AGE = 60
"""For how many seconds caches may keep the key set."""
METADATA_MAX_AGE = 300
REVOCATIONS_MAX_AGE = 1
"""The same of the revocation list; a process's own copy may be as old."""
SIGNING_PERIOD = 30
"""After so many seconds a list that has not changed is signed anew."""
REPLAY_SECONDS = 2 * SIGNING_PERIOD
"""For so long may a list be replayed by somebody who keeps newer ones back."""

_METHODS = "GET, HEAD, OPTIONS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A document."""

    body: bytes = field(repr=False)
    content_type: str
    etag: str
    """Weak where different processes write the same in different bytes (RFC 9110 section 8.8.1)."""
    max_age: int
    """In seconds."""


def public_document(make: Callable[..., Published | None]) -> Callable[..., HttpResponse]:
    """Make a view of what makes a document.

    That may raise ``Http404``, and returns ``None`` for a document that cannot be had now.
    """

    @csrf_exempt  # nothing is changed here, and a refused method should look like one
    @functools.wraps(make)
    def view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.method == "OPTIONS":
            # A page that sends If-None-Match itself asks first (Fetch standard, CORS-preflight).
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


def _answer(request: HttpRequest, document: Published | None) -> HttpResponse:
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
def jwks() -> Published:
    """The key set: the public members of all asymmetric keys (RFC 7517 section 5). Empty if there are none."""
    return _json(conf.get_config().signing_keys.public_jwks(), "application/jwk-set+json", JWKS_MAX_AGE)


@public_document
def metadata(path: str = "") -> Published:
    """The authorization server metadata (RFC 8414): where everything is. Nothing is said of what is not there."""
    issuer = conf.get_config().issuer
    parts = split_url(issuer)
    if parts.scheme not in ("https", "http") or path not in ("", parts.path.rstrip("/")):
        raise Http404
    # The issuer says the host, and not the request: the answer is kept by caches.
    origin = f"{parts.scheme}://{parts.netloc}"
    endpoints = {
        "jwks_uri": _url(origin, jwks),
        "token_endpoint": _url(origin, "jwtauth:token"),
        "revocation_endpoint": _url(origin, "jwtauth:token-revoke"),
        "introspection_endpoint": _url(origin, "jwtauth:token-introspect"),
        "jwt_revocations_uri": _url(origin, revocations) if _public_signing_key() else "",
    }
    # Members that would be empty are left out, but for the one that must be there (section 3.2). Without the others,
    # a reader would have to think that there are codes, implicit grants and client secrets.
    about = {
        "issuer": issuer,
        **{name: url for name, url in endpoints.items() if url},
        "response_types_supported": [],
        "grant_types_supported": ["password"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
    }
    return _json(about, "application/json", METADATA_MAX_AGE)


@public_document
def revocations() -> Published | None:
    """The revocation list, signed. There is none without an asymmetric key, since nobody else could verify it."""
    key = _public_signing_key()
    if key is None:
        raise Http404
    reading = revocation_cache.published(max_age=REVOCATIONS_MAX_AGE)
    if reading is None:
        return None
    config = conf.get_config()
    issued_at = int(reading.started_at)
    document = Document(
        revoked=_bounded(reading.value),
        issued_at=issued_at,
        expires_at=issued_at + REPLAY_SECONDS,
        ttl=math.ceil(config.revocation_poll_interval.total_seconds()),
        max_lifetime=math.ceil(config.access_token_lifetime.total_seconds()),
    )
    return _last_signed.get(document, issuer=config.issuer, key=key)


def _bounded(snapshot: revocation_cache.Snapshot) -> RevocationList:
    """Return a list that others do not refuse as too long: at worst, one time stands for everything.

    That revokes all access tokens that are older, also those of sessions that live; their clients refresh them.
    """
    if len(snapshot.sids) + len(snapshot.jtis) <= MAX_ENTRIES:
        return snapshot.revoked
    times = [*snapshot.sids.values(), *snapshot.jtis.values()]
    logger.error("More than %d sessions and tokens were revoked lately: one time is published instead.", MAX_ENTRIES)
    everyone = max(math.floor(epoch(max(times))), snapshot.revoked.not_before)
    return RevocationList(not_before=everyone)


class _LastSigned:
    """Remembers the last list that was signed: the same is not signed twice in one period."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows does not fork
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._last: tuple[Document, str, Key, Published] | None = None
        self._lock = threading.Lock()

    def get(self, document: Document, *, issuer: str, key: Key) -> Published:
        with self._lock:  # one signs, the others wait for it: sorting and signing a long list takes a second
            return self._get(document, issuer=issuer, key=key)

    def _get(self, document: Document, *, issuer: str, key: Key) -> Published:
        last = self._last
        if last is not None and last[1:3] == (issuer, key) and _is_same(last[0], document):
            # Compared entry by entry once per reading: the next time it is the same object.
            self._last = (document, issuer, key, last[3])
            return last[3]
        period = document.issued_at // SIGNING_PERIOD
        content = [issuer, key.kid, period, document.content()]
        published = Published(
            body=document.sign(issuer=issuer, key=key).encode(),
            content_type="application/jwt",
            etag=f"W/{_etag(json.dumps(content).encode())}",
            max_age=REVOCATIONS_MAX_AGE,
        )
        self._last = (document, issuer, key, published)
        return published


_last_signed = _LastSigned()


def _is_same(one: Document, other: Document) -> bool:
    """Tell whether two documents say the same in the same period; quickly, for they may be long."""
    first, second = (
        replace(document, issued_at=document.issued_at // SIGNING_PERIOD, expires_at=0) for document in (one, other)
    )
    return first == second


def _public_signing_key() -> Key | None:
    key = conf.get_config().signing_keys.signing_key
    return None if key.is_symmetric else key


def _url(origin: str, view: Callable[..., HttpResponse] | str) -> str:
    try:
        return origin + reverse(view)
    except NoReverseMatch:
        return ""


def _json(value: Mapping[str, Any], content_type: str, max_age: int) -> Published:
    body = json.dumps(value).encode()
    return Published(body=body, content_type=content_type, etag=_etag(body), max_age=max_age)


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
