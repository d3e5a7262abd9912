"""The resumable subscriber with a real broker and a real database, killed halfway."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import TopicPartition
from kafka.admin import OffsetSpec

from deploy.local.stack import Stack
from services.common.events import CallWithdrawal, PhenotypeCall
from services.common.kafka.clients import administrator
from services.common.loop import Message
from services.common.loop.transport import KafkaTransport
from services.common.settings import ServiceSettings
from services.common.topics import CALLS
from tests.ledger.examples import call, call_withdrawal

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GROUP = "phenotype-database"


@contextmanager
def subscriber(servers: Stack, dsn: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | servers.environment() | {"SUBSCRIBER_DSN": dsn}
    command = [sys.executable, str(EXAMPLES / "resumable_subscriber.py")]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def rank(one: PhenotypeCall | CallWithdrawal) -> tuple[int, int, int, str]:
    return one.preprocessing_generation, one.revision, one.activation, one.call_id


def held(dsn: str) -> dict[str, tuple[Any, ...]]:
    query = """
        select biological_sample_id, preprocessing_generation, revision, activation, call_id, vector, call->>'centre',
            status
        from phenotype_call
    """
    with psycopg.connect(dsn) as connection:
        if connection.execute("select to_regclass('phenotype_call')").fetchone() == (None,):
            return {}
        return {row[0]: row[1:] for row in connection.execute(query)}


def lag(servers: Stack) -> int:
    """Number of records that the subscriber's group has not committed yet."""
    cluster = settings(servers)
    where = [TopicPartition(CALLS.name, number) for number in range(cluster.partitions)]
    with administrator(cluster) as admin:
        committed = admin.list_group_offsets(GROUP).get(GROUP, {})
        ends = admin.list_partition_offsets(dict.fromkeys(where, OffsetSpec.LATEST))
    return sum(ends[one].offset - (committed[one].offset if one in committed else 0) for one in where)


def settings(servers: Stack) -> ServiceSettings:
    values = {name.removeprefix("XRAY_").lower(): value for name, value in servers.environment().items()}
    return ServiceSettings.model_validate(values)


def wait(reached: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.2)


def test_the_current_calls_are_kept_through_kill_and_repetition(servers: Stack, dsn: str) -> None:
    made = [
        call(f"m{specimen}", revision=revision, generation=generation, activation=activation)
        for specimen in range(60)
        for generation, revision, activation in ((1, 2, 1), (1, 3, 1), (1, 2, 2), (2, 2, 1), (2, 2, 2))
    ]
    lost = call_withdrawal("m0", generation=3), call_withdrawal("m1", generation=1, revision=9)
    calls: list[PhenotypeCall | CallWithdrawal] = [*made, *lost]
    random.Random(7).shuffle(calls)
    current = {one.biological_sample_id: one for one in sorted(calls, key=rank)}
    half = len(calls) // 2
    with closing(KafkaTransport(settings(servers), "test", [])) as producer:
        producer.publish([Message(CALLS, one) for one in calls[:half]])
        with subscriber(servers, dsn) as process:
            wait(lambda: len(held(dsn)) > 5)
            process.kill()
        producer.publish([Message(CALLS, one) for one in [*calls[half:], *calls[: half // 2]]])
        with subscriber(servers, dsn) as process:
            wait(
                lambda: {name: row[3] for name, row in held(dsn).items()} == {n: c.call_id for n, c in current.items()}
            )
            wait(lambda: lag(servers) == 0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    assert {name: row[:4] for name, row in held(dsn).items()} == {name: rank(one) for name, one in current.items()}
    rest = {name: row[4:] for name, row in held(dsn).items()}
    assert rest.pop("m0") == (None, "JAX", "withdrawn")
    assert all(row == (list(made[0].vector), "JAX", "called") for row in rest.values())
