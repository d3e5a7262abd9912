"""An in-memory consumer with the interface of kafka-python's."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace

from kafka import TopicPartition


@dataclass(frozen=True)
class StoredRecord:
    """The fields of a record that reading needs."""

    topic: str
    partition: int
    offset: int
    value: bytes | None = None


@dataclass
class MemoryConsumer:
    """Holds records by partition; `unknown` counts how often the position is not known yet."""

    stored: dict[TopicPartition, list[StoredRecord]] = field(default_factory=dict)
    unknown: int = 0
    poll_records: int = 2
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    stopped: set[TopicPartition] = field(default_factory=set)
    closed: bool = False
    _cluster: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(topic_id=lambda _: None, cluster_id="cluster")
    )

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {where.partition for where in self.stored if where.topic == topic}

    def position(self, where: TopicPartition) -> int | None:
        if self.unknown:
            self.unknown -= 1
            return None
        return self.positions[where]

    def unsubscribe(self) -> None:
        self.positions.clear()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self.positions = dict.fromkeys(partitions, 0)
        self.stopped.clear()

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def seek(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    def seek_to_beginning(self) -> None:
        self.positions = {where: self.stored[where][0].offset for where in self.positions}

    def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {where: self.stored[where][0].offset if self.stored[where] else 0 for where in partitions}

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {where: self.stored[where][-1].offset + 1 if self.stored[where] else 0 for where in partitions}

    def pause(self, *partitions: TopicPartition) -> None:
        self.stopped |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.stopped -= set(partitions)

    def paused(self) -> set[TopicPartition]:
        return set(self.stopped)

    def poll(self, timeout_ms: int, max_records: int | None = None) -> dict[TopicPartition, list[StoredRecord]]:
        """Return a few records of each partition that is not paused."""
        polled = {}
        for where in self.assignment() - self.stopped:
            later = [one for one in self.stored[where] if one.offset >= self.positions[where]][: self.poll_records]
            if later:
                polled[where] = later
                self.positions[where] = later[-1].offset + 1
        return polled

    def close(self) -> None:
        self.closed = True


def stored(topic: str, partition: int, offsets: Iterable[int]) -> dict[TopicPartition, list[StoredRecord]]:
    """Records with these offsets in one partition."""
    return {TopicPartition(topic, partition): [StoredRecord(topic, partition, offset) for offset in offsets]}
