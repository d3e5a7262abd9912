"""The sink writes the records of its topics to the ledger. All SQL is in `services.ledger`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.common import metrics, topology
from services.common.errors import Rejected
from services.common.events import Event
from services.common.loop import Done, Outcome, Record, ServiceTopics
from services.common.settings import ServiceSettings
from services.ledger.writer import Ledger
from services.sink.metrics import LedgerSampler, count_calls


class LedgerWriter(Protocol):
    """Where the sink writes; `services.ledger.writer.Ledger` implements it and documents what each method raises."""

    def check(self) -> None: ...  # noqa: D102
    def write(self, records: Sequence[Record[Event]]) -> list[Rejected | None]: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


def build(settings: ServiceSettings) -> Sink:
    """Return the sink that these settings describe; it connects at its start."""
    dsn = settings.postgres_dsn.get_secret_value()
    return Sink(Ledger(dsn), LedgerSampler(dsn))


class Sink:
    """Handler that publishes nothing: its effects are the rows of the ledger."""

    topics: ServiceTopics[Event] = topology.SINK
    stage: str = topology.SINK.name

    def __init__(self, ledger: LedgerWriter, sampler: LedgerSampler) -> None:
        """Write to `ledger`; `sampler` keeps the gauges that only the ledger can give."""
        self._ledger, self._sampler = ledger, sampler

    def start(self) -> None:
        """Check the ledger and start the gauges.

        Raises Fatal when the tables are missing or the connection string is wrong, Retriable when the database is away.
        """
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
