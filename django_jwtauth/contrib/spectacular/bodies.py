"""The bodies of our responses, as JSON schemas. Codes and reasons come from where refusals have them."""

from collections.abc import Sequence
from typing import Any

from django.utils.functional import lazy
from django.utils.translation import override
from drf_spectacular.plumbing import ResolvedComponent
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from ... import refusals
from ...errors import InvalidScopeError, InvalidTargetError, code_of
from ...permissions import DENIED
from ...views import BAD_REQUESTS

TEXT = {"type": "string"}
_NOT_EMPTY = {"type": "string", "minLength": 1}
SECONDS = {"type": "integer", "description": "In seconds."}
_ACCESS = {"type": "string", "description": "The access token, for the header `Authorization: Bearer`."}
_REFRESH = {"type": "string", "description": "The refresh token, for the next refresh."}
_CSRF = {"type": "string", "description": "The CSRF token, for the CSRF header of the next requests."}
_DETAIL = {"type": "string", "description": "What went wrong, in the language of the request."}
_NOT_ALLOWED = {
    InvalidScopeError("").code: "The scope is malformed, or not allowed",
    InvalidTargetError("").code: "The resource is not one service, or not allowed",
}
REASONS = [*refusals.MESSAGES, *_NOT_ALLOWED]
CODES = sorted({*map(code_of, refusals.MESSAGES), *refusals.MESSAGES_BY_CODE, DENIED, *_NOT_ALLOWED})
_SCOPE = {"type": "string", "description": "The scopes that were granted, separated by spaces."}


def ref(name: str) -> dict[str, str]:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, *required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        **({"required": list(required)} if required else {}),
    }


def _words(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _meanings() -> str:
    """Return what each reason means, as a list in Markdown. It is in English, as all descriptions are."""
    with override("en"):
        meanings = [f"* `{reason}`: {text}" for reason, text in {**refusals.MESSAGES, **_NOT_ALLOWED}.items()]
    return "\n".join(["Why the request is refused.", "", *meanings])


_WORDS = {"code": ref("JWTCode"), "reason": ref("JWTReason")}
_OWN_WORDS = {name: {"anyOf": [known, TEXT]} for name, known in _WORDS.items()}
_LIFETIMES = {"expires_in": SECONDS, "refresh_expires_in": SECONDS, "scope": _SCOPE}
_PERIODS = ("expires_in", "refresh_expires_in")

SCHEMAS: dict[str, dict[str, Any]] = {
    "JWTTokenPair": _object(
        "A session's tokens. Keep the refresh token: it replaces the one before.",
        *("access", "refresh", "token_type", *_PERIODS),
        **{"access": _ACCESS, "refresh": _REFRESH, "token_type": ref("JWTTokenType"), **_LIFETIMES},
    ),
    "JWTGrantTokens": _object(
        "A session's tokens in the form of RFC 6749, for a request with a `grant_type`.",
        *("access_token", "refresh_token", "token_type", *_PERIODS),
        **{
            "access_token": _ACCESS,
            "refresh_token": _REFRESH,
            "token_type": ref("JWTTokenType"),
            **_LIFETIMES,
        },
    ),
    "JWTTokens": {
        **_object(
            "A session's tokens; for a form with `grant_type`, in the form of RFC 6749.",
            access=_ACCESS,
            refresh=_REFRESH,
        ),
        "oneOf": [ref("JWTTokenPair"), ref("JWTGrantTokens")],
    },
    "JWTBrowserSignIn": _object(
        "How long the tokens in the cookies last, and the next CSRF token.",
        *(*_PERIODS, "csrf_token"),
        **{**_LIFETIMES, "csrf_token": _CSRF},
    ),
    "JWTBrowserRefresh": _object("How long the tokens in the cookies last.", *_PERIODS, **_LIFETIMES),
    "JWTCsrfToken": _object("What the CSRF header must hold.", "csrf_token", csrf_token=_CSRF),
    "JWTEmpty": _object("An empty object."),
    "JWTRevoked": _object(
        "How many sessions were ended.", "revoked", revoked={"type": "integer", "description": "How many."}
    ),
    "JWTIntrospection": {
        **_object(
            "The description of a token. One that would be refused has `active` only; another one has its claims too.",
            "active",
            active={"type": "boolean", "description": "Whether the token would be accepted."},
            token_type={"type": "string", "description": "`Bearer`, for an access token."},
            username={"type": "string", "description": "The name of the user."},
            iss=TEXT,
            sub=TEXT,
            aud={"oneOf": [TEXT, {"type": "array", "items": TEXT}]},
            client_id=TEXT,
            iat={"type": "integer"},
            exp={"type": "integer"},
            jti=TEXT,
            sid=TEXT,
            auth_time={"type": "integer"},
            scope=TEXT,
        ),
        "additionalProperties": {},
    },
    "JWTPasswordGrant": _object(
        "Sign-in in the form of RFC 6749 section 4.3.",
        *("grant_type", "username", "password"),
        grant_type=ref("JWTPasswordGrantType"),
        username=_NOT_EMPTY,
        password=_NOT_EMPTY,
        scope=TEXT,
        resource=TEXT,
    ),
    "JWTRefreshGrant": _object(
        "A refresh in the form of RFC 6749 section 6.",
        *("grant_type", "refresh_token"),
        grant_type=ref("JWTRefreshGrantType"),
        refresh_token=_NOT_EMPTY,
        scope=TEXT,
        resource=TEXT,
    ),
    # Components of their own, because drf-spectacular would make up names for nested enumerations.
    "JWTTokenType": {**_words("Bearer"), "description": "How the access token is sent (RFC 6750)."},
    "JWTPasswordGrantType": {**_words("password"), "description": "A sign-in."},
    "JWTRefreshGrantType": {**_words("refresh_token"), "description": "A refresh."},
    "JWTGrantError": {**_words(*BAD_REQUESTS), "description": "What is wrong, in the words of RFC 6749."},
    "JWTCode": {**_words(*CODES), "description": "What kind of refusal it is."},
    "JWTReason": {**_words(*REASONS), "description": lazy(_meanings, str)()},
    "JWTRefusal": _object(
        "A refusal: `detail` is for people, `code` and `reason` are for programs.",
        *("detail", "code", "reason"),
        detail=_DETAIL,
        **_WORDS,
    ),
    # The project's backends or its SIGN_IN_CHALLENGE may add other values.
    "JWTSignInRefusal": _object(
        "A refusal: `detail` is for people, `code` and `reason` are for programs. The project may "
        "have codes and reasons of its own.",
        *("detail", "code", "reason"),
        detail=_DETAIL,
        **_OWN_WORDS,
    ),
    "JWTError": _object("What went wrong.", "detail", detail=_DETAIL, **_WORDS),
    "JWTKeySet": _object(
        "Public keys (RFC 7517 section 5).",
        "keys",
        keys={"type": "array", "items": {"type": "object", "additionalProperties": {}}},
    ),
    "JWTMetadata": {
        **_object(
            "Where everything is (RFC 8414). Only what exists is named.",
            *("issuer", "response_types_supported"),
            issuer=TEXT,
            **{
                name: {"type": "string", "format": "uri"}
                for name in (
                    "jwks_uri",
                    "token_endpoint",
                    "revocation_endpoint",
                    "introspection_endpoint",
                    "jwt_revocations_uri",
                )
            },
            **{
                name: {"type": "array", "items": TEXT}
                for name in (
                    "response_types_supported",
                    "grant_types_supported",
                    "token_endpoint_auth_methods_supported",
                    "revocation_endpoint_auth_methods_supported",
                    "introspection_endpoint_auth_methods_supported",
                )
            },
        ),
        "additionalProperties": {},
    },
}
"""By name. Those of requests that a serializer describes are not here."""

_UNKNOWN = {"description": "What the project's EXCEPTION_HANDLER makes of it."}


def component(registry: Any, name: str) -> dict[str, str]:
    """Add a component to the schema, with all that it refers to.

    Args:
        registry: The components of the schema.
        name: One of :data:`SCHEMAS`.

    Returns:
        A reference to it.
    """
    return define(registry, name, SCHEMAS[name])


def define(registry: Any, name: str, schema: dict[str, Any]) -> dict[str, str]:
    """Add a component to the schema, with all of :data:`SCHEMAS` that it refers to.

    Args:
        registry: The components of the schema.
        name: Its name.
        schema: What it is.

    Returns:
        A reference to it.
    """
    registry.register_on_missing(
        ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=schema)
    )
    for other in _referred(schema):
        component(registry, other)
    return ref(name)


def _referred(part: Any) -> set[str]:
    """Return the names of the components that a part of a schema refers to."""
    if isinstance(part, list):
        return {name for item in part for name in _referred(item)}
    if not isinstance(part, dict):
        return set()
    if "$ref" in part:
        return {part["$ref"].rpartition("/")[2]}
    return _referred(list(part.values()))


def refusal(registry: Any, name: str) -> dict[str, Any]:
    """Return the schema of a refusal, which a project's ``EXCEPTION_HANDLER`` may format in its own way.

    Args:
        registry: The components of the schema.
        name: One of :data:`SCHEMAS`.
    """
    return component(registry, name) if has_our_refusals() else _UNKNOWN


def bad_request(
    registry: Any, name: str, fields: Sequence[str], *, grants: bool, oauth: bool, own_words: bool
) -> dict[str, Any]:
    """Return the schema of a refusal with status 400: the errors of each field, or one text.

    Args:
        registry: The components of the schema.
        name: For the component.
        fields: The members of the request.
        grants: Whether it is a request for tokens, which may have the form of RFC 6749.
        oauth: Whether it is another request of OAuth's.
        own_words: Whether the project may have codes and reasons of its own.
    """
    if not has_our_refusals():
        return _UNKNOWN
    errors = {"type": "array", "items": TEXT}
    properties = {
        "detail": _DETAIL,
        **({"error": ref("JWTGrantError")} if grants or oauth else {}),
        **({"error_description": TEXT, **(_OWN_WORDS if own_words else _WORDS)} if grants else {}),
        **dict.fromkeys([*fields, api_settings.NON_FIELD_ERRORS_KEY], errors),
    }
    return define(registry, name, _object("What is wrong with the body, or with a member of it.", **properties))


def has_our_refusals() -> bool:
    """Tell whether refusals have our own bodies, because no ``EXCEPTION_HANDLER`` formats them."""
    return api_settings.EXCEPTION_HANDLER is exception_handler
