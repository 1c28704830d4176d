import pytest

from tests.tools.scopes import jwtauth, state


@pytest.fixture
def configure(settings):
    def configure(**more):
        settings.JWTAUTH = jwtauth(**more)

    configure()
    yield configure
    state.clear()
