"""End offsets of the topics and lag of the services' consumer groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kafka import TopicPartition
from kafka.admin import OffsetSpec

from services.common.kafka.clients import administrator
from services.common.settings import ServiceSettings
from services.common.topics import CALLS, IMAGES, REJECTED, REVIEWS, SHADOW, SPECIMENS, TENSORS, TOPICS, VIEWS

READS: Final = {
    "intake": (IMAGES.name,),
    "assembler": (VIEWS.name,),
    "fuser": (SPECIMENS.name,),
    "classifier": (TENSORS.name,),
    "sink": (IMAGES.name, VIEWS.name, CALLS.name, SHADOW.name, REVIEWS.name, REJECTED.name),
    "monitor": (IMAGES.name, VIEWS.name, CALLS.name, REJECTED.name),
}
"""What each service reads; its consumer group bears its name."""
Offsets = dict[TopicPartition, int]


@dataclass(frozen=True)
class TopicState:
    """One topic: `end_offset` is the sum over its partitions; `missing` when it does not exist."""

    name: str
    partitions: int
    end_offset: int
    missing: bool = False


@dataclass(frozen=True)
class ServiceState:
    """One service: its running workers, and the records that wait for it in each topic it reads."""

    name: str
    workers: int
    lag: dict[str, int]


def topics_and_services(settings: ServiceSettings) -> tuple[list[TopicState], list[ServiceState]]:
    """Ask the broker; raises Retriable when it is away."""
    with administrator(settings) as admin:
        there = set(admin.list_topics())
        names = [topic.name for topic in TOPICS if topic.name in there]
        ends, beginnings = _offsets(admin, names, OffsetSpec.LATEST), _offsets(admin, names, OffsetSpec.EARLIEST)
        topics = [_topic(topic.name, ends) for topic in TOPICS]
        return topics, [_service(admin, name, settings.group_prefix + name, beginnings, ends) for name in READS]


def _offsets(admin: Any, names: list[str], which: Any) -> Offsets:
    if not names:
        return {}
    wanted = {
        TopicPartition(topic["name"], partition["partition_index"]): which
        for topic in admin.describe_topics(names)
        for partition in topic["partitions"]
    }
    return {where: found.offset for where, found in admin.list_partition_offsets(wanted).items()}


def _topic(name: str, ends: Offsets) -> TopicState:
    offsets = [offset for where, offset in ends.items() if where.topic == name]
    return TopicState(name, len(offsets), sum(offsets), missing=not offsets)


def _service(admin: Any, name: str, group: str, beginnings: Offsets, ends: Offsets) -> ServiceState:
    committed = {where: found.offset for where, found in admin.list_group_offsets(group).get(group, {}).items()}
    lag = {topic: _lag(topic, committed, beginnings, ends) for topic in READS[name]}
    described = admin.describe_groups([group]).get(group, {})
    return ServiceState(name, len(described.get("members") or ()), lag)


def _lag(topic: str, committed: Offsets, beginnings: Offsets, ends: Offsets) -> int:
    """Records after the committed offset; all that are kept where nothing was committed (a group starts there)."""
    return sum(
        max(0, end - max(committed.get(where, -1), beginnings.get(where, 0)))
        for where, end in ends.items()
        if where.topic == topic
    )
