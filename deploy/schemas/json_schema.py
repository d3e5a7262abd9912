"""One JSON Schema (2020-12) for each event, in the version that the model states."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from deploy.schemas.examples import examples_of
from deploy.schemas.meanings import meaning
from services.common.events import Event

Schema = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


class _WithoutFieldTitles(GenerateJsonSchema):
    """A title that repeats the field's name says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def version(event: type[Event]) -> int:
    """Return the schema version that the model states."""
    stated = event.model_fields["schema_version"].default
    return int(stated)


def file_name(event: type[Event]) -> str:
    """Return the schema's file name, say `phenotype_call.v1.json`."""
    return f"{_WORD.sub('_', event.__name__).lower()}.v{version(event)}.json"


def json_schema(event: type[Event]) -> Schema:
    """Return the schema that every record of this version satisfies, with descriptions and examples.

    It is pydantic's validation schema: a record that was written before an optional field existed is one too.
    """
    schema = event.model_json_schema(schema_generator=_WithoutFieldTitles)
    _add_patterns(event, schema["properties"])
    for name, model in models(schema):
        _describe(name, model)
    examples = [example.model_dump(mode="json", exclude_none=True) for example in examples_of(event)]
    identity = f"urn:mouse-xray-phenotyping:{file_name(event).removesuffix('.json').replace('.', ':')}"
    return {"$schema": DIALECT, "$id": identity, **schema, "examples": examples}


def models(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield name and schema of the event and of every model inside it, the event first."""
    yield schema["title"], schema
    yield from ((name, model) for name, model in schema.get("$defs", {}).items() if "properties" in model)


def _add_patterns(event: type[Event], properties: dict[str, Schema]) -> None:
    """Add the patterns that stand behind a validator on the model; pydantic leaves those out."""
    for field, information in event.model_fields.items():
        for constraint in information.metadata:
            pattern = getattr(constraint, "pattern", None)
            if pattern is not None and "anyOf" not in properties[field]:
                properties[field]["pattern"] = pattern


def _describe(model: str, schema: Schema) -> None:
    schema["description"] = " ".join(schema["description"].split())
    for field, definition in schema["properties"].items():
        definition.setdefault("description", meaning(model, field))
