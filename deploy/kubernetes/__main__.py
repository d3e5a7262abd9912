"""`python -m deploy.kubernetes`: write every topic of services/common/topics.py as a Strimzi KafkaTopic."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from services.common.topics import TOPICS, Topic

FILE: Final = Path(__file__).parent / "topics" / "topics.yaml"
_SETTINGS: Final = Path(__file__).with_name("settings.yaml")
_HEAD: Final = "# Written by `python -m deploy.kubernetes` from services/common/topics.py and settings.yaml.\n"


def generated() -> str:
    """Return the expected content of the file."""
    settings = yaml.safe_load(_SETTINGS.read_text())["data"]
    partitions, replication = int(settings["XRAY_PARTITIONS"]), int(settings["XRAY_REPLICATION"])
    return _HEAD + yaml.safe_dump_all((_topic(one, partitions, replication) for one in TOPICS), sort_keys=False)


def _topic(topic: Topic, partitions: int, replication: int) -> dict[str, Any]:
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": topic.name, "labels": {"strimzi.io/cluster": "xray"}},
        "spec": {
            "topicName": topic.name,
            "partitions": topic.partitions(partitions),
            "replicas": replication,
            "config": topic.configuration(replication),
        },
    }


if __name__ == "__main__":
    FILE.write_text(generated())
