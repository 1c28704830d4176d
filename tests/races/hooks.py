"""A claims hook that lets other things happen between the reading and the writing of a refresh."""

between = []
"""Functions; each refresh that runs hooks calls and removes the first one."""


def interrupt(user, *, request, session):
    if between:
        between.pop(0)()
    return {}
