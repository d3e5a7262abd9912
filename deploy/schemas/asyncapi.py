"""The AsyncAPI 3.0 document of all topics (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""

from typing import Any, Final

from deploy.schemas.channels import DELIVERY, Channel, channel_of
from deploy.schemas.examples import examples_of
from deploy.schemas.json_schema import Schema, json_schema, models
from services import __version__
from services.common.events import Event
from services.common.settings import Settings
from services.common.topics import TOPICS

_KAFKA_BINDING: Final = "0.5.0"
_DESCRIPTION: Final = (
    "Phenotyping centres announce X-ray images of mice on `xray.images`; the system publishes one 1x13 "
    "phenotype call per specimen on `phenotype.calls`, and every refused record with its reason on `xray.rejected`. "
    "Values are JSON in UTF-8. Ignore fields that you do not know. `docs/contracts.md` states what may change within a "
    "schema version."
)


def document() -> dict[str, Any]:
    """Return the document: a server with a placeholder, one channel and one operation per topic, and every schema."""
    channels = [channel_of(topic) for topic in TOPICS]
    return {
        "asyncapi": "3.0.0",
        "id": "urn:mouse-xray-phenotyping",
        "info": {
            "title": "Streaming phenotyping of mouse X-rays",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": _server()},
        "channels": {channel.topic.name: _channel(channel) for channel in channels},
        "operations": {_operation_name(channel): _operation(channel) for channel in channels},
        "components": {
            # A retry topic has the event of another topic, whose description counts.
            "messages": {
                event.__name__: _message(one, event)
                for one in channels
                if not one.topic.delay_seconds
                for event in one.topic.events
            },
            "schemas": _schemas(channels),
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "Your Kafka cluster. The services and `xray` read its address from XRAY_KAFKA_BOOTSTRAP.",
        "variables": {
            "bootstrap": {
                "description": Settings.model_fields["kafka_bootstrap"].description,
                "default": Settings.model_fields["kafka_bootstrap"].default,
            }
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    topic = channel.topic
    configuration = {setting: _configured(setting, value) for setting, value in topic.config.items()}
    return {
        "address": topic.name,
        "title": topic.name,
        "summary": topic.purpose,
        "description": "\n\n".join(
            (
                f"**Key:** {channel.key}.",
                f"**Retention:** {channel.policy}.",
                f"**Written by:** {channel.written_by}. **Read by:** {channel.read_by}.",
                f"**Delivery:** {DELIVERY} {channel.duplicates}",
                f"**Reading:** {channel.reading}",
            )
        ),
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"} for event in topic.events},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions(Settings.model_fields["partitions"].default),
                "topicConfiguration": configuration,
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }


def _configured(setting: str, value: str) -> Any:
    if setting == "cleanup.policy":
        return value.split(",")
    return int(value) if value.removeprefix("-").isdecimal() else value


def _operation_name(channel: Channel) -> str:
    event, delay = channel.topic.event.__name__, channel.topic.delay_seconds
    return f"{'receive' if channel.received else 'send'}{event}{f'After{delay:.0f}Seconds' if delay else ''}"


def _operation(channel: Channel) -> dict[str, Any]:
    name = channel.topic.name
    return {
        "action": "receive" if channel.received else "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": channel.topic.purpose,
        "messages": [{"$ref": f"#/channels/{name}/messages/{event.__name__}"} for event in channel.topic.events],
    }


def _message(channel: Channel, event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.__name__,
        "title": event.__name__,
        "summary": channel.topic.purpose,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": channel.key}, "bindingVersion": _KAFKA_BINDING}
        },
        "examples": [
            {"name": f"{event.__name__}{number}", "payload": example.model_dump(mode="json", exclude_none=True)}
            for number, example in enumerate(examples_of(event), start=1)
        ],
    }


def _schemas(channels: list[Channel]) -> dict[str, Schema]:
    """Return all models by name. A model that several events share, such as SpecimenView, occurs once."""
    found: dict[str, Schema] = {}
    for channel in channels:
        for event in channel.topic.events:
            for name, model in models(json_schema(event)):
                found[name] = _draft_7({key: part for key, part in model.items() if key not in _STANDALONE})
    return found


_STANDALONE: Final = frozenset({"$schema", "$id", "$defs", "examples"})


def _draft_7(part: Any) -> Any:
    """Convert a schema to draft 7 of JSON Schema, on which AsyncAPI's schemas are based.

    Draft 7 ignores keywords next to a `$ref`, spells `prefixItems` as a list in `items`, and keeps definitions
    elsewhere.
    """
    if isinstance(part, list):
        return [_draft_7(one) for one in part]
    if not isinstance(part, dict):
        return part
    written = {"items" if key == "prefixItems" else key: _draft_7(value) for key, value in part.items()}
    if "$ref" not in written:
        return written
    name = written.pop("$ref").rsplit("/", 1)[-1]
    if name == _ANY_VALUE:
        return written
    reference = {"$ref": f"#/components/schemas/{name}"}
    return {"allOf": [reference], **written} if written else reference


_ANY_VALUE: Final = "JsonValue"
"""Pydantic's name for any JSON value. Its schema allows everything."""
