"""Settings of the tests with Sentry's SDK."""

from tests.settings import *  # noqa: F403
