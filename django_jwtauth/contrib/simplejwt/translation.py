"""What each key of ``SIMPLE_JWT`` becomes: the table of the documentation, and the settings to paste."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings

from ..._core.custom_claims import is_registered
from ..._core.setting_table import literal
from ...errors import InvalidKeyError
from ...keys import Key
from ...secret import Secret
from ...verifier import MAX_LEEWAY
from .settings import accepts_sliding

PACKAGE = "rest_framework_simplejwt"
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
KEYS = {
    "ACCESS_TOKEN_LIFETIME": "`ACCESS_TOKEN_LIFETIME`",
    "REFRESH_TOKEN_LIFETIME": "`REFRESH_TOKEN_LIFETIME`, the idle limit; `SESSION_LIFETIME` is the absolute one",
    "ROTATE_REFRESH_TOKENS": "always on",
    "BLACKLIST_AFTER_ROTATION": "always on, with `REFRESH_GRACE_PERIOD`",
    "UPDATE_LAST_LOGIN": "always on",
    "ALGORITHM": "`alg` of an entry of `SIGNING_KEYS`",
    "SIGNING_KEY": "`pem`, `file` or `secret` of the first entry of `SIGNING_KEYS`",
    "VERIFYING_KEY": "not needed at the issuer: a private key verifies too, and further entries of `SIGNING_KEYS` "
    "only verify. A service that only verifies names the issuer in `TRUSTED_ISSUERS`",
    "AUDIENCE": "`AUDIENCE`",
    "ISSUER": "`ISSUER`",
    "JSON_ENCODER": "none: hooks return plain JSON, and `CLAIMS` writes times and UUIDs as Django does",
    "JWK_URL": "`jwks_url` of an entry of `TRUSTED_ISSUERS`; discovered if you leave it out",
    "LEEWAY": "`LEEWAY`, a `timedelta`",
    "AUTH_HEADER_TYPES": "always `Bearer`; override `get_raw_token()` for [another word](#another-word-than-bearer)",
    "AUTH_HEADER_NAME": "always `Authorization`; override `get_raw_token()` to use another header",
    "USER_ID_FIELD": "`SUBJECT_FIELD`",
    "USER_ID_CLAIM": "always `sub`",
    "USER_AUTHENTICATION_RULE": "the same name; always in addition to `is_active` and to what your "
    "[authentication backends](sessions.md#who-may-go-on) say",
    "AUTH_TOKEN_CLASSES": "always access tokens; [sliding tokens](#sliding-tokens) are exchanged",
    "TOKEN_TYPE_CLAIM": "none: the type is in the header `typ`",
    "JTI_CLAIM": "always `jti`",
    "TOKEN_USER_CLASS": "subclass `StatelessJWTAuthentication`",
    "SLIDING_TOKEN_REFRESH_EXP_CLAIM": "none",
    "SLIDING_TOKEN_LIFETIME": "none",
    "SLIDING_TOKEN_REFRESH_LIFETIME": "none",
    "TOKEN_OBTAIN_SERIALIZER": "instead of its `get_token()`, [`CLAIMS` or hooks](#custom-claims); for other fields, "
    "`serializer_class` of a subclass of `TokenView`",
    "TOKEN_REFRESH_SERIALIZER": "`serializer_class` of a subclass of `TokenRefreshView`",
    "TOKEN_VERIFY_SERIALIZER": "`serializer_class` of a subclass of `TokenVerifyView`",
    "TOKEN_BLACKLIST_SERIALIZER": "`serializer_class` of a subclass of `TokenBlacklistView`",
    "SLIDING_TOKEN_OBTAIN_SERIALIZER": "none",
    "SLIDING_TOKEN_REFRESH_SERIALIZER": "none",
    "CHECK_REVOKE_TOKEN": "always on",
    "REVOKE_TOKEN_CLAIM": "none: the session is bound to the password, the token is not",
    "CHECK_USER_IS_ACTIVE": "always on",
}
"""In the words of the page on migrating, for each key that Simple JWT 5.5 has."""
SERIALIZERS = tuple(key for key in KEYS if key.endswith("_SERIALIZER"))
_DEFAULTS: dict[str, Any] = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "SLIDING_TOKEN_LIFETIME": timedelta(minutes=5),
    "SLIDING_TOKEN_REFRESH_LIFETIME": timedelta(days=1),
    "AUTH_HEADER_TYPES": ("Bearer",),
    "AUTH_HEADER_NAME": "HTTP_AUTHORIZATION",
    "AUTH_TOKEN_CLASSES": (f"{PACKAGE}.tokens.AccessToken",),
    "ALGORITHM": "HS256",
    "LEEWAY": 0,
    "USER_ID_FIELD": "id",
    "USER_ID_CLAIM": "user_id",
}
"""The defaults of Simple JWT that matter here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The translation of ``SIMPLE_JWT``."""

    lines: tuple[str, ...]
    """The items of ``JWTAUTH``, as Python code. They name no key or secret: they refer to ``SIMPLE_JWT`` for those."""
    until: date
    """When the last old token has expired, if the move is made today."""
    advice: tuple[str, ...]
    """A sentence or two for each key that is set but has no counterpart, so that you must decide."""


def translate(old: Mapping[str, Any], *, today: date) -> Translation:
    """Translate the settings of Simple JWT.

    Args:
        old: ``SIMPLE_JWT``.
        today: The day of the move.
    """
    given = {**_DEFAULTS, **old}
    advice: list[str] = []
    lifetimes = _lifetimes(given, advice)
    lines = [
        *lifetimes,
        *_leeway(given, advice),
        *[f'"{key}": {old[key]!r}' for key in ("ISSUER", "AUDIENCE") if old.get(key)],
        *_keys(given, old, advice),
        *_user(given, old, advice),
    ]
    advice += _without_counterpart(given, old)
    longest = max(given[key] for key in _DEFAULTS if key.endswith("_LIFETIME"))
    return Translation(lines=tuple(lines), until=today + longest + timedelta(days=1), advice=tuple(advice))


def unknown_keys(old: Mapping[str, Any]) -> list[str]:
    """Return the keys that Simple JWT 5.5 does not have."""
    return sorted(set(map(str, old)) - set(KEYS))


def _lifetimes(given: Mapping[str, Any], advice: list[str]) -> list[str]:
    access, idle = given["ACCESS_TOKEN_LIFETIME"], given["REFRESH_TOKEN_LIFETIME"]
    absolute = max(idle, timedelta(days=90))
    if accepts_sliding(given):
        is_only = len(given["AUTH_TOKEN_CLASSES"]) == 1
        idle = max(given["SLIDING_TOKEN_LIFETIME"], timedelta(0) if is_only else idle)
        absolute = max(idle, given["SLIDING_TOKEN_REFRESH_LIFETIME"])
        advice.append(
            "AUTH_TOKEN_CLASSES: there are no sliding tokens here. Those in use are accepted until they expire, and "
            'exchanged for a pair at token/refresh/. See "Sliding tokens" on the page "Migrating from Simple JWT".'
        )
    elif not given.get("ROTATE_REFRESH_TOKENS"):
        absolute = idle
        advice.append(
            "ROTATE_REFRESH_TOKENS is off, so nobody stayed signed in for longer than REFRESH_TOKEN_LIFETIME: "
            "SESSION_LIFETIME keeps that. Do your clients store the new refresh token of each response? If not, set "
            "KEEP_FIRST_TOKEN_UNTIL."
        )
    return [
        f'"ACCESS_TOKEN_LIFETIME": {literal(access)}',
        f'"REFRESH_TOKEN_LIFETIME": {literal(idle)}',
        f'"SESSION_LIFETIME": {literal(absolute)}',
    ]


def _leeway(given: Mapping[str, Any], advice: list[str]) -> list[str]:
    leeway = given["LEEWAY"]
    leeway = leeway if isinstance(leeway, timedelta) else timedelta(seconds=leeway)
    if leeway > MAX_LEEWAY:
        advice.append("LEEWAY: five minutes are the most that is possible here.")
    return [f'"LEEWAY": {literal(min(leeway, MAX_LEEWAY))}'] if leeway else []


def _keys(given: Mapping[str, Any], old: Mapping[str, Any], advice: list[str]) -> list[str]:
    algorithm = given["ALGORITHM"]
    if old.get("JWK_URL"):
        advice.append(
            "JWK_URL: if another service issues the tokens, name it in TRUSTED_ISSUERS, with this as its jwks_url. It "
            "has to issue tokens of type at+jwt."
        )
    if algorithm.startswith("HS"):
        member, is_own = "secret", old.get("SIGNING_KEY", settings.SECRET_KEY) != settings.SECRET_KEY
    else:
        member, is_own = "pem", bool(old.get("SIGNING_KEY"))
    if not is_own:
        if algorithm != "HS256":
            advice.append(f"ALGORITHM: without a SIGNING_KEY of its own for {algorithm}, tokens are signed with HS256.")
        return []
    try:
        Key.load(Secret({"alg": algorithm, member: old["SIGNING_KEY"]}))
    except InvalidKeyError as error:
        advice.append(
            f"SIGNING_KEY cannot be used: {error} A key derived from SECRET_KEY signs unless you set SIGNING_KEYS."
        )
        return []
    advice.append("SIGNING_KEY: before you remove SIMPLE_JWT, move the key itself into SIGNING_KEYS.")
    return [f'"SIGNING_KEYS": [{{"alg": "{algorithm}", "{member}": SIMPLE_JWT["SIGNING_KEY"]}}]']


def _user(given: Mapping[str, Any], old: Mapping[str, Any], advice: list[str]) -> list[str]:
    field, claim = given["USER_ID_FIELD"], given["USER_ID_CLAIM"]
    lines = [f'"SUBJECT_FIELD": "{field}"'] if field not in ("id", "pk") else []
    if not is_registered(claim):
        lines.append(f'"CLAIMS": {{"{claim}": "{field}"}}')
        advice.append(f"USER_ID_CLAIM: the user is in sub. Remove {claim} from CLAIMS if no client reads it.")
    elif claim != "sub":
        advice.append(f"USER_ID_CLAIM: the user is in sub, and {claim} has another meaning here.")
    rule = old.get("USER_AUTHENTICATION_RULE")
    if rule is not None and not str(rule).startswith(PACKAGE):
        lines.append(
            f'"USER_AUTHENTICATION_RULE": {rule!r}'
            if isinstance(rule, str)
            else '"USER_AUTHENTICATION_RULE": SIMPLE_JWT["USER_AUTHENTICATION_RULE"]'
        )
    return lines


def _without_counterpart(given: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    types = given["AUTH_HEADER_TYPES"]
    types = (types,) if isinstance(types, str) else types
    found = []
    if list(types) != ["Bearer"] or given["AUTH_HEADER_NAME"] != "HTTP_AUTHORIZATION":
        found.append(
            "AUTH_HEADER_TYPES, AUTH_HEADER_NAME: only 'Authorization: Bearer' is read here. For other words, see "
            '"Another word than Bearer" on the page "Migrating from Simple JWT".'
        )
    if old.get("CHECK_USER_IS_ACTIVE") is False:
        found.append("CHECK_USER_IS_ACTIVE is off, and cannot be here: inactive users will be refused.")
    if old.get("TOKEN_TYPE_CLAIM", "token_type") != "token_type":
        found.append("TOKEN_TYPE_CLAIM: the type is in the header typ. Clients that read the claim find none.")
    for key in ("JSON_ENCODER", "TOKEN_USER_CLASS", *SERIALIZERS):
        value = old.get(key)
        if value is not None and not str(value).startswith(PACKAGE):
            found.append(f"{key}, which is {value!r}, becomes: {plain(KEYS[key])}.")
    return found


def plain(text: str) -> str:
    """Return a cell of the documentation's table without its markup."""
    return _LINK.sub(r"\1", text).replace("`", "")
