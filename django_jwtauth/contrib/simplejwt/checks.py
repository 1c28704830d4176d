"""The system check of the bridge."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from .settings import get_settings


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """The settings can be used."""
    try:
        get_settings()
    except (ImproperlyConfigured, ImportError) as error:
        return [Error(str(error), id="jwtauth_simplejwt.E001")]
    return []
