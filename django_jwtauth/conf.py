"""The ``JWTAUTH`` setting. :class:`Config` declares its keys; :func:`get_config` reads and checks them.

The setting is read when it is first needed, checked as a whole, and read again after it is overridden.
"""

import contextlib
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

from . import tenants
from ._core.clock import IssuerClock, issuer_clock
from ._core.per_tenant import PerTenant
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
    SIMPLE_JWT,
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
from .keys import KeySet
from .local_issuer import LocalIssuer, make_issuer, secret_keys
from .secret import Secret
from .trusted_issuers import TRUSTED_ISSUER, TrustedIssuer, make_verifiers
from .verifier import MAX_LEEWAY, Verifier

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


def _rate(name: str, limit: int, seconds: int) -> Setting:
    return make_setting(name, OrNone(kind=RateText()), default=Rate(limit=limit, seconds=seconds))


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
_HEADER = Text(pattern=re.compile(r"[A-Za-z0-9-]+"), form="the name of a header")
_LIFETIME = Duration(least=timedelta(seconds=1))


def _double_poll_interval(config: "Config") -> timedelta:
    # Up to this age, a list is used while another thread reads the next one. That is normal, and never too stale.
    return 2 * config.revocation_poll_interval


def _own_issuer(config: "Config") -> tuple[str, ...]:
    return (config.issuer,)


def _max_staleness(config: "Config") -> timedelta:
    return max(config.access_token_lifetime, _double_poll_interval(config))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The checked settings. The page "Settings" of the documentation explains them.

    Each field that is a setting declares its kind, with its limits, and its default. The key is the name of the field
    in capitals, unless another one is declared. A derived default can use the fields above it.
    """

    tenant_source: Callable[..., Any] | str | None = setting(OrNone(kind=Function()), default=None, key="TENANT")
    tenant_settings: Callable[..., Any] | str | None = setting(OrNone(kind=Function()), default=None)
    tenant_context: Callable[..., Any] | str | None = setting(OrNone(kind=Function()), default=None)

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
    refresh_retry_period: timedelta = setting(Duration(most=timedelta(days=30)), default=timedelta(0))
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
    authentication_class: Callable[..., Any] | str = setting(
        Function(words="an authentication class, or the dotted path of one", rule="a class, the dotted path of one"),
        default="django_jwtauth.authentication.JWTCookieAuthentication",
    )

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
    request_start_header: str | None = setting(OrNone(kind=_HEADER), default=None)
    purge_revoked_after: timedelta = setting(Duration(), default=timedelta(days=30))

    tenant: str = ""
    """The name of the tenant whose settings these are; empty if there are no tenants."""
    clock: IssuerClock = field(default=issuer_clock, repr=False)
    """Judges the issuer's own tokens."""
    local: LocalIssuer | None = field(default=None, repr=False)
    """``None`` in a service that issues no tokens: where our app is not installed."""
    verifiers: Mapping[str, Verifier] = field(default_factory=dict, repr=False)
    """Verify the access tokens of each issuer that is accepted here: our own, and those of ``TRUSTED_ISSUERS``."""

    poll_seconds: float = field(init=False, repr=False, compare=False)
    """:attr:`revocation_poll_interval` in seconds, for each request."""
    retention_seconds: float = field(init=False, repr=False, compare=False)
    """The greatest age, by the times in our tables, of a revocation that may concern a token which is still valid."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "poll_seconds", self.revocation_poll_interval.total_seconds())
        # Local times, which USE_TZ = False stores, may jump.
        retention = self.revocation_retention + (timedelta(0) if settings.USE_TZ else timedelta(hours=1))
        object.__setattr__(self, "retention_seconds", retention.total_seconds())

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
        return self.access_token_lifetime + self.clock_allowance

    @property
    def clock_allowance(self) -> timedelta:
        """By how much later than its end a token may still be accepted by a server whose clock is behind."""
        return 2 * self.leeway + timedelta(minutes=5)


SETTINGS = settings_of(Config, spell=str.upper)
"""All keys of ``JWTAUTH``. Those of a nested dict are in the ``nested`` of its kind."""


def get_config() -> Config:
    """Return the settings; if there are tenants, those of the current one.

    Raises:
        InvalidSettingsError: if a setting cannot be used. It names all problems at once.
        ImproperlyConfigured: if there are tenants, and the current one is not known or has no usable settings.
    """
    config = _load()
    return config if config.tenant_source is None else _configs.get(tenants.current(config.tenant_source))


def get_shared_config() -> Config:
    """Return the settings also where no tenant is the current one, such as in checks.

    If there are tenants, nothing may be issued or accepted by them: issuer, audience and keys are no tenant's.

    Raises:
        InvalidSettingsError: as for :func:`get_config`.
    """
    return _load()


def tenant_context(tenant: str) -> contextlib.AbstractContextManager[None]:
    """Return a context in which a tenant is the current one, where no request has made it so: in a thread of our own.

    Args:
        tenant: Its name.

    Raises:
        ImproperlyConfigured: if ``TENANT_CONTEXT`` is not set, or makes another tenant the current one.
    """
    return tenants.made_current(tenant, require_tenant_context(), is_current=lambda: get_config().tenant == tenant)


def for_this_tenant(action: Callable[[], object]) -> Callable[[], None]:
    """Return an action for the end of a transaction, which acts for the tenant that is current now, not then."""
    tenant = get_config().tenant

    def act() -> None:
        is_current = False
        with contextlib.suppress(ImproperlyConfigured):  # there may be no current tenant
            is_current = get_config().tenant == tenant
        with contextlib.nullcontext() if is_current else tenant_context(tenant):
            action()

    return act


def require_tenant_context() -> Callable[..., Any] | str:
    """Return ``TENANT_CONTEXT``.

    Raises:
        ImproperlyConfigured: if it is not set.
    """
    if (source := _load().tenant_context) is None:
        raise ImproperlyConfigured(
            "For threads that read a list, and commits elsewhere, set JWTAUTH['TENANT_CONTEXT'] to a function that "
            "gets the name of a tenant, and returns a context manager in which it is the current one."
        )
    return source


def forget() -> None:
    """Read the settings again when they are next needed. Overriding a setting that matters does this by itself."""
    _load.cache_clear()
    _configs.forget()


def forget_clocks() -> None:
    """Forget how the clock of this process differs from those of the databases."""
    issuer_clock.forget()
    _clocks.forget()


@functools.cache
def _load() -> Config:
    given = Secret(getattr(settings, "JWTAUTH", {}))
    if not isinstance(given.reveal(), Mapping):
        raise InvalidSettingsError([f"JWTAUTH must be a dict, not {type(given.reveal()).__name__}."])
    problems: list[str] = []
    place = Place(name="JWTAUTH", problems=problems)
    config = Config(**read_settings(SETTINGS, given, place, noun="setting", hints=SIMPLE_JWT))
    is_issuer = apps.is_installed("django_jwtauth")
    # A service that issues no tokens does not name itself by ISSUER: it has no audience unless one is given.
    own_audience = config.audience if is_issuer or "AUDIENCE" in given.reveal() else ()
    problems.extend(tenants.problems(config, is_issuer=is_issuer))
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


def _trusted_verifiers(config: Config, own_audience: tuple[str, ...], problems: list[str]) -> dict[str, Verifier]:
    return make_verifiers(
        config.trusted_issuers,
        own_audience=own_audience,
        problems=problems,
        poll_interval=config.revocation_poll_interval,
        max_staleness=config.revocation_max_staleness,
        fail_open=config.revocation_fail_open,
        leeway=config.leeway,
        max_token_length=config.max_token_length,
        cache_size=config.token_cache_size,
    )


def _local_issuer(config: Config, problems: list[str]) -> LocalIssuer | None:
    secrets = secret_keys(problems)
    if not secrets:
        return None  # this is a problem already
    return make_issuer(
        secrets,
        given_keys=config.given_signing_keys,
        make_verifier=lambda keys: Verifier(
            issuer=config.issuer,
            audience=config.audience,
            keys=keys,
            leeway=config.leeway,
            max_lifetime=config.access_token_lifetime,
            max_token_length=config.max_token_length,
            cache_size=config.token_cache_size,
            clock=config.clock,
        ),
    )


def _tenant_config(tenant: str) -> Config:
    """Return the settings of a tenant.

    Raises:
        InvalidSettingsError: if one of its own settings cannot be used.
        ImproperlyConfigured: if ``TENANT_SETTINGS`` fails, or another tenant would accept its tokens.
    """
    shared = _load()
    texts: dict[str, str | tuple[str, ...]] = {"ISSUER": shared.issuer}
    if "AUDIENCE" in getattr(settings, "JWTAUTH", {}):  # else it follows the issuer
        texts["AUDIENCE"] = shared.audience
    given = tenants.own_settings(tenant, shared.tenant_settings, texts)
    problems: list[str] = []
    place = Place(name=f"JWTAUTH, for the tenant {tenant!r},", problems=problems)
    own = read_settings(_OF_TENANT, given, place, noun="setting of a tenant")
    if own["issuer"] in shared.trusted_issuers:
        problems.append(f"JWTAUTH['TRUSTED_ISSUERS'] names {own['issuer']!r}, which is the tenant {tenant!r} itself.")
    if problems:
        raise InvalidSettingsError(problems)
    own["given_signing_keys"] = own["given_signing_keys"] or shared.given_signing_keys
    config = replace(shared, **own, tenant=tenant, clock=_clocks.get(tenant))
    local = make_issuer(
        secret_keys(problems),
        given_keys=config.given_signing_keys,
        # It shares its limits, and its memory for tokens, with the verifiers of all other tenants.
        make_verifier=lambda keys: shared.verifier.variant(
            issuer=config.issuer, audience=config.audience, keys=keys, clock=config.clock
        ),
        tenant=tenant,
    )
    verifiers = {config.issuer: local.verifier}
    for issuer, entry in shared.trusted_issuers.items():
        verifier = shared.verifiers[issuer]
        verifiers[issuer] = verifier if entry.audience else verifier.variant(audience=config.audience)
    config = replace(config, local=local, verifiers=MappingProxyType(verifiers))
    _refuse_shared_identity(config)
    return config


def _refuse_shared_identity(config: Config) -> None:
    """Refuse a tenant that would accept the tokens of another one, as far as this process knows both."""
    if config.given_signing_keys is None:
        return  # derived keys are nobody else's
    thumbprints = {key.thumbprint for key in config.signing_keys}
    for name, other in _configs.items():
        is_namesake = name != config.tenant and other.issuer == config.issuer
        if is_namesake and not thumbprints.isdisjoint(key.thumbprint for key in other.signing_keys):
            raise ImproperlyConfigured(
                f"The tenants {name!r} and {config.tenant!r} have the same issuer {config.issuer!r} and a common key, "
                "so each would accept the other's tokens: let TENANT_SETTINGS return an issuer or keys of their own."
            )


_OF_TENANT = tuple(each for each in SETTINGS if each.key in ("ISSUER", "AUDIENCE", "SIGNING_KEYS"))
"""What ``TENANT_SETTINGS`` may decide."""
_configs = PerTenant(_tenant_config)
_clocks: PerTenant[IssuerClock] = PerTenant(lambda tenant: IssuerClock())


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    if setting in {"JWTAUTH", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "AUTH_USER_MODEL", "INSTALLED_APPS", "USE_TZ"}:
        forget()


setting_changed.connect(_on_setting_changed)
