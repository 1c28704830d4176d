"""``TRUSTED_ISSUERS``: the issuers whose access tokens are accepted besides this project's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ._core.remote import ASYMMETRIC_ALGORITHMS
from ._core.setting_kinds import BOOLEAN, Duration, OneOrMoreTexts, OrNone, Text, Texts
from ._core.setting_table import Table, setting, settings_of
from .verifier import Verifier

MIN_TIMEOUT = timedelta(milliseconds=100)
MAX_TIMEOUT = timedelta(minutes=1)


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


TRUSTED_ISSUER = Table(settings=settings_of(TrustedIssuer), make=TrustedIssuer)


def make_verifiers(
    entries: Mapping[str, TrustedIssuer], *, own_audience: tuple[str, ...], problems: list[str], **limits: Any
) -> dict[str, Verifier]:
    """Return a verifier for each issuer.

    Args:
        entries: The checked entries of the setting, by issuer.
        own_audience: The audience of those that give none.
        problems: Collects what is wrong.
        limits: Arguments of :class:`~django_jwtauth.verifier.Verifier` that are the same for all.
    """
    verifiers = {}
    for issuer, entry in entries.items():
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
                **limits,
            )
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return verifiers
