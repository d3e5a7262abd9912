"""The differences between two editions of a schema that break a reader or an old record.

Records stay on a topic for years, and readers keep the schema that they were built with. Within one schema version
every old record must therefore satisfy the new schema, and every new record the old schema. A new optional field is
compatible, because unknown fields are ignored.

`normal` brings both schemas into one form, so that two spellings of the same promise compare as equal. `breaks` then
compares them keyword by keyword.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

Direction = Literal["narrowed", "widened"]


def _least(before: float | None, after: float | None) -> Direction:
    return "narrowed" if after is not None and (before is None or after > before) else "widened"


def _most(before: float | None, after: float | None) -> Direction:
    return "narrowed" if after is not None and (before is None or after < before) else "widened"


LIMITS: Final[dict[str, Callable[[float | None, float | None], Direction]]] = {
    "minimum": _least,
    "exclusiveMinimum": _least,
    "minLength": _least,
    "minItems": _least,
    "minProperties": _least,
    "maximum": _most,
    "exclusiveMaximum": _most,
    "maxLength": _most,
    "maxItems": _most,
    "maxProperties": _most,
}
"""By keyword, the direction of a change between two different values. None is no limit."""


def allowed(schema: Schema, keyword: str) -> frozenset[str] | None:
    """Return the values of `type` or `enum` as JSON texts, or None if all are allowed. An integer is also a number."""
    value = schema.get(keyword)
    if value is None:
        return None
    values = {json.dumps(one) for one in (value if isinstance(value, list) else [value])}
    if keyword == "type" and '"number"' in values:
        values.add('"integer"')
    return frozenset(values)


Schema = dict[str, Any]

_ANNOTATIONS: Final = frozenset(
    {"title", "description", "examples", "$schema", "$id", "$defs", "$comment", "deprecated"}
)
"""Keywords that do not constrain a value (JSON Schema 2020-12, core 8 and validation 9)."""


def normal(schema: Schema) -> Schema:
    """Return the schema without annotations, with every `$ref` resolved and `const` written as `enum`.

    References point to the schema's own `$defs`. Raises ValueError for a model that contains itself.
    """
    return _normal(schema, schema.get("$defs", {}), ())


def _normal(schema: Schema, definitions: dict[str, Schema], inside: tuple[str, ...]) -> Schema:
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        if name in inside:
            msg = f"{name} contains itself, so the schemas cannot be compared"
            raise ValueError(msg)
        return _normal(definitions[name], definitions, (*inside, name))
    kept = {keyword: value for keyword, value in schema.items() if keyword not in _ANNOTATIONS}
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


class ChangeKind(StrEnum):
    """How a field changed.

    `removed`, `required` and `narrowed` make valid old records invalid. `widened` allows records that readers of the
    old schema refuse. `changed` may do both.
    """

    REMOVED = "removed"
    REQUIRED = "required"
    NARROWED = "narrowed"
    WIDENED = "widened"
    CHANGED = "changed"


@dataclass(frozen=True, order=True)
class Break:
    """One difference. `path` names the field, with `[]` for the items of an array and `*` for any other key."""

    path: str
    kind: ChangeKind
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'value'}: {self.kind} ({self.message})"


_CHILDREN: Final = frozenset({"properties", "required", "items", "prefixItems", "additionalProperties", "anyOf"})


def breaks(old: Schema, new: Schema) -> list[Break]:
    """Return the promises of `old` that `new` breaks, by path. New optional fields and descriptions break none."""
    return sorted(_value("", normal(old), normal(new)))


def _value(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    if old == new:
        return
    if "anyOf" in old or "anyOf" in new:
        yield from _alternatives(path, old, new)
        return
    yield from _types(path, old, new)
    yield from _keywords(path, old, new)
    yield from _fields(path, old, new)
    yield from _contents(path, old, new)


def _alternatives(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    """Compare the one alternative to null on both sides. Other alternatives must be equal."""
    before, after = _split(old), _split(new)
    if before is None or after is None:
        if old != new:
            yield Break(path, ChangeKind.CHANGED, "the alternatives differ")
        return
    if before[1] != after[1]:
        yield Break(
            path,
            ChangeKind.WIDENED if after[1] else ChangeKind.NARROWED,
            f"null is {'now' if after[1] else 'not'} allowed",
        )
    yield from _value(path, before[0], after[0])


def _split(schema: Schema) -> tuple[Schema, bool] | None:
    """Return the schema of values other than null, and whether null is allowed. None if there are several schemas."""
    rest = {keyword: value for keyword, value in schema.items() if keyword != "anyOf"}
    options = schema.get("anyOf", [{}])
    others = [option for option in options if option.get("type") != "null"]
    return ({**others[0], **rest}, len(others) < len(options)) if len(others) == 1 else None


def _types(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    for what, before, after in (
        ("types", allowed(old, "type"), allowed(new, "type")),
        ("values", allowed(old, "enum"), allowed(new, "enum")),
    ):
        if before == after:
            continue
        message = f"the {what} were {_listed(before)}, are {_listed(after)}"
        if before is None or (after is not None and after < before):
            yield Break(path, ChangeKind.NARROWED, message)
        elif after is None or before < after:
            yield Break(path, ChangeKind.WIDENED, message)
        else:
            yield Break(path, ChangeKind.CHANGED, message)


def _keywords(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    for keyword in sorted((old.keys() | new.keys()) - _CHILDREN - {"type", "enum"}):
        before, after = old.get(keyword), new.get(keyword)
        if before == after and (keyword in old) == (keyword in new):
            continue
        message = f"{keyword} was {before!r}, is {after!r}"
        yield Break(
            path, ChangeKind(LIMITS[keyword](before, after)) if keyword in LIMITS else ChangeKind.CHANGED, message
        )


def _fields(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
    for name in before.keys() - after.keys():
        yield Break(_joined(path, name), ChangeKind.REMOVED, "removed, or renamed")
    for name in needed_after - needed_before:
        yield Break(_joined(path, name), ChangeKind.REQUIRED, "older records do not have it")
    for name in (needed_before - needed_after) & after.keys():
        yield Break(_joined(path, name), ChangeKind.WIDENED, "was required, can be absent now")
    for name in before.keys() & after.keys():
        yield from _value(_joined(path, name), before[name], after[name])


def _contents(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    yield from _value_or_any(f"{path}[]", old.get("items"), new.get("items"))
    before, after = old.get("prefixItems", []), new.get("prefixItems", [])
    if len(before) != len(after):
        yield Break(path, ChangeKind.CHANGED, f"had {len(before)} fixed positions, has {len(after)}")
    for position, (one, other) in enumerate(zip(before, after, strict=False)):
        yield from _value(f"{path}[{position}]", one, other)
    extra = [schema.get("additionalProperties", True) for schema in (old, new)]
    yield from _value_or_any(_joined(path, "*"), *extra)


def _value_or_any(path: str, old: Any, new: Any) -> Iterator[Break]:
    """Compare two schemas that may be absent or true (everything is valid) or false (nothing is)."""
    if old is False or new is False:
        if old is not new:
            yield Break(path, ChangeKind.NARROWED if new is False else ChangeKind.WIDENED, f"was {old!r}, is {new!r}")
        return
    yield from _value(path, old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {})


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _listed(values: frozenset[str] | None) -> str:
    return "any" if values is None else ", ".join(sorted(values))
