"""Which changes break a schema version and which do not, property by property."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from deploy.schemas.compatibility import ChangeKind, breaks
from deploy.schemas.contract import schemas
from deploy.schemas.json_schema import Schema

SCHEMAS = schemas()
FIELDS = [(name, field) for name, schema in SCHEMAS.items() for field in schema["properties"]]
OLD: Schema = {
    "$defs": {"Part": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}},
    "type": "object",
    "description": "Words.",
    "properties": {
        "version": {"const": 1, "type": "integer", "default": 1},
        "name": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^a"},
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "view": {"enum": ["DV", "LAT"], "type": "string"},
        "note": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}], "default": None},
        "part": {"$ref": "#/$defs/Part", "description": "More text."},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "minItems": 2},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "string"}]},
        "scores": {"type": "object", "additionalProperties": {"type": "number"}},
        "many": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    },
    "required": ["name", "part"],
}


def changed(edit: Callable[[Schema], Any], old: Schema = OLD) -> list[tuple[str, ChangeKind]]:
    new = copy.deepcopy(old)
    edit(new)
    return [(one.path, one.kind) for one in breaks(old, new)]


def put(path: str, keyword: str, value: Any) -> Callable[[Schema], Any]:
    def edit(schema: Schema) -> None:
        part: Any = schema
        for step in path.split("/"):
            part = part[int(step) if step.isdigit() else step]
        if value is ...:
            del part[keyword]
        else:
            part[keyword] = value

    return edit


HARMLESS = {
    "nothing": lambda schema: None,
    "an optional field": put("properties", "more", {"type": "string"}),
    "an optional field with a default": put("properties", "more", {"type": "integer", "default": 0}),
    "an optional field of a part": put("$defs/Part/properties", "more", {"type": "string"}),
    "another description": put("properties/name", "description", "A better text."),
    "a title": put("properties/name", "title", "Name"),
    "an example": put("properties/name", "examples", ["abc"]),
    "the order of required fields": lambda schema: schema["required"].reverse(),
    "another spelling of a constant": lambda schema: schema["properties"].update(
        version={"enum": [1], "type": "integer", "default": 1}
    ),
    "a part written out": lambda schema: schema["properties"].update(part=copy.deepcopy(OLD["$defs"]["Part"])),
}


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS.keys())
def test_compatible_change(edit: Callable[[Schema], Any]) -> None:
    assert changed(edit) == []


BREAKING: list[tuple[Callable[[Schema], Any], str, ChangeKind]] = [
    (put("properties", "share", ...), "share", ChangeKind.REMOVED),
    (put("$defs/Part/properties", "size", ...), "part.size", ChangeKind.REMOVED),
    (lambda schema: schema["required"].append("share"), "share", ChangeKind.REQUIRED),
    (lambda schema: schema["required"].remove("name"), "name", ChangeKind.WIDENED),
    (put("properties/name", "minLength", 2), "name", ChangeKind.NARROWED),
    (put("properties/name", "minLength", 0), "name", ChangeKind.WIDENED),
    (put("properties/name", "minLength", ...), "name", ChangeKind.WIDENED),
    (put("properties/name", "maxLength", 63), "name", ChangeKind.NARROWED),
    (put("properties/name", "maxLength", 65), "name", ChangeKind.WIDENED),
    (put("properties/name", "maxLength", ...), "name", ChangeKind.WIDENED),
    (put("properties/name", "pattern", "^b"), "name", ChangeKind.CHANGED),
    (put("properties/name", "pattern", ...), "name", ChangeKind.CHANGED),
    (put("properties/name", "format", "date-time"), "name", ChangeKind.CHANGED),
    (put("properties/name", "default", "anonymous"), "name", ChangeKind.CHANGED),
    (put("properties/name", "type", "integer"), "name", ChangeKind.CHANGED),
    (put("properties/name", "type", ...), "name", ChangeKind.WIDENED),
    (put("properties/share", "type", "integer"), "share", ChangeKind.NARROWED),
    (put("properties/share", "type", ["number", "string"]), "share", ChangeKind.WIDENED),
    (put("properties/share", "minimum", 0.1), "share", ChangeKind.NARROWED),
    (put("properties/share", "minimum", -1), "share", ChangeKind.WIDENED),
    (put("properties/share", "maximum", 0.9), "share", ChangeKind.NARROWED),
    (put("properties/share", "maximum", 2), "share", ChangeKind.WIDENED),
    (put("properties/share", "exclusiveMaximum", 1), "share", ChangeKind.NARROWED),
    (put("properties/version", "const", 2), "version", ChangeKind.CHANGED),
    (put("properties/version", "default", 2), "version", ChangeKind.CHANGED),
    (put("properties/view", "enum", ["DV"]), "view", ChangeKind.NARROWED),
    (put("properties/view", "enum", ["DV", "LAT", "skull"]), "view", ChangeKind.WIDENED),
    (put("properties/view", "enum", ["DV", "lateral"]), "view", ChangeKind.CHANGED),
    (put("properties/view", "enum", ...), "view", ChangeKind.WIDENED),
    (put("properties/share", "enum", [0, 1]), "share", ChangeKind.NARROWED),
    (put("properties", "note", {"type": "string", "maxLength": 9, "default": None}), "note", ChangeKind.NARROWED),
    (put("properties", "view", {"anyOf": [OLD["properties"]["view"], {"type": "null"}]}), "view", ChangeKind.WIDENED),
    (put("properties/note/anyOf/0", "maxLength", 8), "note", ChangeKind.NARROWED),
    (put("properties/note", "default", "none"), "note", ChangeKind.CHANGED),
    (put("properties/many", "anyOf", [{"type": "string"}, {"type": "number"}]), "many", ChangeKind.CHANGED),
    (put("properties/parts", "minItems", 3), "parts", ChangeKind.NARROWED),
    (put("properties/parts", "items", {"type": "string"}), "parts[]", ChangeKind.CHANGED),
    (put("properties/parts", "items", ...), "parts[]", ChangeKind.WIDENED),
    (put("properties/pair/prefixItems/1", "type", "integer"), "pair[1]", ChangeKind.CHANGED),
    (put("properties/pair", "prefixItems", [{"type": "string"}]), "pair", ChangeKind.CHANGED),
    (put("properties/scores", "additionalProperties", {"type": "integer"}), "scores.*", ChangeKind.NARROWED),
    (put("properties/scores", "additionalProperties", ...), "scores.*", ChangeKind.WIDENED),
    (lambda schema: schema.update(additionalProperties=False), "*", ChangeKind.NARROWED),
]


@pytest.mark.parametrize(("edit", "path", "kind"), BREAKING)
def test_breaking_change(edit: Callable[[Schema], Any], path: str, kind: ChangeKind) -> None:
    assert (path, kind) in changed(edit)


def test_a_renamed_field_counts_as_removed() -> None:
    def rename(schema: Schema) -> None:
        schema["properties"]["portion"] = schema["properties"].pop("share")

    assert changed(rename) == [("share", ChangeKind.REMOVED)]


def test_a_change_in_a_part_is_found_wherever_the_part_is_used() -> None:
    found = changed(put("$defs/Part/properties/size", "minimum", 0))
    assert found == [("part.size", ChangeKind.NARROWED), ("parts[].size", ChangeKind.NARROWED)]


def test_a_model_that_contains_itself_is_refused() -> None:
    endless = {"$defs": {"Part": {"properties": {"part": {"$ref": "#/$defs/Part"}}}}, "$ref": "#/$defs/Part"}
    with pytest.raises(ValueError, match="Part contains itself"):
        breaks(endless, endless)


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_no_field_of_an_event_can_be_removed_or_take_other_values(name: str, field: str) -> None:
    old = SCHEMAS[name]
    assert (field, ChangeKind.REMOVED) in changed(put("properties", field, ...), old)
    assert any(
        path.split(".")[0].split("[")[0] == field
        for path, _ in changed(put("properties", field, {"type": "string", "enum": ["one value"]}), old)
    )


@pytest.mark.parametrize(
    ("name", "field"), [one for one in FIELDS if one[1] not in SCHEMAS[one[0]].get("required", [])]
)
def test_no_optional_field_of_an_event_can_be_required(name: str, field: str) -> None:
    assert changed(lambda schema: schema["required"].append(field), SCHEMAS[name]) == [(field, ChangeKind.REQUIRED)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_event_may_get_an_optional_field(name: str) -> None:
    assert changed(put("properties", "more", {"type": "string", "default": ""}), SCHEMAS[name]) == []
