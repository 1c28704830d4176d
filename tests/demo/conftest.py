"""The environment in which the example runs."""

import os

import pytest

from django_jwtauth.keys import Key
from tests.tools.demo import READ_BY_EXAMPLE


@pytest.fixture
def environment(tmp_path):
    """The environment without what the tests' own settings put there, and with a database of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(READ_BY_EXAMPLE)}
    return {**inherited, "DEMO_DATABASE": str(tmp_path / "demo.sqlite3"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def production(environment, tmp_path):
    """The environment with all that the example must be told once debugging is off."""
    (tmp_path / "key.pem").write_text(Key.generate("ES256").private_pem())
    return {
        **environment,
        "DJANGO_DEBUG": "0",
        "DJANGO_SECRET_KEY": "a-secret-of-ones-own-that-nobody-else-knows-0123456789",
        "DEMO_ISSUER": "https://orders.example.com",
        "DEMO_SIGNING_KEY_FILE": str(tmp_path / "key.pem"),
    }
