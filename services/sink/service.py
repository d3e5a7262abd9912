"""The sink: writes what passes on its topics into the ledger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.common import metrics
from services.common.events import Event
from services.common.loop import Done, Outcome, Record
from services.common.settings import ServiceSettings
from services.common.topics import CALLS, IMAGES, REJECTED, REVIEWS, SHADOW, VIEWS, Topic
from services.ledger.writer import Ledger
from services.sink.metrics import LedgerSampler, count_calls


class Sink:
    """Handler that publishes nothing: its effects are the rows of the ledger."""

    stage: str = "sink"
    inputs: Mapping[str, type[Event]] = {
        topic.name: topic.event for topic in (IMAGES, VIEWS, CALLS, SHADOW, REVIEWS, REJECTED)
    }
    outputs: Sequence[Topic] = ()
    observed: Collection[str] = (IMAGES.name, VIEWS.name)

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
