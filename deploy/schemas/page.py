"""The tables of docs/contracts.md: they stand between two comments, the text around them is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from deploy.schemas.channels import Channel, channel_of
from deploy.schemas.json_schema import Schema, file_name, json_schema, models
from services.common.topics import TOPICS

PAGE: Final = Path(__file__).parents[2] / "docs" / "contracts.md"
BEGIN: Final = "<!-- made by `python -m deploy.schemas`: begin -->"
END: Final = "<!-- made by `python -m deploy.schemas`: end -->"


def page() -> str:
    """Return the page with its tables made anew; raises ValueError when a comment is missing."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        msg = f"{PAGE.name} must contain the lines {BEGIN} and {END}"
        raise ValueError(msg)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def tables() -> str:
    """Return the list of topics, then each topic with its fields."""
    channels = [channel_of(topic) for topic in TOPICS]
    rows = [
        f"| [`{channel.topic.name}`](#{_anchor(channel)}) | {channel.topic.event.__name__} | {channel.key} "
        f"| {channel.policy} | {channel.written_by} | {channel.read_by} |"
        for channel in channels
    ]
    head = ("| topic | event | key | kept | written by | read by |", "| --- | --- | --- | --- | --- | --- |")
    return "\n".join((*head, *rows, *(line for channel in channels for line in _section(channel))))


def _anchor(channel: Channel) -> str:
    return channel.topic.name.replace(".", "")


def _section(channel: Channel) -> Iterator[str]:
    event = channel.topic.event
    schema = json_schema(event)
    name = file_name(event)
    yield from ("", f"### {channel.topic.name}", "")
    yield f"{event.__name__}, [`{name}`](../deploy/schemas/json/{name}). {schema['description']}"
    yield from ("", f"**Twice the same.** {channel.duplicates}", "", f"**Reading.** {channel.reading}", "")
    yield from ("| field | type | required | meaning |", "| --- | --- | --- | --- |")
    for owner, model in models(schema):
        prefix = "" if owner == schema["title"] else f"{owner}."
        for field, definition in model["properties"].items():
            needed = "yes" if field in model.get("required", ()) else ""
            yield f"| `{prefix}{field}` | {_type(definition)} | {needed} | {definition['description']} |"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1].replace("JsonValue", "any JSON")
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_items(schema)}"
    if schema.get("type") == "object":
        return f"object of {_type(schema.get('additionalProperties', {}))}"
    return _limited(schema)


def _items(schema: Schema) -> str:
    if "prefixItems" in schema:
        return ", ".join(_type(one) for one in schema["prefixItems"])
    least, most = schema.get("minItems"), schema.get("maxItems")
    number = "" if least is None else f"{least} " if least == most else f"at least {least} "
    return number + _type(schema.get("items", {}))


_NAMES: Final = {"date-time": "RFC 3339 time"}


def _limited(schema: Schema) -> str:
    limits = [
        f"{sign} {schema[keyword]}" for keyword, sign in (("minimum", "≥"), ("maximum", "≤")) if keyword in schema
    ]
    if "maxLength" in schema:
        limits.append(f"{schema.get('minLength', 0)} to {schema['maxLength']} characters")
    if "pattern" in schema:
        limits.append(f"`{schema['pattern'].replace('|', chr(92) + '|')}`")
    name: Any = _NAMES.get(schema.get("format", ""), schema.get("type", "any JSON"))
    return f"{name} {', '.join(limits)}".strip()
