"""New calls as they come, from the topic itself: what any subscriber sees."""

from __future__ import annotations

from collections.abc import Iterator

from kafka import TopicPartition

from services.common.errors import Fatal, Rejected
from services.common.events import PhenotypeCall, parse_event
from services.common.kafka.clients import reader
from services.common.settings import Settings
from services.common.topics import CALLS

_POLL_MS = 500


def new_calls(settings: Settings) -> Iterator[PhenotypeCall]:
    """Yield calls published from now on, until interrupted; records of another schema are passed over."""
    with reader(settings) as consumer:
        partitions = consumer.partitions_for_topic(CALLS.name)
        if not partitions:
            msg = f"topic {CALLS.name} does not exist; run `xray init`"
            raise Fatal(msg)
        consumer.assign([TopicPartition(CALLS.name, partition) for partition in partitions])
        consumer.seek_to_end()
        while True:
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                for record in records:
                    try:
                        yield parse_event(PhenotypeCall, record.value)
                    except Rejected:
                        continue
