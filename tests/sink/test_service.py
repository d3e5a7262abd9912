"""The sink's handler with a ledger in memory; the real ledger is tested in tests/ledger."""

from collections.abc import Sequence

import pytest

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import Event
from services.common.loop import Done, Record
from services.sink.metrics import CALL_DELAY, LedgerSampler
from services.sink.service import Sink
from tests.ledger.examples import call, image, records


class LedgerDouble:
    """Keeps the written events; rejects the events of one specimen, as PostgreSQL does for values it cannot store."""

    def __init__(self, rejected: str = "bad") -> None:
        self.rejected = rejected
        self.failure: Exception | None = None
        self.written: list[Event] = []
        self.calls: list[str] = []

    def check(self) -> None:
        self.calls.append("check")
        if self.failure is not None:
            raise self.failure

    def write(self, batch: Sequence[Record[Event]]) -> list[Rejected | None]:
        if self.failure is not None:
            raise self.failure
        results = [Rejected("not_storable", "no") if one.event.key == self.rejected else None for one in batch]
        self.written += [one.event for one, result in zip(batch, results, strict=True) if result is None]
        return results

    def close(self) -> None:
        self.calls.append("close")


class SamplerDouble(LedgerSampler):
    def __init__(self, calls: list[str]) -> None:
        super().__init__("postgresql://nowhere")
        self._calls = calls

    def start(self) -> None:
        self._calls.append("sampler starts")

    def stop(self) -> None:
        self._calls.append("sampler stops")


@pytest.fixture
def ledger() -> LedgerDouble:
    return LedgerDouble()


@pytest.fixture
def sink(ledger: LedgerDouble) -> Sink:
    return Sink(ledger, SamplerDouble(ledger.calls))


def delays() -> float:
    return sum(sample.value for metric in CALL_DELAY.collect() for sample in metric.samples if "count" in sample.name)


def test_each_record_has_its_own_outcome(sink: Sink, ledger: LedgerDouble) -> None:
    events = [image("good"), image("bad"), call("good")]
    first, second, third = sink.handle(records(events))
    assert first == third == Done()
    assert isinstance(second, Rejected)
    assert second.reason == "not_storable"
    assert ledger.written == [events[0], events[2]]


def test_the_delay_of_written_calls_only_is_observed(sink: Sink) -> None:
    before = delays()
    sink.handle(records([image("good"), call("good"), call("bad")]))
    assert delays() - before == 1


def test_an_unreachable_database_fails_the_batch(sink: Sink, ledger: LedgerDouble) -> None:
    ledger.failure = Retriable("away", server="postgres")
    before = delays()
    with pytest.raises(Retriable):
        sink.handle(records([call("good")]))
    assert delays() == before


def test_the_gauges_start_after_the_check_and_stop_before_the_connection(sink: Sink, ledger: LedgerDouble) -> None:
    sink.start()
    sink.close()
    assert ledger.calls == ["check", "sampler starts", "sampler stops", "close"]


def test_the_gauges_do_not_start_without_tables(sink: Sink, ledger: LedgerDouble) -> None:
    ledger.failure = Fatal("run `xray init`")
    with pytest.raises(Fatal):
        sink.start()
    assert ledger.calls == ["check"]
