"""What kafka-python answers with None while a slow broker has not told it."""

from __future__ import annotations

from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError


def position_of(consumer: Any, where: TopicPartition) -> int:
    """Return the offset of a partition's next record.

    Raises KafkaTimeoutError if the broker has not told it in time.
    """
    position: int | None = consumer.position(where)
    if position is None:
        msg = f"the broker did not tell the position in {where.topic} {where.partition} in time"
        raise KafkaTimeoutError(msg)
    return position


def partitions_of(consumer: Any, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions in order. Raises KafkaTimeoutError if the broker has not told them in time."""
    numbers: set[int] | None = consumer.partitions_for_topic(topic)
    if numbers is None:
        msg = f"the broker did not tell the partitions of {topic} in time"
        raise KafkaTimeoutError(msg)
    return [TopicPartition(topic, number) for number in sorted(numbers)]
