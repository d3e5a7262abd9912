"""Has a KafkaConsumer read batches with `Batches`, and bounds how many bytes one poll returns.

kafka-python has no option for either, so this module depends on internals of version 3.0, which
tests/common/kafka/test_fetching.py checks.
"""

from collections.abc import Iterator
from typing import Any, Final

from kafka.consumer.fetcher import Fetcher

from services.common.kafka.batches import Batches
from services.common.topics import MAX_MESSAGE_BYTES, TOPICS

POLL_BYTES: Final = MAX_MESSAGE_BYTES
"""A poll returns no further record once its records have this many bytes."""
_RECORD_BYTES: Final = {topic.name: topic.max_message_bytes for topic in TOPICS}


def record_bytes(topic: str) -> int:
    """Return the size up to which records of a topic are read: what a topic of ours allows."""
    return _RECORD_BYTES.get(topic, MAX_MESSAGE_BYTES)


def bound(consumer: Any) -> Any:
    """Replace the part of a new consumer that reads the broker's answers, and return the consumer."""
    consumer._fetcher = BoundedFetcher(consumer._client, consumer._subscription, **consumer.config)
    return consumer


class BoundedFetcher(Fetcher):  # type: ignore[misc]  # kafka-python has no types
    """Returns every record, and an `Unreadable` for what cannot be read; a poll has a bounded size."""

    class PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
        """The records in the answer to a fetch of one partition."""

        def _unpack_records(self, tp: Any, records: Any, *deserializers: Any) -> Iterator[Any]:
            try:
                yield from super()._unpack_records(
                    tp,
                    Batches(records._buffer, self.fetch_offset, record_bytes(tp.topic)),
                    *deserializers,
                )
            except Exception:
                self.drain()  # kafka-python would ask the ended iterator for records for ever
                raise

    _room = POLL_BYTES

    def fetched_records(self, max_records: int | None = None, update_offsets: bool = True) -> Any:
        """Return the records at hand as kafka-python does, but no more than about `POLL_BYTES`."""
        self._room = POLL_BYTES
        self._forget_resumed()
        return super().fetched_records(max_records, update_offsets)

    def _forget_resumed(self) -> None:
        """Drop the decoded records of partitions that were paused before they were returned and are resumed now.

        kafka-python takes these up again only at a moment without decoded records of any other partition. Until then it
        fetches nothing from them, so such a partition can stay silent for ever. They are fetched again instead.
        """
        for where in list(self._paused_partition_records):
            if not self._subscriptions.is_paused(where):
                del self._paused_partition_records[where]

    def _append(self, drained: Any, part: Any, max_records: int, update_offsets: bool) -> int:
        """Append records one by one; return `max_records`, which ends the poll, once the room is used up."""
        if not update_offsets:
            return int(super()._append(drained, part, max_records, update_offsets))
        for count in range(max_records):
            if not super()._append(drained, part, 1, update_offsets):
                return count
            record = drained[part.topic_partition][-1]
            self._room -= sum(
                max(0, size)
                for size in (record.serialized_key_size, record.serialized_value_size, record.serialized_header_size)
            )
            if self._room <= 0:
                break
        return max_records
