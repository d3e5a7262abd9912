"""Only one package creates Kafka clients."""

import ast
from pathlib import Path

import pytest

from services.common.kafka.clients import bootstrap_servers
from services.common.settings import Settings

SERVICES = Path(__file__).parents[3] / "services"
SEAM = SERVICES / "common" / "kafka"
CLIENTS = {"KafkaConsumer", "KafkaProducer", "KafkaAdminClient"}
OUTSIDE = [path for path in sorted(SERVICES.rglob("*.py")) if not path.is_relative_to(SEAM)]


def named(path: Path) -> set[str]:
    """All names and attributes that a module mentions."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    imported = {name.name for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names}
    return names | attributes | imported


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(SERVICES).as_posix())
def test_no_other_module_creates_a_client(path: Path) -> None:
    assert not named(path) & CLIENTS


def test_the_seam_itself_would_be_found() -> None:
    assert named(SEAM / "clients.py") >= CLIENTS


def test_addresses_are_separated_by_commas() -> None:
    assert bootstrap_servers(Settings(kafka_bootstrap="a:1, b:2")) == ["a:1", "b:2"]
