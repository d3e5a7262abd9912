"""Errors of PostgreSQL, sorted by what the caller should do; each one from a real server or a real closed port."""

import threading

import psycopg
import pytest
from psycopg import conninfo

from services.common.errors import Fatal, Rejected, Retriable
from services.common.ports import choose
from services.ledger.database import Connection, connect, sorted_errors
from services.ledger.locks import lock_holder, wait_for_lock


@pytest.mark.parametrize("dsn", ["postgresql:/xray:s3cret@somewhere", "postgresql://u:s3cret@h/xray?nonsense=1"])
def test_an_invalid_connection_string_is_fatal_and_never_quoted(dsn: str) -> None:
    with pytest.raises(Fatal, match="XRAY_POSTGRES_DSN") as fatal:
        connect(dsn, "test")
    assert "s3cret" not in str(fatal.value)
    assert fatal.value.__cause__ is None


def test_an_invalid_value_in_the_connection_string_is_fatal() -> None:
    with pytest.raises(Fatal, match="XRAY_POSTGRES_DSN"):
        connect("postgresql://xray@127.0.0.1:port/xray", "test")


def test_a_server_that_does_not_listen_is_retried() -> None:
    with pytest.raises(Retriable, match="could not connect"):
        connect(f"postgresql://xray@127.0.0.1:{choose(1)[0]}/xray", "test")


@pytest.mark.integration
@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"password": ""}, {"dbname": "nowhere"}, {"user": "nobody"}])
def test_wrong_access_is_fatal_and_names_the_setting(dsn: str, wrong: dict[str, str]) -> None:
    with pytest.raises(Fatal, match="XRAY_POSTGRES_DSN"):
        connect(conninfo.make_conninfo(dsn, **wrong), "test")


@pytest.mark.integration
def test_a_connection_is_durable_in_utc_and_never_holds_locks_forever(dsn: str) -> None:
    with connect(conninfo.make_conninfo(dsn, options="-c lock_timeout=7s"), "test") as connection:
        shown = {
            name: connection.execute(f"show {name}").fetchone()
            for name in ("synchronous_commit", "timezone", "idle_in_transaction_session_timeout", "lock_timeout")
        }
    assert shown == {
        "synchronous_commit": ("on",),
        "timezone": ("UTC",),
        "idle_in_transaction_session_timeout": ("1min",),
        "lock_timeout": ("7s",),
    }


@pytest.mark.integration
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select 1/0", Rejected),
        ("select repeat('x', 9)::smallint", Rejected),
        ("select '\\u0000'::jsonb", Rejected),
        ("select nothing from nowhere", Fatal),
        ("set role nobody", Rejected),
        ("select pg_terminate_backend(pg_backend_pid())", Retriable),
        ("set statement_timeout = 1; select pg_sleep(1)", Retriable),
        ("begin read only; create table t ()", Retriable),
    ],
)
def test_the_error_code_of_a_statement_decides_what_to_do(
    reader: Connection, statement: str, expected: type[Exception]
) -> None:
    with pytest.raises(expected), sorted_errors("try it"):
        reader.execute(statement.encode())


@pytest.mark.integration
def test_a_missing_table_names_the_command_that_creates_it(empty_dsn: str) -> None:
    with connect(empty_dsn, "test") as connection, pytest.raises(Fatal, match="xray init"), sorted_errors("look"):
        connection.execute("select from call")


@pytest.mark.integration
def test_a_null_character_is_the_values_fault(reader: Connection) -> None:
    with pytest.raises(Rejected) as refusal, sorted_errors("look"):
        reader.execute("select %s::text", ["\0"])
    assert refusal.value.reason == "not_storable"
    assert isinstance(refusal.value.__cause__, psycopg.DataError)


@pytest.mark.integration
def test_a_lock_is_waited_for_longer_than_a_statement_may_take(empty_dsn: str) -> None:
    with connect(empty_dsn, "holder") as holder, connect(empty_dsn, "waiting") as waiting:
        wait_for_lock(holder, "test")
        waiting.execute("set statement_timeout = 200")
        thread = threading.Thread(target=wait_for_lock, args=(waiting, "test"))
        thread.start()
        thread.join(1)
        assert thread.is_alive()
        holder.execute("select pg_advisory_unlock_all()")
        thread.join(10)
        assert lock_holder(holder, "test") is not None
