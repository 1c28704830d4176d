"""Settings of the tests themselves: ``pytest --ds=tests.browser.settings tests/browser``.

The server that they test is the example, in processes of its own: see ``served.py``.
"""

from tests.settings import *  # noqa: F403
