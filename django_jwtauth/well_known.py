"""The documents with which other services verify our tokens: key set, metadata and revocation list.

They are public, the same for everybody, readable by web pages of any origin, and may be cached.
"""

import contextlib
import functools
import hashlib
import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotFound
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.csrf import csrf_exempt

from . import conf, revocation_cache
from ._core.fetch import split_url
from .keys import Key
from .published_list import publisher
from .refusals import unavailable

JWKS_MAX_AGE = 60
"""How many seconds caches may keep the key set."""
METADATA_MAX_AGE = 300
"""How many seconds caches may keep the metadata."""
REVOCATIONS_MAX_AGE = 1
"""How many seconds caches may keep the revocation list. The copy of the serving process may be just as old."""

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
    may_be_stale: bool = True
    """Whether a cache that cannot reach us may send it when it is older (RFC 9111 section 4.2.4)."""


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
                response["Cache-Control"] = "no-store"  # some caches keep a 404 for minutes
            except Exception as error:  # a tenant's settings may be in the database
                if unavailable(error) is None:
                    raise
                response = _answer(request, None)
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
    stale = "" if document.may_be_stale else ", must-revalidate"
    response["Cache-Control"] = f"public, max-age={document.max_age}{stale}"
    response["Access-Control-Expose-Headers"] = "ETag"
    return get_conditional_response(request, etag=document.etag, response=response) or response


@public_document
def jwks() -> PublicDocument:
    """The key set: the public members of all asymmetric keys (RFC 7517 section 5). Without such keys it is empty."""
    return _json(conf.get_config().signing_keys.public_jwks(), "application/jwk-set+json", JWKS_MAX_AGE)


@public_document
def metadata() -> PublicDocument:
    """The authorization server metadata (RFC 8414): where everything is that the project serves."""
    return _metadata("")


@public_document
def metadata_for_path(path: str) -> PublicDocument:
    """The same, for an issuer that has this path."""
    return _metadata(path)


@public_document
def revocations() -> PublicDocument | None:
    """The revocation list, signed. Without an asymmetric key it is a 404, because nobody else could verify it."""
    return _published(only_changes=False)


@public_document
def revocation_changes() -> PublicDocument | None:
    """What has changed in the revocation list lately, signed: for those who have fetched the list before."""
    return _published(only_changes=True)


def _published(*, only_changes: bool) -> PublicDocument | None:
    key = _public_signing_key()
    if key is None:
        raise Http404
    reading = revocation_cache.latest(max_age=REVOCATIONS_MAX_AGE)
    if reading is None:
        return None
    config = conf.get_config()
    document = publisher(config.tenant).document(
        reading, config, key, changes=_from_list_to_changes(), only_changes=only_changes
    )
    return PublicDocument(
        body=document.body,
        content_type="application/jwt",
        etag=document.etag,
        max_age=REVOCATIONS_MAX_AGE,
        may_be_stale=False,
    )


def _from_list_to_changes() -> str:
    """Return where the changes are, relative to the list: proxies may serve both under another path and host."""
    try:
        return posixpath.relpath(reverse(revocation_changes), posixpath.dirname(reverse(revocations)))
    except NoReverseMatch:
        return ""  # the project has URLs of its own, without this document


def _metadata(path: str) -> PublicDocument:
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
