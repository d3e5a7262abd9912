"""The table of services and topics, and everything that must agree with it."""

import ast
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from services.assembler.service import Assembler
from services.classifier.service import Classifier
from services.common import topology
from services.common.events import Event
from services.common.loop import ServiceTopics
from services.common.topics import IMAGES, REJECTED, TENSORS, TOPICS, Topic
from services.fuser.service import Fuser
from services.intake.service import Intake
from services.sink.service import Sink

ROOT = Path(__file__).parents[2]
HANDLERS = (Intake, Assembler, Fuser, Classifier, Sink)


def test_each_handler_has_its_row() -> None:
    assert tuple(handler.topics for handler in HANDLERS) == topology.STAGES
    assert tuple(handler.stage for handler in HANDLERS) == topology.PIPELINE


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_declared_event_is_that_of_the_inputs(handler: type) -> None:
    [declared] = get_args(get_type_hints(handler)["topics"])
    row: ServiceTopics[Event] = handler.topics  # type: ignore[attr-defined]
    events = {event for topic in row.inputs for event in topic.events}
    assert declared is Event or set(get_args(declared) or [declared]) == events


def test_every_topic_is_written_and_read_by_someone() -> None:
    for topic in TOPICS:
        assert topology.writers(topic) or topology.writing_commands(topic), topic.name
        if topic.name != "centre.statistics":
            assert set(topology.readers(topic)) - {"monitor"}, topic.name


def test_only_the_monitor_rejects_nothing() -> None:
    for one in topology.TOPOLOGY:
        rejects = one.per_centre is not None or any(topic not in one.observed for topic in one.inputs)
        assert rejects == (REJECTED in one.outputs) == (one is not topology.MONITOR), one.name


@pytest.mark.parametrize(
    ("topic", "commands"), [(TENSORS, "xray reprocess"), (IMAGES, "xray reprocess --from-originals")]
)
def test_reprocessing_writes_where_it_begins(topic: Topic, commands: str) -> None:
    assert commands in topology.writing_commands(topic)


def test_kubernetes_deploys_the_services_of_the_table() -> None:
    folders = {path.name for path in (ROOT / "deploy" / "kubernetes").iterdir() if path.is_dir()}
    assert set(topology.SERVICES) <= folders
    kustomization = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "kustomization.yaml").read_text())
    assert set(topology.SERVICES) <= {str(one).strip("./") for one in kustomization["resources"]}


def test_the_loop_knows_no_event_of_the_domain() -> None:
    allowed = {"Event", "Rejection", "parse_event"}
    for path in (ROOT / "services" / "common" / "loop").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "services.common.events":
                assert {name.name for name in node.names} <= allowed, path.name
