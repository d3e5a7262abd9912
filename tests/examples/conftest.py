"""Kafka and PostgreSQL for the examples."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import conninfo, sql

from deploy.local.stack import Stack
from services.common.settings import settings_of
from services.operations.provisioning import ensure_topics


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka with the topics, and PostgreSQL."""
    stack = Stack(tmp_path_factory.mktemp("examples"), tied=True)
    stack.up(["kafka", "postgres"])
    ensure_topics(settings_of(stack.environment()))
    yield stack
    stack.down()


@pytest.fixture
def dsn(servers: Stack) -> str:
    """Connection string of a subscriber's own database."""
    server = servers.environment()["XRAY_POSTGRES_DSN"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier("subscriber")))
    return conninfo.make_conninfo(server, dbname="subscriber")
