"""``manage.py demo``, for as long as whoever started it lives: ``python -m tests.browser.serve --port NUMBER …``.

Its standard input is a pipe, which closes when the other process ends, whatever way that ends.
"""

import os
import signal
import sys
import threading

from django.core.management import execute_from_command_line


def _end_with_parent():
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # the demo ends by it in order, with the services it has started


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    execute_from_command_line(["manage.py", "demo", *sys.argv[1:]])
