"""What a process remembers from one test to the next."""

from .. import conf, database, outages, revocation_cache
from .._core import events


def reset_state() -> None:
    """Forget what the process remembers between requests, as if it had just been started.

    That is the revocation list, the throttles' counts, the verified tokens, other issuers' keys and lists, and the
    difference to the database's clock. Django's ``TestCase`` and ``TransactionTestCase`` start each test without the
    first two by themselves. Call this in a fixture of other tests, and where a test changes the tables behind the
    library's back. It is of no use in a server, whose other processes would go on as before.
    """
    database.begin_test_scope()
    revocation_cache.forget()
    conf.forget_clocks()
    conf.forget()
    outages.forget()
    events.forget()
