"""Which model versions serve: the newest record on `models.active`, followed without a restart."""

from __future__ import annotations

import time
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import ModelActivation, parse_event
from services.common.events.model import SERVING_SET, SHADOW_SET
from services.common.kafka.reading import position_of
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS

READ_SECONDS: Final = 30.0
_WHERE: Final = TopicPartition(ACTIVE_MODELS.name, 0)


class ActiveModels:
    """Reads `models.active` whole at start, then whatever is new at each `refresh`, up to its end at that moment."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; connects at the first read."""
        self._settings = settings
        self._consumer: Any = None
        self._newest: dict[str, ModelActivation] = {}

    def refresh(self) -> ModelActivation:
        """Return the activation in force; raises Fatal when there is none, Retriable when Kafka is away."""
        try:
            if self._consumer is None:
                self._consumer = self._opened()
            self._read_to_end()
        except KafkaError as error:
            self.close()
            self._consumer = None  # half read, it would not know what serves
            msg = f"could not read {ACTIVE_MODELS.name}: {error!r}"
            raise Retriable(msg, server="kafka", kind=type(error).__name__) from error
        if SERVING_SET not in self._newest:
            msg = f"{ACTIVE_MODELS.name} names no model version; run `xray init`"
            raise Fatal(msg)
        return self._newest[SERVING_SET]

    @property
    def shadow(self) -> ModelActivation | None:
        """The newest record of a candidate in shadow, as of the last `refresh`; its share is 0 once it was stopped."""
        return self._newest.get(SHADOW_SET)

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close()

    def _opened(self) -> Any:
        consumer = KafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap.split(","),
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            # A writer that was shut out in the middle has written nothing (services/registry/register.py).
            isolation_level="read_committed",
        )
        consumer.assign([_WHERE])
        consumer.seek_to_beginning(_WHERE)
        return consumer

    def _read_to_end(self) -> None:
        """Ask where the end is: a consumer that nobody polled for a while has not heard of the newest record."""
        end = self._consumer.end_offsets([_WHERE])[_WHERE]
        deadline = time.monotonic() + READ_SECONDS
        while position_of(self._consumer, _WHERE) < end:
            self._read(timeout_ms=500)
            if time.monotonic() > deadline:
                self.close()
                self._consumer = None
                msg = f"could not read {ACTIVE_MODELS.name} to its end in {READ_SECONDS} s"
                raise Retriable(msg, server="kafka", kind="slow_read")

    def _read(self, timeout_ms: int) -> None:
        for records in self._consumer.poll(timeout_ms=timeout_ms).values():
            for record in records:
                try:
                    activation = parse_event(ModelActivation, record.value)
                except Rejected:
                    continue  # a tombstone or a record of a newer schema does not change what serves
                known = self._newest.get(activation.name)
                if known is None or activation.activation > known.activation:
                    self._newest[activation.name] = activation
