"""Makes functions that query the database callable from coroutines."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

P = ParamSpec("P")
R = TypeVar("R")


def asynchronous(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return a function for coroutines that does the same in the thread in which Django's ORM runs.

    Django's own asynchronous queries run in that thread too, so they share its connection and its transactions.

    The function runs there as a whole. If the coroutine is cancelled, for example because the client has disconnected,
    the function either has not begun, and nothing happens, or it has begun, and runs to its end.

    Args:
        function: The function. The new name begins with an ``a``, as Django's own do.
    """
    run = sync_to_async(function, thread_sensitive=True)

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await run(*args, **kwargs)

    call.__name__ = call.__qualname__ = f"a{function.__name__}"
    call.__doc__ = f"Do the same as :func:`{function.__name__}`, for coroutines: without stopping the event loop."
    return call
