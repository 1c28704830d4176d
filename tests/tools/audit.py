"""What the audit log tells."""

import json

from django_jwtauth._core.events import PREFIX
from django_jwtauth.keys import b64url_encode

LOGGER = "django_jwtauth.security"


def fields_of(record):
    """Return the fields of a log record, without the prefix of their names."""
    return {name.removeprefix(PREFIX): value for name, value in vars(record).items() if name.startswith(PREFIX)}


def told(caplog):
    """Return the fields of what was told since this was last asked. What is empty is left out."""
    records = [record for record in caplog.records if record.name == LOGGER]
    assert all(record.jwtauth_event for record in records)
    caplog.clear()
    return [{name: value for name, value in fields_of(record).items() if value != ""} for record in records]


def header(kid):
    """Return the first segment of an access token that names a key."""
    return b64url_encode(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": kid}).encode())
