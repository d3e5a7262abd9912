"""The AsyncAPI document is complete, and AsyncAPI's own parser accepts it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from deploy.schemas.asyncapi import document
from deploy.schemas.contract import ASYNCAPI
from services.common.topics import TOPICS

CHECK = Path(__file__).resolve().parents[3] / "deploy" / "schemas" / "asyncapi-check"
with_parser = pytest.mark.skipif(
    not (shutil.which("node") and (CHECK / "node_modules").is_dir()), reason="make check-asyncapi installs the parser"
)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from references(one)


def test_every_topic_has_a_channel_an_operation_and_its_policy() -> None:
    made = document()
    assert list(made["channels"]) == [topic.name for topic in TOPICS]
    assert len(made["operations"]) == len(TOPICS)
    calls = made["channels"]["phenotype.calls"]
    assert calls["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["delete"]
    assert [made["operations"][name]["action"] for name in ("receiveImageEvent", "sendPhenotypeCall")] == [
        "receive",
        "send",
    ]
    for channel in made["channels"].values():
        for heading in ("Key:", "Retention:", "Delivery:", "Reading:"):
            assert f"**{heading}**" in channel["description"]


def test_every_reference_resolves() -> None:
    made = document()
    found = set(references(made))
    assert len(found) > 20
    for reference in found:
        part = made
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_every_example_is_valid_by_the_schema_of_its_message() -> None:
    made = document()
    for message in made["components"]["messages"].values():
        validator = Draft7Validator({**message["payload"], "components": made["components"]})
        assert message["examples"]
        for example in message["examples"]:
            validator.validate(example["payload"])
            assert not validator.is_valid(example["payload"] | {"schema_version": 2})


@with_parser
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("channels", "phenotype.calls", "messages", "PhenotypeCall", "$ref"), "#/components/messages/No", "ref"),
        (("components", "schemas", "PhenotypeCall", "properties", "revision", "type"), "number of views", "type"),
        (("operations", "sendPhenotypeCall", "action"), "publish", "action"),
    ],
)
def test_the_parser_refuses_an_invalid_document(
    path: tuple[Any, ...], value: str, message: str, tmp_path: Path
) -> None:
    wrong = json.loads(ASYNCAPI.read_text())
    part = wrong
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    answer = subprocess.run(
        ["node", "check.js", str(tmp_path / "wrong.json")], cwd=CHECK, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert message in answer.stderr
