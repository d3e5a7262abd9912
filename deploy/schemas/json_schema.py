"""One JSON Schema (2020-12) per event, for the schema version of the model."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from deploy.schemas.examples import examples_of
from services.common.events import Event

Schema = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


class _WithoutFieldTitles(GenerateJsonSchema):
    """Omits field titles, which only repeat the name of the field."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def version(event: type[Event]) -> int:
    """Return the schema version of the model."""
    return int(event.model_fields["schema_version"].default)


def file_name(event: type[Event]) -> str:
    """Return the file name of the schema, for example `phenotype_call.v1.json`."""
    return f"{_WORD.sub('_', event.__name__).lower()}.v{version(event)}.json"


def json_schema(event: type[Event]) -> Schema:
    """Return the schema that every record of this version satisfies, with descriptions and examples.

    It is pydantic's validation schema, so a record that was written before an optional field existed is valid too.
    Raises LookupError if a field has no description or the event has no example.
    """
    schema = event.model_json_schema(schema_generator=_WithoutFieldTitles)
    _add_patterns(event, schema["properties"])
    for name, model in models(schema):
        _check_descriptions(name, model)
    examples = [example.model_dump(mode="json", exclude_none=True) for example in examples_of(event)]
    identity = f"urn:mouse-xray-phenotyping:{file_name(event).removesuffix('.json').replace('.', ':')}"
    return {"$schema": DIALECT, "$id": identity, **schema, "examples": examples}


def models(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the name and schema of the event, then of every model that it contains."""
    yield schema["title"], schema
    yield from ((name, model) for name, model in schema.get("$defs", {}).items() if "properties" in model)


def _add_patterns(event: type[Event], properties: dict[str, Schema]) -> None:
    """Add the patterns that pydantic leaves out because a validator precedes them."""
    for field, information in event.model_fields.items():
        for constraint in information.metadata:
            pattern = getattr(constraint, "pattern", None)
            if pattern is not None and "anyOf" not in properties[field]:
                properties[field]["pattern"] = pattern


def _check_descriptions(model: str, schema: Schema) -> None:
    schema["description"] = " ".join(schema["description"].split())
    for field, definition in schema["properties"].items():
        if "description" not in definition:
            msg = f"{model}.{field} has no description: give the field one in services/common/events"
            raise LookupError(msg)
