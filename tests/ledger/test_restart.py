"""PostgreSQL is killed in the middle of a transaction."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from deploy.local.stack import Stack
from services.common.errors import Retriable
from services.common.events import Event
from services.ledger import queries
from services.ledger.database import Connection, connect
from services.ledger.writer import Ledger
from tests.ledger.examples import call, image, records, rejection, view

pytestmark = pytest.mark.integration

_WAITS = """
select 1 from pg_stat_activity where application_name = 'xray-sink' and wait_event_type = 'Lock'
"""


def _until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _counts(dsn: str) -> queries.LedgerCount:
    with connect(dsn, "test") as connection:
        return queries.ledger_count(connection)


def _killed_in_the_middle(postgres: Stack, dsn: str, write: Callable[[], object]) -> None:
    """Run `write` until it waits in its transaction for a lock that this function holds, then kill the server."""
    failed: list[type[BaseException]] = []

    def try_to_write() -> None:
        try:
            write()
        except Retriable as error:
            failed.append(type(error))

    with closing(connect(dsn, "test")) as holder:
        holder.execute("begin")
        holder.execute("lock table rejection")
        writer = threading.Thread(target=try_to_write)
        writer.start()
        _until(lambda: holder.execute(_WAITS).fetchone())
        postgres.kill("postgres")
        writer.join(30)
    assert failed == [Retriable]


def test_a_kill_in_the_middle_of_a_batch_loses_and_duplicates_nothing(postgres: Stack, dsn: str) -> None:
    before: list[Event] = [image("a"), rejection("a", 1)]
    batch = records([image("b"), view("b"), view("b", "LAT"), call("b"), rejection("b", 2), *before])

    with closing(Ledger(dsn)) as ledger:
        ledger.write(records(before))
        _killed_in_the_middle(postgres, dsn, lambda: ledger.write(batch))
        with pytest.raises(Retriable):
            ledger.write(batch)
        postgres.start("postgres")
        assert _counts(dsn) == queries.LedgerCount(1, 1, 0, 0, 1, 1, _counts(dsn).oldest_incomplete)

        assert ledger.write(batch) == [None] * len(batch)
        assert ledger.write(batch) == [None] * len(batch)
    written = _counts(dsn)
    assert (written.specimens, written.images, written.views, written.calls, written.rejections) == (2, 2, 2, 1, 2)


def test_a_frozen_worker_does_not_hold_its_locks_forever(dsn: str, reader: Connection) -> None:
    """As under SIGSTOP: the session stays open in a transaction and sends nothing more."""
    with closing(connect(dsn, "frozen")) as frozen, closing(Ledger(dsn)) as ledger:
        frozen.execute("set idle_in_transaction_session_timeout = '300ms'")
        frozen.execute("begin")
        frozen.execute("insert into specimen values ('a', 'JAX', now())")
        begin = time.monotonic()
        assert ledger.write(records([image("a")])) == [None]

        assert time.monotonic() - begin < 20
    assert queries.ledger_count(reader).specimens == 1
