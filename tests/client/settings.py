"""Settings for the tests that need node and npm."""

from tests.settings import *  # noqa: F403
