"""`xray init` gives every topic the configuration that keeps its records, and repairs it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from services.common.settings import Settings
from services.common.topics import TOPICS
from services.operations import provisioning
from services.operations.provisioning import ensure_topics


class Admin:
    """A cluster in memory with the interface of kafka-python's admin client."""

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas
        self.created: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, str]] = {}

    def list_topics(self) -> list[str]:
        return list(self.configs)

    def create_topics(self, topics: Mapping[str, dict[str, Any]], *, wait_for_metadata: bool) -> None:
        self.created |= topics
        self.configs |= {name: dict(options["configs"]) for name, options in topics.items()}

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        one = {"replica_nodes": list(range(self.replicas))}
        return [{"name": name, "partitions": [one] * self.created[name]["num_partitions"]} for name in names]

    def describe_configs(self, resources: list[Any], config_filter: str) -> dict[str, Any]:
        broker = {"message.timestamp.type": "CreateTime", "min.insync.replicas": "1"}
        found = {one.name: broker | self.configs[one.name] for one in resources}
        return {
            "topic": {
                topic: {name: {"value": value} for name, value in values.items()} for topic, values in found.items()
            }
        }

    def alter_configs(self, resources: list[Any]) -> dict[str, Any]:
        for one in resources:
            self.configs[one.name] |= one.configs
        return {"topic": {one.name: "OK" for one in resources}}


def cluster(monkeypatch: pytest.MonkeyPatch, replicas: int) -> Admin:
    admin = Admin(replicas)

    @contextmanager
    def administrator(_: Settings) -> Iterator[Admin]:
        yield admin

    monkeypatch.setattr(provisioning, "administrator", administrator)
    return admin


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_records_have_the_brokers_time_and_two_replicas_of_three(
    monkeypatch: pytest.MonkeyPatch, replicas: int, in_sync: str | None
) -> None:
    admin = cluster(monkeypatch, replicas)
    settings = Settings(replication=replicas)
    ensure_topics(settings)
    assert set(admin.configs) == {topic.name for topic in TOPICS}
    for values in admin.configs.values():
        assert values["message.timestamp.type"] == "LogAppendTime"
        assert values.get("min.insync.replicas") == in_sync
    assert {step.outcome for step in ensure_topics(settings)} == {"unchanged"}


def test_topics_that_exist_are_repaired_for_the_replicas_that_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = cluster(monkeypatch, 3)
    ensure_topics(Settings(replication=3))
    del admin.configs["xray.images"]["message.timestamp.type"], admin.configs["xray.views"]["min.insync.replicas"]
    updated = {step.what: step.detail for step in ensure_topics(Settings(replication=1)) if step.outcome == "updated"}
    assert updated == {
        "topic xray.images": "message.timestamp.type: CreateTime -> LogAppendTime",
        "topic xray.views": "min.insync.replicas: 1 -> 2",
    }
    assert {step.outcome for step in ensure_topics(Settings(replication=1))} == {"unchanged"}
