"""The ``JWTAUTH`` setting: read lazily, checked as a whole, and read anew when it is overridden."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from ._core.custom_claims import is_registered
from ._core.remote import ASYMMETRIC_ALGORITHMS
from ._core.setting_kinds import Reader, Source, is_text, kind
from .cookies import Cookies, read_cookies_setting
from .errors import InvalidKeyError
from .keys import Key, KeySet, derive_secret
from .verifier import Verifier

MIN_TIMEOUT = timedelta(milliseconds=100)
MAX_TIMEOUT = timedelta(minutes=1)
MAX_LEEWAY = timedelta(minutes=5)
MAX_GRACE_PERIOD = timedelta(days=1)  # inside it a stolen token and its successor are both good
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE = re.compile(r"([1-9][0-9]*)/(s|sec|second|m|min|minute|h|hour|d|day)")


class InvalidSettingsError(ImproperlyConfigured):
    """The ``JWTAUTH`` setting cannot be used.

    Attributes:
        problems: One sentence for each thing that is wrong, naming its key.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many in so many seconds."""

    limit: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalIssuer:
    """What makes this project an issuer: its keys."""

    signing_keys: KeySet
    refresh_keys: KeySet
    throttle_key: bytes
    verifier: Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The checked settings. What each key means is in the documentation, page "Settings"."""

    issuer: str
    audience: tuple[str, ...]
    client_id: str
    access_token_lifetime: timedelta
    refresh_token_lifetime: timedelta
    session_lifetime: timedelta
    refresh_grace_period: timedelta
    leeway: timedelta
    subject_field: str
    claims: Mapping[str, tuple[str, ...]]
    claims_hooks: tuple[str, ...]
    scopes: Source
    audiences: Source
    cookies: Cookies
    max_sessions_per_user: int | None
    max_token_length: int
    revocation_poll_interval: timedelta
    revocation_max_staleness: timedelta
    revocation_fail_open: bool
    throttle_rates: Mapping[str, Rate | None]
    num_proxies: int
    purge_revoked_after: timedelta
    local: LocalIssuer | None = field(repr=False)
    """``None`` in a service that issues no tokens: where our app is not installed."""
    verifiers: Mapping[str, Verifier] = field(repr=False)
    """Verify the access tokens of each issuer that is accepted here, ours and those of ``TRUSTED_ISSUERS``."""

    @property
    def signing_keys(self) -> KeySet:
        """Sign and verify access tokens."""
        return self._issuing().signing_keys

    @property
    def refresh_keys(self) -> KeySet:
        """Sign and verify refresh tokens. Derived for this purpose only, and in no JWKS."""
        return self._issuing().refresh_keys

    @property
    def throttle_key(self) -> bytes:
        """Makes cache keys of user names and addresses that cannot be guessed back."""
        return self._issuing().throttle_key

    @property
    def verifier(self) -> Verifier:
        """Verifies our own access tokens."""
        return self._issuing().verifier

    def _issuing(self) -> LocalIssuer:
        if self.local is None:
            raise ImproperlyConfigured(
                "This project issues no tokens, since 'django_jwtauth' is not in INSTALLED_APPS. To accept those of "
                "another issuer, use StatelessJWTAuthentication and JWTAUTH['TRUSTED_ISSUERS']."
            )
        return self.local

    @property
    def revocation_retention(self) -> timedelta:
        """How long a revocation stays on the list: until every access token it concerns has expired for sure."""
        return self.access_token_lifetime + 2 * self.leeway + timedelta(minutes=5)


def get_config() -> Config:
    """Return the settings.

    Raises:
        InvalidSettingsError: if one cannot be used; all problems are named at once.
    """
    return _load()


@functools.cache
def _load() -> Config:
    given = getattr(settings, "JWTAUTH", {})
    if not isinstance(given, Mapping):
        raise InvalidSettingsError([f"JWTAUTH must be a dict, not {type(given).__name__}."])
    return _Reader(given).read()


class _Reader(Reader):
    """Knows our keys."""

    def read(self) -> Config:
        issuer = self.text("ISSUER", "django-jwtauth")
        access_token_lifetime = self.duration("ACCESS_TOKEN_LIFETIME", timedelta(minutes=5), least=timedelta(seconds=1))
        poll_interval = self.duration("REVOCATION_POLL_INTERVAL", timedelta(seconds=2), least=timedelta(milliseconds=1))
        is_issuer = apps.is_installed("django_jwtauth")
        values: dict[str, Any] = {
            "issuer": issuer,
            "audience": self.one_or_more("AUDIENCE", (issuer,)),
            "client_id": self.text("CLIENT_ID", "first-party"),
            "access_token_lifetime": access_token_lifetime,
            "refresh_token_lifetime": self.duration(
                "REFRESH_TOKEN_LIFETIME", timedelta(days=14), least=timedelta(seconds=1)
            ),
            "session_lifetime": self.duration("SESSION_LIFETIME", timedelta(days=90), least=timedelta(seconds=1)),
            "refresh_grace_period": self.duration("REFRESH_GRACE_PERIOD", timedelta(seconds=30), most=MAX_GRACE_PERIOD),
            "leeway": self.duration("LEEWAY", timedelta(seconds=5), most=MAX_LEEWAY),
            "subject_field": self.text("SUBJECT_FIELD", "pk"),
            "claims": self.claims(),
            "claims_hooks": self.texts("CLAIMS_HOOKS", ()),
            "scopes": self.texts_or_callable("SCOPES", lambda name: SCOPE.fullmatch(name) is not None),
            "audiences": self.texts_or_callable("AUDIENCES"),
            "cookies": read_cookies_setting(self.value("COOKIES", {}), self.problems),
            "max_sessions_per_user": self.integer("MAX_SESSIONS_PER_USER", None, least=1),
            "max_token_length": self.integer("MAX_TOKEN_LENGTH", 4096, least=512),
            "revocation_poll_interval": poll_interval,
            # Up to twice the interval a list is used while another thread reads; that is normal, and never too stale.
            "revocation_max_staleness": self.duration(
                "REVOCATION_MAX_STALENESS", max(access_token_lifetime, 2 * poll_interval), least=2 * poll_interval
            ),
            "revocation_fail_open": self.boolean("REVOCATION_FAIL_OPEN", default=False),
            "throttle_rates": self.rates(),
            "num_proxies": self.integer("NUM_PROXIES", 0, least=0),
            "purge_revoked_after": self.duration("PURGE_REVOKED_AFTER", timedelta(days=30)),
        }
        shared = {
            "leeway": values["leeway"],
            "max_token_length": values["max_token_length"],
            "cache_size": self.integer("TOKEN_CACHE_SIZE", 4096, least=0),
        }
        polling = {
            "poll_interval": poll_interval,
            "max_staleness": values["revocation_max_staleness"],
            "fail_open": values["revocation_fail_open"],
        }
        own_audience = values["audience"] if is_issuer or "AUDIENCE" in self.given else ()
        verifiers = self.trusted_issuers(own_audience, **shared, **polling)
        own = {"issuer": issuer, "audience": values["audience"], "max_lifetime": access_token_lifetime, **shared}
        # Also where nothing is issued, so that what is wrong is said.
        local = self.local_issuer(own) if is_issuer or self.value("SIGNING_KEYS", None) is not None else None
        if local is not None and is_issuer:
            if issuer in verifiers:
                self.problems.append(
                    f"JWTAUTH['TRUSTED_ISSUERS'] names {issuer!r}, which is this project's own ISSUER."
                )
            verifiers[issuer] = local.verifier
        self.refuse_unknown("setting")
        if self.problems:
            raise InvalidSettingsError(self.problems)
        return Config(local=local if is_issuer else None, verifiers=verifiers, **values)

    def local_issuer(self, verifier: Mapping[str, Any]) -> LocalIssuer | None:
        secrets = self.secret_keys()
        if not secrets:
            return None  # which is a problem by now
        signing_keys = self.signing_keys(_derived_keys(secrets, "access token signing"))
        return LocalIssuer(
            signing_keys=signing_keys,
            refresh_keys=_derived_keys(secrets, "refresh token signing"),
            throttle_key=derive_secret(settings.SECRET_KEY, "throttle"),
            verifier=Verifier(keys=signing_keys, **verifier),
        )

    def trusted_issuers(self, own_audience: tuple[str, ...], **options: Any) -> dict[str, Verifier]:
        given = self.value("TRUSTED_ISSUERS", {})
        if not isinstance(given, Mapping):
            self.refuse("TRUSTED_ISSUERS", "a dict", given)
            return {}
        verifiers: dict[str, Verifier] = {}
        for issuer, entry in given.items():
            name = f"JWTAUTH['TRUSTED_ISSUERS'][{issuer!r}]"
            if not is_text(issuer) or not isinstance(entry, Mapping):
                self.problems.append(f"{name} must be the dict of an issuer that is a str.")
                continue
            reader = _Reader(entry, name)
            verifier = reader.trusted_issuer(issuer, own_audience, options)
            self.problems += reader.problems
            if verifier is not None:
                verifiers[issuer] = verifier
        return verifiers

    def trusted_issuer(self, issuer: str, audience: tuple[str, ...], options: Mapping[str, Any]) -> Verifier | None:
        arguments: dict[str, Any] = {
            "jwks_url": self.text("jwks_url", ""),
            "revocations_url": self.text_or_none("revocations_url", ""),
            "algorithms": self.texts("algorithms", ASYMMETRIC_ALGORITHMS),
            "audience": self.one_or_more("audience", audience),
            "timeout": self.duration("timeout", timedelta(seconds=5), least=MIN_TIMEOUT, most=MAX_TIMEOUT),
            "allow_http": self.boolean("allow_http", default=False),
        }
        self.refuse_unknown("key")
        if not arguments["audience"]:
            self.problems.append(
                f"{self.name} needs an 'audience', or JWTAUTH an 'AUDIENCE': what its tokens for this service name."
            )
        if self.problems:
            return None
        try:
            return Verifier(issuer=issuer, **arguments, **options)
        except ValueError as error:
            self.problems.append(f"{self.name}: {error}")
            return None

    def rates(self) -> dict[str, Rate | None]:
        rates: dict[str, Any] = {
            "login": "10/min",
            "login_address": "60/min",
            "login_username": "100/hour",
            "refresh": "30/min",
        }
        given = self.value("THROTTLE_RATES", {})
        if not isinstance(given, Mapping):
            self.refuse("THROTTLE_RATES", "a dict", given)
            return {}
        for name in given:
            if name not in rates:
                self.problems.append(f"JWTAUTH['THROTTLE_RATES'] has no rate {name!r}; it knows {', '.join(rates)}.")
        parsed: dict[str, Rate | None] = {}
        for name, value in {**rates, **given}.items():
            match = _RATE.fullmatch(value) if isinstance(value, str) else None
            parsed[name] = Rate(limit=int(match[1]), seconds=_SECONDS[match[2][0]]) if match else None
            if match is None and value is not None:
                self.problems.append(
                    f"JWTAUTH['THROTTLE_RATES'][{name!r}] must be None or like '10/min', not {kind(value)}."
                )
        return parsed

    def claims(self) -> dict[str, tuple[str, ...]]:
        given = self.value("CLAIMS", {})
        if not isinstance(given, Mapping):
            self.refuse("CLAIMS", "a dict", given)
            return {}
        paths = {}
        for name, path in given.items():
            parts = tuple(path.split(".")) if isinstance(path, str) else ()
            if isinstance(name, str) and is_registered(name):
                self.problems.append(
                    f"JWTAUTH['CLAIMS'] may not set {name!r}: it is a registered claim, or may be taken for one."
                )
            elif not is_text(name):
                self.problems.append(f"JWTAUTH['CLAIMS'] must name claims, and {name!r} is no name of one.")
            elif not all(part.isidentifier() and not part.startswith("_") for part in parts or "-"):
                self.problems.append(
                    f"JWTAUTH['CLAIMS'][{name!r}] must be the path of a user's attribute, like "
                    f"'profile.organisation_id', not {kind(path)}."
                )
            else:
                paths[name] = parts
        return paths

    def secret_keys(self) -> list[bytes]:
        """Return ``SECRET_KEY`` and its fallbacks; each counts once."""
        given: list[Any] = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        # Anybody can derive a key from nothing, such as an environment variable that is not set.
        usable = [secret for secret in given if isinstance(secret, str | bytes) and secret]
        if len(usable) != len(given):
            self.problems.append("SECRET_KEY and each of SECRET_KEY_FALLBACKS must be str or bytes and not empty.")
        return list(dict.fromkeys(secret.encode() if isinstance(secret, str) else secret for secret in usable))

    def signing_keys(self, default: KeySet) -> KeySet:
        given = self.value("SIGNING_KEYS", None)
        if given is None:
            return default
        if not isinstance(given, list | tuple) or not given:
            self.refuse("SIGNING_KEYS", "a list of at least one key", given)
            return default
        keys: list[Key] = []
        for index, entry in enumerate(given):
            try:
                if not isinstance(entry, Mapping):
                    raise InvalidKeyError(f"A key must be a dict, not {type(entry).__name__}.")
                keys.append(Key.load(entry))
            except InvalidKeyError as error:
                self.problems.append(f"JWTAUTH['SIGNING_KEYS'][{index}]: {error}")
        if len(keys) != len(given):
            return default
        try:
            key_set = KeySet(keys)
            _ = key_set.signing_key
        except InvalidKeyError as error:
            self.problems.append(f"JWTAUTH['SIGNING_KEYS']: {error}")
            return default
        return key_set


def _derived_keys(secrets: list[bytes], purpose: str) -> KeySet:
    return KeySet(Key.from_secret(derive_secret(secret, purpose)) for secret in secrets)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in {"JWTAUTH", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "AUTH_USER_MODEL", "INSTALLED_APPS"}:
        _load.cache_clear()


setting_changed.connect(_forget)
