"""The sink: writes what passes on its topics into the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from services.common import metrics, topology
from services.common.events import Event
from services.common.loop import Done, Outcome, Record, ServiceTopics
from services.common.settings import ServiceSettings
from services.ledger.writer import Ledger
from services.sink.metrics import count_calls
from services.sink.sampler import LedgerSampler


class Sink:
    """Handler that publishes nothing: its effects are the rows of the ledger."""

    topics: ServiceTopics[Event] = topology.SINK
    stage: str = topology.SINK.name

    def __init__(self, settings: ServiceSettings) -> None:
        """Keep where the database is; `start` connects."""
        dsn = settings.postgres_dsn.get_secret_value()
        self._ledger = Ledger(dsn)
        self._sampler = LedgerSampler(dsn)

    def start(self) -> None:
        """Raise Fatal when the tables are missing or the connection string is wrong, Retriable when it is away."""
        self._ledger.check()
        self._sampler.start()

    def handle(self, records: Sequence[Record[Event]]) -> list[Outcome]:
        """Store the batch in one transaction; a row that PostgreSQL cannot hold is Rejected(`not_storable`)."""
        with metrics.step(self.stage, "write"):
            verdicts = self._ledger.write(records)
        count_calls(record.event for record, verdict in zip(records, verdicts, strict=True) if verdict is None)
        return [Done() if verdict is None else verdict for verdict in verdicts]

    def acknowledged(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing is remembered between batches."""

    def close(self) -> None:
        """Disconnect from the database."""
        self._sampler.stop()
        self._ledger.close()
