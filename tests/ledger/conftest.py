"""A real PostgreSQL for this folder only, because its tests restart it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from psycopg import conninfo, sql

from deploy.local.stack import Stack
from services.ledger.database import Connection, connect
from services.ledger.migrate import migrate
from services.ledger.writer import Ledger


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in which only PostgreSQL runs."""
    servers = Stack(tmp_path_factory.mktemp("postgres"), tied=True)
    servers.up(["postgres"])
    yield servers
    servers.down()


@contextmanager
def _database(postgres: Stack, name: str) -> Iterator[str]:
    server = postgres.environment()["XRAY_POSTGRES_DSN"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    yield conninfo.make_conninfo(server, dbname=name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def empty_dsn(postgres: Stack) -> Iterator[str]:
    """Connection string of a database without tables."""
    with _database(postgres, "without_tables") as dsn:
        yield dsn


@pytest.fixture(scope="session")
def _migrated(postgres: Stack) -> Iterator[str]:
    with _database(postgres, "ledger") as dsn:
        migrate(dsn)
        yield dsn


@pytest.fixture
def dsn(_migrated: str) -> str:
    """Connection string of an empty ledger."""
    with connect(_migrated, "xray-test") as connection:
        empty(connection)
    return _migrated


@pytest.fixture
def reader(dsn: str) -> Iterator[Connection]:
    """Connection for queries."""
    with connect(dsn, "xray-test") as connection:
        yield connection


@pytest.fixture
def ledger(dsn: str) -> Iterator[Ledger]:
    """The ledger as a sink worker opens it."""
    with closing(Ledger(dsn)) as one:
        yield one


def empty(connection: Connection) -> None:
    """Delete every row, for tests that write many examples to one ledger."""
    connection.execute(
        "truncate specimen, image, view, image_view, call, call_withdrawal, call_abstention, call_output, withdrawal, "
        "shadow_call, review, rejection restart identity"
    )
