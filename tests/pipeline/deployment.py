"""The whole system on its own real servers, for the end-to-end and crash tests."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaProducer
from psycopg.rows import tuple_row

from deploy.local.stack import Stack
from services.common.events import ImageEvent
from services.common.keys import original_key
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.common.topics import IMAGES
from services.common.topology import PIPELINE
from services.operations.processes import Processes
from services.operations.provisioning import prepare


@dataclass(frozen=True)
class Picture:
    """One image as a centre stores it."""

    specimen: str
    centre: str
    parameter: str
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Call:
    """The parts of a call that must be the same however the system was disturbed."""

    revision: int
    call_id: str


class Deployment:
    """Servers and services, with the actions of a centre and a subscriber."""

    def __init__(self, stack: Stack, logs: Path, environment: Mapping[str, str]) -> None:
        self.stack = stack
        self.environment = stack.environment() | dict(environment)
        self.settings = Settings.model_validate(
            {name.removeprefix("XRAY_").lower(): value for name, value in self.environment.items()}
        )
        self.services = Processes(PIPELINE, self.environment, logs)
        self.store = ObjectStore(self.settings)

    def upload(self, pictures: Iterable[Picture]) -> list[ImageEvent]:
        """Put the files into the bucket; returns the events to announce."""
        return [self._upload(picture) for picture in pictures]

    def announce(self, events: Iterable[ImageEvent], pause: float = 0.0) -> None:
        """Publish, `pause` seconds apart, and wait for the broker's acknowledgement."""
        self.publish([(event.key.encode(), event.encode()) for event in events], pause)

    def publish(self, records: Iterable[tuple[bytes, bytes]], pause: float = 0.0) -> None:
        """Publish any key and value on xray.images."""
        producer = KafkaProducer(
            bootstrap_servers=self.settings.kafka_bootstrap,
            delivery_timeout_ms=120_000,
            max_block_ms=120_000,
            reconnect_backoff_max_ms=1000,
        )
        futures = []
        for key, value in records:
            futures.append(producer.send(IMAGES.name, key=key, value=value))
            time.sleep(pause)
        for future in futures:
            future.get(timeout=120)
        producer.close()

    def calls(self) -> dict[str, Call]:
        """Return the current call of every specimen in the ledger."""
        rows = self.query("select biological_sample_id, revision, call_id from current_call")
        return {specimen: Call(revision, call_id) for specimen, revision, call_id in rows}

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Query the ledger."""
        dsn = self.settings.postgres_dsn.get_secret_value()
        with psycopg.connect(dsn, row_factory=tuple_row) as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statements: str) -> None:
        """Change the ledger behind the system's back."""
        with psycopg.connect(self.settings.postgres_dsn.get_secret_value()) as connection:
            connection.execute(statements.encode())

    def wait_for(self, revisions: Mapping[str, int], seconds: float = 120) -> dict[str, Call]:
        """Wait until these specimens have a call of this revision; on failure the message lists the missing ones."""
        deadline = time.monotonic() + seconds
        while True:
            calls = self._calls_if_up()
            missing = {s: r for s, r in revisions.items() if s not in calls or calls[s].revision < r}
            if not missing:
                return calls
            if time.monotonic() > deadline:
                found = {specimen: calls[specimen].revision for specimen in missing if specimen in calls}
                raise AssertionError(f"no call after {seconds} s: expected {missing}, found {found}")
            self.services.restart_crashed()
            time.sleep(0.2)

    def _calls_if_up(self) -> dict[str, Call]:
        try:
            return self.calls()
        except psycopg.OperationalError:  # killed by a test a moment ago
            return {}

    def _upload(self, picture: Picture) -> ImageEvent:
        key = original_key(picture.sha256)
        self.store.put(key, picture.data)
        return ImageEvent(
            biological_sample_id=picture.specimen,
            centre=picture.centre,
            parameter_stable_id=picture.parameter,
            image_uri=f"s3://{self.store.bucket}/{key}",
            sha256=picture.sha256,
        )


@contextmanager
def deployed(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Deployment]:
    """Start servers in `folder` and all services; stop everything at the end."""
    stack = Stack(folder / "stack", tied=True)
    try:
        stack.up()
        deployment = Deployment(stack, folder / "logs", environment or {})
        list(prepare(deployment.settings))
        with deployment.services:
            deployment.services.wait_ready(seconds=180)
            yield deployment
    finally:
        stack.down()
