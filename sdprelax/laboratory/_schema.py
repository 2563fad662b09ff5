"""The JSON Schema of a user's file, for editors that complete and check YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_type_hints

import pydantic

from sdprelax.base import Registry
from sdprelax.laboratory._entries import takes_list

__all__ = ["Family", "file_schema"]

# A key, the entries it may name, and whether it takes a list of them whose options have grids.
Family = tuple[str, Registry[Any], bool]


def file_schema(model: type[pydantic.BaseModel], families: Sequence[Family], title: str) -> dict[str, Any]:
    """Return the JSON Schema of a file whose top level is ``model``, every registered name and option included."""
    found = model.model_json_schema()
    definitions = found.setdefault("$defs", {})
    properties = found["properties"]
    properties["include"] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "files whose keys stand here unless this file has them",
    }
    found["required"] = []  # an included file may have them
    for key, registry, grid in families:
        names = list(registry)
        options = {name: _options_schema(registry, name, definitions, grid=grid) for name in names}
        required = {name: any(option.required for option in registry.options(name)) for name in names}
        entry = {
            "anyOf": [
                {"enum": [name for name in names if not required[name]]},
                {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False,
                 "properties": options},
            ]
        }  # fmt: skip
        description = properties[key]["description"]
        properties[key] = {"type": "array", "minItems": 1, "items": entry} if grid else dict(entry)
        properties[key]["description"] = description
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = title
    return found


def _options_schema(registry: Registry[Any], name: str, definitions: dict[str, Any], *, grid: bool) -> dict[str, Any]:
    written = pydantic.TypeAdapter(registry[name]).json_schema()
    definitions.update(written.pop("$defs", {}))
    properties = written.get("properties", {})
    hints = get_type_hints(registry[name])
    for option, value in properties.items():
        if grid and not takes_list(hints[option]):
            value.pop("title", None)
            properties[option] = {"anyOf": [value, {"type": "array", "minItems": 1, "items": value}]}
    found = {"type": ["object", "null"], "additionalProperties": False, "properties": properties}
    found["description"] = registry.summary(name)
    if written.get("required"):
        found["required"] = written["required"]
    return found
