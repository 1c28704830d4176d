"""Schemathesis makes requests of the schema, good and bad ones, and compares the answers with it."""

import json
import subprocess

import pytest

from tests.tools.well_known import jwtauth

from .provoked import World
from .written import complete

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
LEFT_OUT = (
    "/whoami/|/stateless/"  # views of the tests
    "|/logout/"  # it ends the session of the other requests
    "|/sessions/{id}/"  # where an id is none, Django itself answers
    "|jwt-revocations"  # what is not JSON, it cannot read
)


@pytest.mark.django_db(transaction=True)
def test_each_answer_is_described(settings, live_server, tmp_path):
    none = dict.fromkeys(("login", "login_address", "login_username", "refresh"))
    settings.JWTAUTH = jwtauth("ES256", THROTTLE_RATES=none)
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(complete()))
    token = World().may_introspect().pair.access
    options = {
        "url": live_server.url,
        "header": f"Authorization: Bearer {token}",
        "phases": "coverage,fuzzing",
        "max-examples": "10",
        "checks": ",".join(CHECKS),
        "exclude-path-regex": LEFT_OUT,
    }
    # The same requests each time.
    command = ["schemathesis", "run", file, "--generation-deterministic"]
    command += [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
