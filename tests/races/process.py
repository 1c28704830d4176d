"""Another process of the same project: answers questions about tokens, one line of JSON each."""

import json
import os
import pathlib
import sys

import django

django.setup()

from django.db import connections  # noqa: E402  # needs what comes before

from django_jwtauth import sessions, tokens  # noqa: E402
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication  # noqa: E402
from django_jwtauth.errors import InvalidTokenError  # noqa: E402

TRACED = frozenset([tokens.__file__, *map(str, pathlib.Path(sessions.__file__).parent.glob("*.py"))])
COMPLETED, FAILED, KILLED = 0, 1, 9


def refusal(function, token):
    try:
        function(token)
    except InvalidTokenError as error:
        return error.reason
    return ""


def stateless(token):
    return refusal(StatelessJWTAuthentication().authenticate_token, token)


def stateful(token):
    return refusal(JWTAuthentication().authenticate_token, token)


def refresh(token):
    return refusal(sessions.refresh, token)


def die_in_refresh(refresh_tokens):
    """Refresh each token in a process that dies one line of ours later than the one before, until one completes.

    Returns:
        Where each of them died.
    """
    died_at = []
    for number, token in enumerate(refresh_tokens):
        connections.close_all()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                sys.settrace(killer(number, write))
                sessions.refresh(token)
                os._exit(COMPLETED)
            finally:
                os._exit(FAILED)  # it must never go on as the process it was forked from
        os.close(write)
        with os.fdopen(read) as pipe:
            died_at.append(pipe.read())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == COMPLETED:
            return died_at[:-1]
        if status != KILLED:
            raise AssertionError(f"The refresh failed after {number} lines.")
    raise AssertionError("There are more lines than tokens.")


def killer(lines_to_live, pipe):
    executed = 0

    def trace(frame, event, argument):
        nonlocal executed
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            if executed == lines_to_live:
                os.write(pipe, f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}".encode())
                os._exit(KILLED)
            executed += 1
        return trace

    return trace


COMMANDS = {function.__name__: function for function in (stateless, stateful, refresh, die_in_refresh)}

if __name__ == "__main__":
    for line in sys.stdin:
        command, arguments = json.loads(line)
        sys.stdout.write(json.dumps(COMMANDS[command](**arguments)) + "\n")
        sys.stdout.flush()
