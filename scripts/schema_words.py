"""A JSON Schema in words of Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]


def link(name: str) -> str:
    """To the shape of a name, further down the page."""
    return f"[{name}](#{name.lower()})"


def kind(schema: Json) -> str:
    """What values there may be, in words."""
    if "$ref" in schema:
        return link(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(kind(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    json_type = str(schema.get("type", "anything"))
    if json_type == "array" and "prefixItems" in schema:
        return "list of " + ", ".join(kind(item) for item in schema["prefixItems"])
    if json_type == "array":
        return f"list of {kind(schema.get('items', {}))}"
    return json_type + "".join(_bounds(schema))


def _bounds(schema: Json) -> Iterator[str]:
    if schema.get("format") == "binary":
        yield ", a file"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        yield f", {low} to {high}"
    elif low is not None:
        yield f", {low} or more"
    elif "exclusiveMinimum" in schema:
        yield f", above {schema['exclusiveMinimum']}" + (f" to {high}" if high is not None else "")
    if "maxLength" in schema:
        yield f", at most {schema['maxLength']} characters"
    if "pattern" in schema:
        yield f", `{schema['pattern']}`"
    if schema.get("format") == "date-time":
        yield ", RFC 3339"


def default(schema: Json) -> str:
    return f"`{json.dumps(schema['default'])}`" if schema.get("default") is not None else ""
