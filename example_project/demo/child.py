"""Serve with the settings named in the environment, for as long as the parent process lives.

``python -m example_project.demo.child ADDRESS:PORT``, with a pipe as standard input: it closes when the parent process
ends, however that ends.
"""

import os
import signal
import sys
import threading

from django.core.management import execute_from_command_line


def _end_with_parent() -> None:
    while os.read(0, 1024):  # not sys.stdin: a thread waiting in it would block the exit
        pass
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    execute_from_command_line([sys.argv[0], "runserver", "--noreload", *sys.argv[1:]])
