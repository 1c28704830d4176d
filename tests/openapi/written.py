"""The schema that drf-spectacular writes, and whether an answer is one that it describes."""

import functools
import json

import jsonschema
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings

from tests.tools.docs import FENCE, page, section


def printed(heading):
    """Return the settings that the page prints below a heading."""
    (block,) = FENCE.findall(section(page("docs/openapi.md"), heading).partition("With openapi")[0])
    made = {}
    exec(block, made)
    return made["SPECTACULAR_SETTINGS"]


FOR_CLIENTS = printed("## Generated clients")


def written(patterns=None, **settings):
    """Write the schema, as JSON would give it back.

    Args:
        patterns: Routes; by default those of the settings.
        settings: What differs in ``SPECTACULAR_SETTINGS``.
    """
    with patched_settings(settings):
        return json.loads(json.dumps(SchemaGenerator(patterns=patterns).get_schema(public=True), default=str))


@functools.cache
def complete():
    """Write the schema of the settings."""
    return written()


def operations(schema):
    """Return the operations by their ids; each with its path and method."""
    return {
        operation["operationId"]: {**operation, "path": path, "method": method}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def statuses(schema):
    """Return pairs: the id of an operation of ours, and a status that it answers."""
    return {
        (name, int(status))
        for name, operation in operations(schema).items()
        if name.startswith("jwtauth_")
        for status in operation["responses"]
    }


def assert_described(schema, name, response):
    """Check an answer against the schema: its status, its headers, its media type and its body."""
    described = operations(schema)[name]["responses"]
    assert str(response.status_code) in described, (response.status_code, response.content)
    said = described[str(response.status_code)]
    for header, about in said.get("headers", {}).items():
        assert header in response.headers or not about.get("required"), header
    if not response.content:
        assert "content" not in said
        return
    media_type = response["Content-Type"].partition(";")[0]
    assert media_type in said["content"]
    body = response.content.decode() if media_type == "application/jwt" else json.loads(response.content)
    jsonschema.validate(
        body, as_json_schema({**said["content"][media_type]["schema"], "components": schema["components"]})
    )


def as_json_schema(part):
    """Return a part of an OpenAPI 3.0 schema in the words of JSON Schema, which has no ``nullable``."""
    if isinstance(part, list):
        return [as_json_schema(item) for item in part]
    if not isinstance(part, dict):
        return part
    made = {name: as_json_schema(value) for name, value in part.items()}
    return {**made, "type": [made["type"], "null"]} if made.pop("nullable", False) else made
