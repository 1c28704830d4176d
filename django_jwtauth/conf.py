"""The ``JWTAUTH`` setting. :class:`Config` declares its keys; :func:`get_config` reads and checks them.

The setting is read when it is first needed, checked as a whole, and read again after it is overridden.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from ._core.clock import issuer_clock
from ._core.remote import ASYMMETRIC_ALGORITHMS
from ._core.setting_kinds import (
    BOOLEAN,
    MAX_DURATION,
    Choice,
    ClaimPaths,
    ComputedTexts,
    Duration,
    Function,
    Integer,
    OneOrMoreTexts,
    OrNone,
    Rate,
    RateText,
    SigningKeys,
    Source,
    Text,
    Texts,
)
from ._core.setting_table import (
    Derived,
    DictOf,
    Place,
    Setting,
    Table,
    make_setting,
    read_settings,
    setting,
    settings_of,
)
from .cookies import COOKIES, Cookies
from .keys import Key, KeySet, derive_secret
from .verifier import MAX_LEEWAY, Verifier

MIN_TIMEOUT = timedelta(milliseconds=100)
MAX_TIMEOUT = timedelta(minutes=1)
MAX_GRACE_PERIOD = timedelta(days=1)  # within it, a stolen token and its successor are both good
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3


class InvalidSettingsError(ImproperlyConfigured):
    """The ``JWTAUTH`` setting cannot be used.

    Attributes:
        problems: One sentence for each problem, naming its key.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """The checked entry of an issuer in ``TRUSTED_ISSUERS``."""

    jwks_url: str = setting(Text(), default="", default_words="discovered")
    revocations_url: str | None = setting(
        OrNone(kind=Text(), meaning="no list"), default="", default_words="discovered"
    )
    algorithms: tuple[str, ...] = setting(Texts(), default=ASYMMETRIC_ALGORITHMS, default_words="all asymmetric ones")
    audience: tuple[str, ...] = setting(OneOrMoreTexts(), default=(), default_words="`AUDIENCE`")
    timeout: timedelta = setting(Duration(least=MIN_TIMEOUT, most=MAX_TIMEOUT), default=timedelta(seconds=5))
    allow_http: bool = setting(BOOLEAN, default=False)


def _rate(name: str, limit: int, seconds: int) -> Setting:
    return make_setting(name, OrNone(kind=RateText()), default=Rate(limit=limit, seconds=seconds))


TRUSTED_ISSUER = Table(settings=settings_of(TrustedIssuer), make=TrustedIssuer)
THROTTLE_RATES: Table[Mapping[str, Rate | None]] = Table(
    settings=(
        _rate("login", 10, 60),
        _rate("login_address", 60, 60),
        _rate("login_username", 100, 3600),
        _rate("refresh", 30, 60),
    ),
    make=lambda **rates: MappingProxyType(rates),
    noun="rate",
    words="dict of rates, which is merged over the default",
)
_LIFETIME = Duration(least=timedelta(seconds=1))


def _double_poll_interval(config: "Config") -> timedelta:
    # Up to this age, a list is used while another thread reads the next one. That is normal, and never too stale.
    return 2 * config.revocation_poll_interval


def _own_issuer(config: "Config") -> tuple[str, ...]:
    return (config.issuer,)


def _max_staleness(config: "Config") -> timedelta:
    return max(config.access_token_lifetime, _double_poll_interval(config))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalIssuer:
    """What makes this project an issuer: its keys."""

    signing_keys: KeySet
    refresh_keys: KeySet
    throttle_key: bytes
    verifier: Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The checked settings. The page "Settings" of the documentation explains them.

    Each field that is a setting declares its kind, with its limits, and its default. The key is the name of the field
    in capitals, unless another one is declared. A derived default can use the fields above it.
    """

    issuer: str = setting(Text(), default="django-jwtauth")
    audience: tuple[str, ...] = setting(
        OneOrMoreTexts(), default=Derived(words="the value of `ISSUER`", compute=_own_issuer)
    )
    client_id: str = setting(Text(), default="first-party")
    subject_field: str = setting(Text(), default="pk")
    user_authentication_rule: Callable[..., Any] | str | None = setting(OrNone(kind=Function()), default=None)

    access_token_lifetime: timedelta = setting(_LIFETIME, default=timedelta(minutes=5))
    refresh_token_lifetime: timedelta = setting(_LIFETIME, default=timedelta(days=14))
    session_lifetime: timedelta = setting(_LIFETIME, default=timedelta(days=90))
    refresh_grace_period: timedelta = setting(Duration(most=MAX_GRACE_PERIOD), default=timedelta(seconds=30))
    leeway: timedelta = setting(Duration(most=MAX_LEEWAY), default=timedelta(seconds=5))
    max_sessions_per_user: int | None = setting(OrNone(kind=Integer(least=1), meaning="no limit"), default=None)

    given_signing_keys: KeySet | None = setting(
        OrNone(kind=SigningKeys()),
        default=None,
        default_words="one HS256 key derived from `SECRET_KEY`",
        key="SIGNING_KEYS",
        secret=True,
    )
    """The keys of the setting; :attr:`signing_keys` are those in use."""
    max_token_length: int = setting(Integer(least=512), default=4096)
    token_cache_size: int = setting(Integer(least=0), default=4096)

    ignore_foreign_tokens: bool = setting(BOOLEAN, default=False)

    claims: Mapping[str, tuple[str, ...]] = setting(ClaimPaths(), default=MappingProxyType({}))
    claims_hooks: tuple[str, ...] = setting(Texts(), default=())
    scopes: Source = setting(ComputedTexts(pattern=SCOPE), default=None)
    audiences: Source = setting(ComputedTexts(), default=None)

    sign_in_challenge: Callable[..., Any] | str | None = setting(OrNone(kind=Function()), default=None)

    revocation_poll_interval: timedelta = setting(
        # REVOCATION_MAX_STALENESS is at least twice as long, and limited too.
        Duration(least=timedelta(milliseconds=1), most=MAX_DURATION / 2),
        default=timedelta(seconds=2),
    )
    revocation_max_staleness: timedelta = setting(
        Duration(least=Derived(words="twice `REVOCATION_POLL_INTERVAL`", compute=_double_poll_interval)),
        default=Derived(
            words="the value of `ACCESS_TOKEN_LIFETIME`, or twice `REVOCATION_POLL_INTERVAL` if that is more",
            compute=_max_staleness,
        ),
    )
    revocation_fail_open: bool = setting(BOOLEAN, default=False)

    cookies: Cookies = setting(COOKIES, default=COOKIES.when_absent)
    trusted_issuers: Mapping[str, TrustedIssuer] = setting(
        DictOf(
            key=Text(),
            key_noun="an issuer",
            table=TRUSTED_ISSUER,
            words="dict that maps each issuer, exactly as in `iss`, to a dict with the keys below, all optional",
        ),
        default=MappingProxyType({}),
        secret=True,  # a URL may hold one
    )
    throttle_rates: Mapping[str, Rate | None] = setting(THROTTLE_RATES, default=THROTTLE_RATES.when_absent)
    num_proxies: int = setting(Integer(least=0), default=0)
    proxy_header: str | None = setting(Choice(options=("X-Forwarded-For", "Forwarded", None)), default=None)
    purge_revoked_after: timedelta = setting(Duration(), default=timedelta(days=30))

    local: LocalIssuer | None = field(default=None, repr=False)
    """``None`` in a service that issues no tokens: where our app is not installed."""
    verifiers: Mapping[str, Verifier] = field(default_factory=dict, repr=False)
    """Verify the access tokens of each issuer that is accepted here: our own, and those of ``TRUSTED_ISSUERS``."""

    @property
    def signing_keys(self) -> KeySet:
        """Sign and verify access tokens."""
        return self._issuing().signing_keys

    @property
    def refresh_keys(self) -> KeySet:
        """Sign and verify refresh tokens. They are derived for this purpose only, and no JWKS contains them."""
        return self._issuing().refresh_keys

    @property
    def throttle_key(self) -> bytes:
        """The HMAC key that makes cache keys of user names and addresses: nobody can guess them from the cache keys."""
        return self._issuing().throttle_key

    @property
    def verifier(self) -> Verifier:
        """Verifies our own access tokens."""
        return self._issuing().verifier

    def _issuing(self) -> LocalIssuer:
        if self.local is None:
            raise ImproperlyConfigured(
                "This project issues no tokens, because 'django_jwtauth' is not in INSTALLED_APPS. To accept the "
                "tokens of another issuer, use StatelessJWTAuthentication and JWTAUTH['TRUSTED_ISSUERS']."
            )
        return self.local

    @property
    def revocation_retention(self) -> timedelta:
        """How long a revocation stays on the list: until every access token that it concerns has surely expired."""
        return self.access_token_lifetime + 2 * self.leeway + timedelta(minutes=5)


SETTINGS = settings_of(Config, spell=str.upper)
"""All keys of ``JWTAUTH``. Those of a nested dict are in the ``nested`` of its kind."""


def get_config() -> Config:
    """Return the settings.

    Raises:
        InvalidSettingsError: if a setting cannot be used. It names all problems at once.
    """
    return _load()


def forget() -> None:
    """Read the settings again when they are next needed. Overriding a setting that matters does this by itself."""
    _load.cache_clear()


@functools.cache
def _load() -> Config:
    given = getattr(settings, "JWTAUTH", {})
    if not isinstance(given, Mapping):
        raise InvalidSettingsError([f"JWTAUTH must be a dict, not {type(given).__name__}."])
    problems: list[str] = []
    place = Place(name="JWTAUTH", problems=problems)
    config = Config(**read_settings(SETTINGS, given, place, noun="setting", hints=_SIMPLE_JWT))
    is_issuer = apps.is_installed("django_jwtauth")
    # A service that issues no tokens does not name itself by ISSUER: it has no audience unless one is given.
    own_audience = config.audience if is_issuer or "AUDIENCE" in given else ()
    verifiers = _trusted_verifiers(config, own_audience, problems)
    # Keys are also read where no tokens are issued, so that their problems are named.
    local = _local_issuer(config, problems) if is_issuer or config.given_signing_keys is not None else None
    if local is not None and is_issuer:
        if config.issuer in config.trusted_issuers:
            problems.append(f"JWTAUTH['TRUSTED_ISSUERS'] names {config.issuer!r}, which is this project's own ISSUER.")
        verifiers[config.issuer] = local.verifier
    if problems:
        raise InvalidSettingsError(problems)
    return replace(config, local=local if is_issuer else None, verifiers=MappingProxyType(verifiers))


_SIMPLE_JWT = dict.fromkeys(
    re.findall(
        r"\w+",
        """
    ALGORITHM AUTH_HEADER_NAME AUTH_HEADER_TYPES AUTH_TOKEN_CLASSES BLACKLIST_AFTER_ROTATION CHECK_REVOKE_TOKEN
    CHECK_USER_IS_ACTIVE JSON_ENCODER JTI_CLAIM JWK_URL REVOKE_TOKEN_CLAIM ROTATE_REFRESH_TOKENS SIGNING_KEY
    SLIDING_TOKEN_LIFETIME SLIDING_TOKEN_OBTAIN_SERIALIZER SLIDING_TOKEN_REFRESH_EXP_CLAIM
    SLIDING_TOKEN_REFRESH_LIFETIME SLIDING_TOKEN_REFRESH_SERIALIZER TOKEN_BLACKLIST_SERIALIZER TOKEN_OBTAIN_SERIALIZER
    TOKEN_REFRESH_SERIALIZER TOKEN_TYPE_CLAIM TOKEN_USER_CLASS TOKEN_VERIFY_SERIALIZER UPDATE_LAST_LOGIN
    USER_ID_CLAIM USER_ID_FIELD VERIFYING_KEY
    """,
    ),
    ' This is a setting of Simple JWT: "Migrating from Simple JWT" in the documentation has its counterpart.',
)


def _trusted_verifiers(config: Config, own_audience: tuple[str, ...], problems: list[str]) -> dict[str, Verifier]:
    verifiers = {}
    for issuer, entry in config.trusted_issuers.items():
        name = f"JWTAUTH['TRUSTED_ISSUERS'][{issuer!r}]"
        audience = entry.audience or own_audience
        if not audience:
            problems.append(
                f"{name} needs an 'audience', or JWTAUTH an 'AUDIENCE': what the issuer's tokens for this service have "
                "in 'aud'."
            )
            continue
        try:
            verifiers[issuer] = Verifier(
                issuer=issuer,
                audience=audience,
                jwks_url=entry.jwks_url,
                revocations_url=entry.revocations_url,
                algorithms=entry.algorithms,
                timeout=entry.timeout,
                allow_http=entry.allow_http,
                poll_interval=config.revocation_poll_interval,
                max_staleness=config.revocation_max_staleness,
                fail_open=config.revocation_fail_open,
                leeway=config.leeway,
                max_token_length=config.max_token_length,
                cache_size=config.token_cache_size,
            )
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return verifiers


def _local_issuer(config: Config, problems: list[str]) -> LocalIssuer | None:
    secrets = _secret_keys(problems)
    if not secrets:
        return None  # this is a problem already
    signing_keys = config.given_signing_keys or _derived_keys(secrets, "access token signing")
    return LocalIssuer(
        signing_keys=signing_keys,
        refresh_keys=_derived_keys(secrets, "refresh token signing"),
        throttle_key=derive_secret(secrets[0], "throttle"),
        verifier=Verifier(
            issuer=config.issuer,
            audience=config.audience,
            keys=signing_keys,
            leeway=config.leeway,
            max_lifetime=config.access_token_lifetime,
            max_token_length=config.max_token_length,
            cache_size=config.token_cache_size,
            clock=issuer_clock,
        ),
    )


def _secret_keys(problems: list[str]) -> list[bytes]:
    """Return ``SECRET_KEY`` and its fallbacks; each counts once."""
    given: list[Any] = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    # Anybody can derive keys from an empty secret, such as an environment variable that is not set.
    usable = [secret for secret in given if isinstance(secret, str | bytes) and secret]
    if len(usable) != len(given):
        problems.append("SECRET_KEY and each of SECRET_KEY_FALLBACKS must be str or bytes and not empty.")
    return list(dict.fromkeys(secret.encode() if isinstance(secret, str) else secret for secret in usable))


def _derived_keys(secrets: list[bytes], purpose: str) -> KeySet:
    return KeySet(Key.from_secret(derive_secret(secret, purpose)) for secret in secrets)


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    if setting in {"JWTAUTH", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "AUTH_USER_MODEL", "INSTALLED_APPS"}:
        forget()


setting_changed.connect(_on_setting_changed)
