"""Both packages that hold the clock in tests, and a database for test cases of Django."""

import pytest

# pytest has them from the entry point where the library is installed as it stands here.
from django_jwtauth.pytest_plugin import *  # noqa: F403
from tests.tools.travel import TRAVELS


@pytest.fixture(params=TRAVELS)
def travel(request):
    return TRAVELS[request.param]


@pytest.fixture
def real_database(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        yield
