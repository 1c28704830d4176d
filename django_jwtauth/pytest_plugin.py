"""Fixtures for pytest. Nothing of Django is imported before a test asks for one of them.

pytest loads this module in each project that has the library installed.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

__all__ = ["jwtauth_async_client", "jwtauth_client", "jwtauth_issuer", "jwtauth_make_token", "jwtauth_reset"]


def _helpers() -> Any:
    return import_module("django_jwtauth.test")


@pytest.fixture
def jwtauth_reset() -> Iterator[None]:
    """Reset the state before and after the test: see :func:`django_jwtauth.test.reset_state`.

    All other fixtures do so too.
    """
    _helpers().reset_state()
    yield
    _helpers().reset_state()


@pytest.fixture
def jwtauth_client(jwtauth_reset: None) -> Any:
    """A :class:`django_jwtauth.test.JWTClient`, signed out."""
    return _helpers().JWTClient()


@pytest.fixture
def jwtauth_async_client(jwtauth_reset: None) -> Any:
    """A :class:`django_jwtauth.test.AsyncJWTClient`, signed out."""
    return _helpers().AsyncJWTClient()


@pytest.fixture
def jwtauth_make_token(jwtauth_reset: None) -> Callable[..., str]:
    """The function :func:`django_jwtauth.test.make_token`."""
    return _helpers().make_token  # type: ignore[no-any-return]


@pytest.fixture
def jwtauth_issuer(jwtauth_reset: None) -> Iterator[Any]:
    """A :class:`django_jwtauth.test.Issuer`: the one that ``TRUSTED_ISSUERS`` names."""
    trusted = import_module("django_jwtauth.conf").get_config().trusted_issuers
    if len(trusted) != 1:
        pytest.fail("jwtauth_issuer needs exactly one issuer in TRUSTED_ISSUERS; else use django_jwtauth.test.Issuer.")
    with _helpers().Issuer(*trusted) as issuer:
        yield issuer
