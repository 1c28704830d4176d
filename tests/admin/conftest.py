"""An operator's browser."""

import pytest

from tests.tools.admin import browser, superuser


@pytest.fixture
def client(db):
    return browser(superuser())
