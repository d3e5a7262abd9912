"""The KAFKA_ variables of the compose file, read by the class that starts Apache's image."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.local.folder import CACHE
from deploy.local.servers.kafka import find_java
from deploy.local.stack import Stack
from deploy.local.versions import KAFKA
from tests.deploy.compose_file import services

pytestmark = pytest.mark.integration


def test_the_image_writes_a_valid_configuration_from_the_variables(stack: Stack, tmp_path: Path) -> None:
    """Formatting the data folder rejects unknown listeners, roles and cluster ids."""
    assert stack.folder  # its start brought Kafka's jars into the cache
    defaults, mounted, made, data = (tmp_path / name for name in ("defaults", "mounted", "made", "data"))
    for folder in (defaults, mounted, made):
        folder.mkdir()
    (defaults / "server.properties").write_text("broker.id=7\n")
    for name in ("log4j2", "tools-log4j2"):
        (defaults / f"{name}.yaml").write_text("Configuration:\n  Loggers:\n    Root:\n      level: WARN\n")
    environment = services()["kafka"]["environment"] | {"KAFKA_LOG_DIRS": str(data), "PATH": os.environ["PATH"]}
    jars = CACHE / f"kafka-{KAFKA}" / "*"
    folders = ("--default-configs-dir", defaults, "--mounted-configs-dir", mounted, "--final-configs-dir", made)
    command = (find_java(), "-XX:+UseSerialGC", "-cp", jars, "kafka.docker.KafkaDockerWrapper", "setup", *folders)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert f"cluster.id={environment['CLUSTER_ID']}" in (data / "meta.properties").read_text()
    properties = (made / "server.properties").read_text().splitlines()
    assert "auto.create.topics.enable=false" in properties
    assert "advertised.listeners=INTERNAL://kafka:19092,HOST://localhost:9092" in properties
    assert not any(line.startswith(("broker.id", "heap.opts")) for line in properties)


def test_the_broker_has_the_host_name_that_it_advertises() -> None:
    """It connects to itself by that name, and a container resolves its own host name without a name server."""
    kafka = services()["kafka"]
    assert f"INTERNAL://{kafka['hostname']}:" in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]
