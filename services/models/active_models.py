"""Which model versions serve: the newest record on `models.active`, followed without a restart."""

from __future__ import annotations

import time
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import ModelActivation, parse_event
from services.common.events.model import SERVING_SET
from services.common.positions import position_of
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS

READ_SECONDS = 30.0


class ActiveModels:
    """Reads `models.active` whole at start, then whatever is new at each `refresh`."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; connects at the first read."""
        self._settings = settings
        self._consumer: Any = None
        self._newest: ModelActivation | None = None

    def refresh(self) -> ModelActivation:
        """Return the activation in force; raises Fatal when there is none, Retriable when Kafka is away."""
        try:
            if self._consumer is None:
                self._read_all()
            else:
                self._read(timeout_ms=0)
        except KafkaError as error:
            self.close()
            self._consumer = None  # half read, it would not know what serves
            msg = f"could not read {ACTIVE_MODELS.name}: {error!r}"
            raise Retriable(msg, server="kafka", kind=type(error).__name__) from error
        if self._newest is None:
            msg = f"{ACTIVE_MODELS.name} names no model version; run `xray init`"
            raise Fatal(msg)
        return self._newest

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close()

    def _read_all(self) -> None:
        where = TopicPartition(ACTIVE_MODELS.name, 0)
        consumer = KafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap.split(","),
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            # A writer that was shut out in the middle has written nothing (services/models/register.py).
            isolation_level="read_committed",
        )
        consumer.assign([where])
        consumer.seek_to_beginning(where)
        end = consumer.end_offsets([where])[where]
        self._consumer = consumer
        deadline = time.monotonic() + READ_SECONDS
        while position_of(consumer, where) < end:
            self._read(timeout_ms=500)
            if time.monotonic() > deadline:
                self._consumer = None
                consumer.close()
                msg = f"could not read {ACTIVE_MODELS.name} to its end in {READ_SECONDS} s"
                raise Retriable(msg, server="kafka", kind="slow_read")

    def _read(self, timeout_ms: int) -> None:
        for records in self._consumer.poll(timeout_ms=timeout_ms).values():
            for record in records:
                try:
                    activation = parse_event(ModelActivation, record.value)
                except Rejected:
                    continue  # a tombstone or a record of a newer schema does not change what serves
                newer = self._newest is None or activation.activation > self._newest.activation
                if activation.name == SERVING_SET and newer:
                    self._newest = activation
