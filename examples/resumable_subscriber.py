"""Keep the current phenotype call of every specimen in your own PostgreSQL. A restart resumes where it stopped.

    pip install kafka-python "psycopg[binary]"       # this project is not needed
    XRAY_KAFKA_BOOTSTRAP=broker:9092 SUBSCRIBER_DSN=postgresql://user@host/database python resumable_subscriber.py

Rows are committed before the offsets, so some records arrive twice after a crash between the two. The upsert makes that
harmless, and never replaces a call by one of lower rank, whatever the order of arrival. An error of Kafka or PostgreSQL
stops the program: run it under a supervisor that restarts it.
"""

import json
import logging
import os
import signal
import threading

import psycopg
from kafka import KafkaConsumer
from psycopg.types.json import Jsonb

SCHEMA_VERSION = 1
TABLE = """
    create table if not exists phenotype_call (
        biological_sample_id text primary key,
        centre text not null,
        status text not null,
        labels text[],
        vector smallint[],
        abnormal boolean,
        preprocessing_generation integer not null,
        revision integer not null,
        activation integer not null,
        call_id text collate "C" not null,
        produced_at timestamptz not null,
        call jsonb not null
    )
"""
UPSERT = """
    insert into phenotype_call as held values (
        %(biological_sample_id)s, %(centre)s, %(status)s, %(labels)s, %(vector)s, %(abnormal)s,
        %(preprocessing_generation)s, %(revision)s, %(activation)s, %(call_id)s, %(produced_at)s, %(call)s
    )
    on conflict (biological_sample_id) do update set (
        centre, status, labels, vector, abnormal, preprocessing_generation, revision, activation, call_id,
        produced_at, call
    ) = (
        excluded.centre, excluded.status, excluded.labels, excluded.vector, excluded.abnormal,
        excluded.preprocessing_generation, excluded.revision, excluded.activation, excluded.call_id,
        excluded.produced_at, excluded.call
    )
    where (excluded.preprocessing_generation, excluded.revision, excluded.activation, excluded.call_id)
        > (held.preprocessing_generation, held.revision, held.activation, held.call_id)
"""
"""The current call has the highest (preprocessing generation, revision, activation). Ties are broken by call id."""

CALLED = {"status": "called", "labels": None, "vector": None, "abnormal": None}
"""A record in place of a call has the `status` `withdrawn` or `abstained`, and no labels. It ranks like a call."""

log = logging.getLogger("subscriber")


def row(value: bytes) -> dict[str, object]:
    """Return the columns of one message. Exits if the schema version is unknown."""
    call: dict[str, object] = json.loads(value)
    if call["schema_version"] != SCHEMA_VERSION:
        raise SystemExit(f"schema_version {call['schema_version']} is not {SCHEMA_VERSION}: update this program")
    return CALLED | call | {"call": Jsonb(call)}


def run(consumer: KafkaConsumer, database: psycopg.Connection, stop: threading.Event) -> None:
    """Poll, store and commit until `stop` is set."""
    while not stop.is_set():
        batch = consumer.poll(timeout_ms=500, max_records=500)
        rows = [row(record.value) for records in batch.values() for record in records if record.value]
        if not rows:
            continue
        with database.transaction():
            database.cursor().executemany(UPSERT, rows)
        consumer.commit()
        log.info("%d calls read", len(rows))


def main() -> None:
    """Connect, then run until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with psycopg.connect(os.environ["SUBSCRIBER_DSN"], autocommit=True) as database:
        database.execute(TABLE)
        consumer = KafkaConsumer(
            "phenotype.calls",
            bootstrap_servers=os.environ.get("XRAY_KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
            group_id=os.environ.get("SUBSCRIBER_GROUP", "phenotype-database"),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            run(consumer, database, stop)
        finally:
            consumer.close(autocommit=False)


if __name__ == "__main__":
    main()
