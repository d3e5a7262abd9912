"""Announces images again, by the very records that announced them first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kafka import TopicPartition

from services.common.kafka.clients import publisher, reader
from services.common.kafka.reading import Stretch, read
from services.common.settings import Settings
from services.common.topics import IMAGES
from services.operations.reconcile.snapshot import Place

HEADER: Final = "xray-announced-again"
_LINGER_RECORDS: Final = 500


def announce_again(settings: Settings, places: set[Place]) -> int:
    """Publish the records at these places of `xray.images` once more; returns how many are still there.

    Every effect is a function of the announcement, so announcing again changes nothing that is right.
    """
    count = 0
    with reader(settings) as consumer, publisher(settings) as producer:
        sent: list[Any] = []
        for record in _records(consumer, places):
            headers = [*record.headers, (HEADER, f"{record.partition}/{record.offset}".encode())]
            # A record without a key goes back to its partition.
            partition = record.partition if record.key is None else None
            sent.append(
                producer.send(IMAGES.name, key=record.key, value=record.value, headers=headers, partition=partition)
            )
            count += 1
            if len(sent) >= _LINGER_RECORDS:
                _wait(sent)
        _wait(sent)
    return count


def _records(consumer: Any, places: set[Place]) -> Iterator[Any]:
    """Read one stretch a partition: from its first place to its last."""
    stretches = {}
    for partition in {partition for partition, _ in places}:
        offsets = [offset for where, offset in places if where == partition]
        stretches[TopicPartition(IMAGES.name, partition)] = Stretch(min(offsets), max(offsets) + 1)
    for record in read(consumer, stretches):
        if (record.partition, record.offset) in places:
            yield record


def _wait(sent: list[Any]) -> None:
    for future in sent:
        future.get(timeout=60)
    sent.clear()
