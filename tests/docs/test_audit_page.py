"""The page on the audit log has each event with its fields, as the code has them."""

import logging
import re

from django_jwtauth._core import events
from tests.tools.docs import first_words, page, rows, section

PAGE = page("docs/audit.md")
VOCABULARY = {  # the names of OWASP's logging vocabulary that fit here
    *("authn_login_success", "authn_login_fail", "authn_token_reuse", "authn_token_revoked", "authz_admin"),
    *("excess_rate_limit_exceeded", "malicious_cors"),
    *("session_created", "session_renewed", "session_expired", "session_use_after_expire"),
}


def table():
    """Return the rows of the table of events, without the words that only it has."""
    found = [cells for cells in rows(section(PAGE, "## Events")) if cells[0].startswith("`")]
    return {name.strip("`"): (level.strip("`"), fields) for name, level, _what, fields, _owasp in found}


def test_the_table_has_each_event_with_its_level_and_fields():
    assert table() == {
        event.name: (logging.getLevelName(event.level), ", ".join(f"`{field}`" for field in event.fields))
        for event in events.EVENTS.values()
    }
    assert list(table()) == list(events.EVENTS)


def test_the_names_in_the_last_column_are_those_of_owasp():
    names = [cells[4].strip("| `") for cells in rows(section(PAGE, "## Events"))[1:]]
    assert {name for name in names if name} == VOCABULARY


def test_each_field_is_explained():
    known = {"event", "tenant"}.union(*(event.fields for event in events.EVENTS.values()))
    explained = first_words(section(PAGE, "## Fields"))
    assert sorted(explained) == sorted(known)
    assert f"`record.{events.PREFIX}event`" in PAGE
    assert f"no value is longer than {events.MAX_LENGTH} characters" in " ".join(PAGE.split())
    assert {"count"} == events.NUMBERS


def test_what_is_limited_is_said():
    limited = " ".join(cells[0] for cells in rows(section(PAGE, "## How much it is")))
    assert set(re.findall(r"`(\w+)`", limited)) == {
        *("unknown_key", "secret_key_unknown", "database_unavailable", "cache_unavailable"),
        *("keys_unavailable", "revocations_unavailable", "revocations_unreadable"),
    }
    assert events.SECONDS_BETWEEN == 60
