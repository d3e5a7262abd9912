"""Topics with their partition counts and policies, as `services.common.topics` states them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType

from services.common.errors import Fatal
from services.common.kafka.clients import administrator
from services.common.settings import Settings
from services.common.topics import TOPICS, Topic
from services.operations.provisioning.step import Step


def ensure_topics(settings: Settings, topics: Sequence[Topic] = TOPICS) -> list[Step]:
    """Create the topics that are missing and mend the policies of those that are there.

    Raises Fatal when a topic has another partition count (the order of a specimen's events would change), Retriable
    when the broker is away.
    """
    with administrator(settings) as admin:
        existing = set(admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            admin.create_topics({topic.name: _options(topic, settings) for topic in missing}, wait_for_metadata=True)
        found = [topic for topic in topics if topic.name in existing]
        _check_partitions(admin, found, settings)
        made = {topic.name: Step(f"topic {topic.name}", "made", _described(topic, settings)) for topic in missing}
        mended = _mend_policies(admin, found)
    return [made.get(topic.name) or mended[topic.name] for topic in topics]


def _options(topic: Topic, settings: Settings) -> dict[str, Any]:
    return {
        "num_partitions": topic.partitions(settings.partitions),
        "replication_factor": settings.replication,
        "configs": topic.config,
    }


def _described(topic: Topic, settings: Settings) -> str:
    return f"{topic.partitions(settings.partitions)} partitions, {topic.config['cleanup.policy']}"


def _check_partitions(admin: Any, topics: Sequence[Topic], settings: Settings) -> None:
    if not topics:
        return
    counts = {one["name"]: len(one["partitions"]) for one in admin.describe_topics([topic.name for topic in topics])}
    wrong = {
        topic.name: (counts[topic.name], topic.partitions(settings.partitions))
        for topic in topics
        if counts[topic.name] != topic.partitions(settings.partitions)
    }
    if wrong:
        listing = ", ".join(f"{name} has {there} partitions, not {wanted}" for name, (there, wanted) in wrong.items())
        msg = (
            f"{listing}; all specimen topics need the same count and it cannot change while events are under way. "
            "Set XRAY_PARTITIONS to the count that is there, or delete the topics"
        )
        raise Fatal(msg)


def _mend_policies(admin: Any, topics: Sequence[Topic]) -> dict[str, Step]:
    if not topics:
        return {}
    there = admin.describe_configs([_resource(topic) for topic in topics], config_filter="all")["topic"]
    steps: dict[str, Step] = {}
    for topic in topics:
        current = {name: there[topic.name][name]["value"] for name in topic.config}
        changes = {name: value for name, value in topic.config.items() if current[name] != value}
        if changes:
            _alter(admin, topic, changes)
        detail = ", ".join(f"{name}: {current[name]} -> {value}" for name, value in changes.items())
        steps[topic.name] = Step(f"topic {topic.name}", "mended" if changes else "there", detail)
    return steps


def _alter(admin: Any, topic: Topic, changes: dict[str, str]) -> None:
    answer = admin.alter_configs([_resource(topic, changes)])["topic"][topic.name]
    if answer != "OK":
        msg = f"Kafka refused to set {changes} on {topic.name}: {answer}; check the access rights"
        raise Fatal(msg)


def _resource(topic: Topic, configs: dict[str, str] | None = None) -> Any:
    return ConfigResource(ConfigResourceType.TOPIC, topic.name, configs)
