"""Decides whether a password is enough to sign a user in, or what else is needed.

The setting ``SIGN_IN_CHALLENGE`` decides. Without it, the packages that are installed beside us are asked, so that our
sign-in does not admit users whom theirs would stop. They are imported only when they are asked.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.module_loading import import_string

from . import conf
from .claims import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What an installed package demands of a sign-in in addition to the password."""

    name: str
    """The package, for people who read a check."""
    app: str
    """The entry in ``INSTALLED_APPS``."""
    reason: str
    """Why a password is not enough, for programs."""
    is_on: Callable[[], bool]
    """Tells whether the settings of the package demand it."""
    stops: Callable[[Any], bool]
    """Tells whether the package would stop this user."""


def challenge(user: AbstractBaseUser, *, request: HttpRequest) -> Mapping[str, Any] | None:
    """Return what is needed in addition to the password, or ``None`` if the password is enough.

    Args:
        user: The user whose password was right.
        request: The request of the sign-in.

    Raises:
        TypeError: if the function of the setting returns anything else. A wrong answer admits nobody.
    """
    source = conf.get_config().sign_in_challenge
    if source is None:
        stopping = next((guard for guard in installed_guards() if guard.stops(user)), None)
        return None if stopping is None else {"reason": stopping.reason}
    function = load(source) if isinstance(source, str) else source
    needed: Any = function(user, request=request)
    if needed is not None and not isinstance(needed, Mapping):
        kind = type(needed).__name__
        raise TypeError(f"JWTAUTH['SIGN_IN_CHALLENGE'] must return a mapping, or None for no challenge, not {kind}.")
    return needed


def installed_guards() -> Iterator[Guard]:
    """Yield the guards whose package is installed and whose settings demand something."""
    installed = {app.name for app in apps.get_app_configs()}
    return (guard for guard in GUARDS if guard.app in installed and guard.is_on())


def _always() -> bool:
    return True


def _has_authenticator(user: Any) -> bool:
    return bool(import_string("allauth.mfa.adapter.get_adapter")().is_mfa_enabled(user))


def _verification_is_mandatory() -> bool:
    return getattr(settings, "ACCOUNT_EMAIL_VERIFICATION", "") in ("mandatory", True)  # True is its older spelling


def _has_no_verified_address(user: Any) -> bool:
    addresses = import_string("allauth.account.models.EmailAddress").objects
    return not addresses.filter(user_id=user.pk, verified=True).exists()


def _code_is_required() -> bool:
    required = getattr(settings, "ACCOUNT_LOGIN_BY_CODE_REQUIRED", False)
    return required if isinstance(required, bool) else "password" in required


def _everybody(user: Any) -> bool:
    return True


def _phone_is_asked_for() -> bool:
    return any(field.rstrip("*") == "phone" for field in _signup_fields())


def _lacks_phone(user: Any) -> bool:
    phone = import_string("allauth.account.adapter.get_adapter")().get_phone(user)
    if phone is None:
        return "phone*" in _signup_fields()
    _number, is_verified = phone
    return not is_verified and getattr(settings, "ACCOUNT_PHONE_VERIFICATION_ENABLED", True)


def _signup_fields() -> list[str]:
    return getattr(settings, "ACCOUNT_SIGNUP_FIELDS", None) or []


def _has_device(user: Any) -> bool:
    return bool(import_string("django_otp.user_has_device")(user))


_ALLAUTH = "allauth.account"
GUARDS = (
    Guard(name="allauth.mfa", app="allauth.mfa", reason="second_factor", is_on=_always, stops=_has_authenticator),
    Guard(
        name="the mandatory email verification of allauth",
        app=_ALLAUTH,
        reason="unverified_address",
        is_on=_verification_is_mandatory,
        stops=_has_no_verified_address,
    ),
    Guard(
        name="the phone verification of allauth",
        app=_ALLAUTH,
        reason="unverified_phone",
        is_on=_phone_is_asked_for,
        stops=_lacks_phone,
    ),
    Guard(
        name="the sign-in code that allauth requires",
        app=_ALLAUTH,
        reason="second_factor",
        is_on=_code_is_required,
        stops=_everybody,
    ),
    # django-two-factor-auth keeps its devices there, too.
    Guard(name="django-otp", app="django_otp", reason="second_factor", is_on=_always, stops=_has_device),
)
"""In the order in which they are asked."""
