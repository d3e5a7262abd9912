"""Migrations on a real server."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from services.common.errors import Fatal
from services.ledger.database import Connection, connect
from services.ledger.migrate import check_migrated, migrate, migrations
from services.ledger.writer import Ledger

pytestmark = pytest.mark.integration


def _tables(connection: Connection) -> set[str]:
    found = connection.execute("select relname from pg_class where relnamespace = 'public'::regnamespace")
    return {name for (name,) in found}


def test_the_first_run_applies_everything_and_the_next_nothing(empty_dsn: str) -> None:
    assert migrate(empty_dsn) == [migration.name for migration in migrations()]
    assert migrate(empty_dsn) == []
    with connect(empty_dsn, "test") as connection:
        check_migrated(connection)
        assert _tables(connection) >= {"image", "view", "call", "rejection", "current_call", "specimen_state"}


def test_concurrent_runs_apply_a_migration_once(empty_dsn: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty_dsn] * 4))
    assert sorted(applied) == [[], [], [], [migration.name for migration in migrations()]]


def test_an_applied_migration_must_not_change(empty_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "0001_first.sql"
    file.write_text("create table first ()")
    migrate(empty_dsn, tmp_path)
    file.write_text("create table first (more text)")

    with pytest.raises(Fatal, match="0001_first"):
        migrate(empty_dsn, tmp_path)


def test_later_migrations_follow_and_a_broken_one_changes_nothing(empty_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("create table first ()")
    assert migrate(empty_dsn, tmp_path) == ["0001_first"]
    (tmp_path / "0002_second.sql").write_text("create table second ()")
    (tmp_path / "0003_broken.sql").write_text("create table third (); select 1/0")

    with pytest.raises(Fatal, match="division by zero"):
        migrate(empty_dsn, tmp_path)
    with connect(empty_dsn, "test") as connection:
        assert _tables(connection) & {"first", "second", "third"} == {"first"}

    (tmp_path / "0003_broken.sql").unlink()
    assert migrate(empty_dsn, tmp_path) == ["0002_second"]


@pytest.mark.parametrize("prepared", ["nothing", "an old schema"])
def test_a_sink_before_init_is_fatal(empty_dsn: str, tmp_path: Path, prepared: str) -> None:
    if prepared == "an old schema":
        (tmp_path / "0000_other.sql").write_text("create table other ()")
        migrate(empty_dsn, tmp_path)

    with closing(Ledger(empty_dsn)) as ledger, pytest.raises(Fatal, match="xray init"):
        ledger.check()


def test_a_schema_that_is_ahead_is_accepted(empty_dsn: str) -> None:
    """As during a rolling update: `xray init` of the new version has run, this process has the old one."""
    migrate(empty_dsn)
    with connect(empty_dsn, "test") as connection, closing(Ledger(empty_dsn)) as ledger:
        connection.execute("insert into schema_migration (name, sha256) values ('9999_later', 'x')")
        ledger.check()
    assert migrate(empty_dsn) == []


def test_a_database_that_is_not_utf8_is_rejected(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
    try:
        with pytest.raises(Fatal, match="LATIN1"):
            migrate(conninfo.make_conninfo(empty_dsn, dbname="latin"))
    finally:
        with psycopg.connect(empty_dsn, autocommit=True) as connection:
            connection.execute("drop database latin with (force)")
