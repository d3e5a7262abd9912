"""A schema in one form, so that two spellings of the same promise compare as equal."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

_WORDS: Final = frozenset({"title", "description", "examples", "$schema", "$id", "$defs", "$comment", "deprecated"})
"""Keywords that promise nothing about a value (JSON Schema 2020-12, core 8 and validation 9)."""


def normal(schema: Schema) -> Schema:
    """Return the schema without words, with every `$ref` replaced by what it names and `const` written as `enum`.

    Only references to the schema's own `$defs` occur; models that contain themselves are refused with ValueError.
    """
    return _normal(schema, schema.get("$defs", {}), ())


def _normal(schema: Schema, definitions: dict[str, Schema], inside: tuple[str, ...]) -> Schema:
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        if name in inside:
            msg = f"{name} contains itself; two such schemas cannot be compared"
            raise ValueError(msg)
        return _normal(definitions[name], definitions, (*inside, name))
    kept = {keyword: value for keyword, value in schema.items() if keyword not in _WORDS}
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]

    def one(part: Any) -> Any:
        return _normal(part, definitions, inside) if isinstance(part, dict) else part

    for keyword in ("items", "additionalProperties"):
        if keyword in kept:
            kept[keyword] = one(kept[keyword])
    for keyword in ("prefixItems", "anyOf"):
        if keyword in kept:
            kept[keyword] = [one(part) for part in kept[keyword]]
    if "properties" in kept:
        kept["properties"] = {name: one(part) for name, part in kept["properties"].items()}
    return kept
