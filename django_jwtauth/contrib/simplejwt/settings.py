"""What the bridge needs to know: ``SIMPLE_JWT``, as it was, and ``JWTAUTH_SIMPLEJWT``, which says for how long."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from jwt import PyJWKClient

KEYS = ("UNTIL", "KEEP_FIRST_TOKEN_UNTIL")
"""The keys of ``JWTAUTH_SIMPLEJWT``."""
_OWN_RULE = "rest_framework_simplejwt.authentication.default_user_authentication_rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSettings:
    """Both settings, checked."""

    until: datetime
    """From then on, no old token is accepted."""
    keep_first_token_until: datetime | None
    """Until then, clients may go on using the first refresh token they got."""
    algorithm: str
    key: Any = field(repr=False)
    """What verifies old tokens, if it is one key."""
    jwk_client: PyJWKClient | None = field(repr=False)
    """Finds the key otherwise."""
    audience: Any
    issuer: Any
    leeway: timedelta
    user_id_field: str
    user_id_claim: str
    token_type_claim: str | None
    jti_claim: str | None
    sliding_claim: str
    """The claim that says until when a sliding token may be refreshed; empty if the project accepts none."""
    revoke_claim: str | None
    """The claim that holds a digest of the password, if it is checked."""
    rule: Callable[[Any], Any] | None
    """The project's own ``USER_AUTHENTICATION_RULE``."""


def get_settings() -> OldSettings:
    """Return the settings.

    Raises:
        ImproperlyConfigured: if one of them cannot be used.
    """
    return _load()


@functools.cache
def _load() -> OldSettings:
    given = _mapping("JWTAUTH_SIMPLEJWT")
    if unknown := sorted(map(str, set(given) - set(KEYS))):
        raise ImproperlyConfigured(f"JWTAUTH_SIMPLEJWT has no {', '.join(unknown)}. It has {' and '.join(KEYS)}.")
    if "UNTIL" not in given:
        raise ImproperlyConfigured(
            "JWTAUTH_SIMPLEJWT needs 'UNTIL', the date from which no token of Simple JWT is accepted: the day of the "
            "move plus its REFRESH_TOKEN_LIFETIME."
        )
    if _mapping("JWTAUTH").get("TENANT") is not None:
        raise ImproperlyConfigured(
            "django_jwtauth.contrib.simplejwt cannot be used with JWTAUTH['TENANT']: a token of Simple JWT does not "
            "say which tenant its user belongs to."
        )
    until = _moment(given["UNTIL"], "UNTIL")
    keep = given.get("KEEP_FIRST_TOKEN_UNTIL")
    old = _mapping("SIMPLE_JWT")
    algorithm = str(old.get("ALGORITHM", "HS256"))
    signing_key = old.get("SIGNING_KEY", settings.SECRET_KEY)
    url = old.get("JWK_URL")
    rule = old.get("USER_AUTHENTICATION_RULE", _OWN_RULE)
    leeway = old.get("LEEWAY", 0)
    return OldSettings(
        until=until,
        keep_first_token_until=None if keep is None else _moment(keep, "KEEP_FIRST_TOKEN_UNTIL"),
        algorithm=algorithm,
        key=signing_key if algorithm.startswith("HS") else old.get("VERIFYING_KEY", ""),
        jwk_client=PyJWKClient(url) if url and not algorithm.startswith("HS") else None,
        audience=old.get("AUDIENCE"),
        issuer=old.get("ISSUER"),
        leeway=leeway if isinstance(leeway, timedelta) else timedelta(seconds=leeway),
        user_id_field=old.get("USER_ID_FIELD", "id"),
        user_id_claim=old.get("USER_ID_CLAIM", "user_id"),
        token_type_claim=old.get("TOKEN_TYPE_CLAIM", "token_type"),
        jti_claim=old.get("JTI_CLAIM", "jti"),
        sliding_claim=old.get("SLIDING_TOKEN_REFRESH_EXP_CLAIM", "refresh_exp") if accepts_sliding(old) else "",
        revoke_claim=old.get("REVOKE_TOKEN_CLAIM", "hash_password") if old.get("CHECK_REVOKE_TOKEN") else None,
        rule=None if rule == _OWN_RULE else import_string(rule) if isinstance(rule, str) else rule,
    )


def accepts_sliding(old: Mapping[str, Any]) -> bool:
    """Tell whether ``AUTH_TOKEN_CLASSES`` names Simple JWT's sliding tokens, or a class of the project's own."""
    names = [getattr(each, "__name__", each) for each in old.get("AUTH_TOKEN_CLASSES", ())]
    return any(name.endswith("SlidingToken") for name in names)


def _mapping(name: str) -> Mapping[str, Any]:
    value = getattr(settings, name, {})
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"{name} must be a dict.")
    return value


def _moment(value: object, key: str) -> datetime:
    """Return when a day begins, in UTC."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise ImproperlyConfigured(f"JWTAUTH_SIMPLEJWT[{key!r}] must be a date, such as '2027-03-31'.")
    return datetime.combine(day, time(), UTC)


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    if setting in {"SIMPLE_JWT", "JWTAUTH", "JWTAUTH_SIMPLEJWT", "SECRET_KEY"}:
        _load.cache_clear()


setting_changed.connect(_on_setting_changed)
