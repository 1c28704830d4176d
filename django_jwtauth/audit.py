"""What log records say to programs: the same extra fields in every record, with names that do not change."""

from typing import Any


def fields(
    event: str, *, session: object = None, user: object = None, reason: object = None, address: object = None
) -> dict[str, Any]:
    """Return the ``extra`` of a log record of ``django_jwtauth.security``. What is not known is empty.

    Args:
        event: What happened, as the documentation lists it.
        session: The id of the session.
        user: The primary key of the user.
        reason: Why.
        address: The address of the client.
    """
    values = {"session": session, "user": user, "reason": reason, "address": address}
    return {"event": event, **{name: "" if value is None else str(value) for name, value in values.items()}}
