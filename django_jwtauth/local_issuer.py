"""The keys of this project as an issuer, those that it is given and those that are derived from ``SECRET_KEY``."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings

from .keys import Key, KeySet, derive_secret
from .secret import Secret
from .verifier import Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalIssuer:
    """What makes this project, or one of its tenants, an issuer: its keys."""

    signing_keys: KeySet
    refresh_keys: KeySet
    throttle_key: bytes = field(repr=False)
    verifier: Verifier


def make_issuer(
    secrets: list[Secret], *, given_keys: KeySet | None, make_verifier: Callable[[KeySet], Verifier], tenant: str = ""
) -> LocalIssuer:
    """Return the issuer that has these keys.

    Args:
        secrets: ``SECRET_KEY`` and its fallbacks.
        given_keys: The keys of access tokens; ``None`` to derive them.
        make_verifier: Makes the verifier of access tokens from their keys.
        tenant: The name of the tenant, if there are tenants. Each has derived keys of its own.
    """
    suffix = f" for tenant {tenant}" if tenant else ""
    signing_keys = given_keys or _derived_keys(secrets, f"access token signing{suffix}")
    return LocalIssuer(
        signing_keys=signing_keys,
        refresh_keys=_derived_keys(secrets, f"refresh token signing{suffix}"),
        throttle_key=derive_secret(secrets[0], f"throttle{suffix}"),
        verifier=make_verifier(signing_keys),
    )


def secret_keys(problems: list[str]) -> list[Secret]:
    """Return ``SECRET_KEY`` and its fallbacks; each counts once.

    Args:
        problems: Collects what is wrong with them.
    """
    given = [Secret(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    # Anybody can derive keys from an empty secret, such as an environment variable that is not set.
    usable = [secret for secret in given if isinstance(secret.reveal(), str | bytes) and secret.reveal()]
    if len(usable) != len(given):
        problems.append("SECRET_KEY and each of SECRET_KEY_FALLBACKS must be str or bytes and not empty.")
    return list({secret.reveal_bytes(): secret for secret in usable}.values())


def _derived_keys(secrets: list[Secret], purpose: str) -> KeySet:
    return KeySet(Key.from_secret(derive_secret(secret, purpose)) for secret in secrets)
