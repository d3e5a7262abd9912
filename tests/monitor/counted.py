"""A broker, a ledger and the monitor, and what tests send and expect."""

import random
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from deploy.local.stack import Stack
from services.common.events import CentreStatistics, Event, ImageEvent, PhenotypeCall, Rejection, ViewReady
from services.common.kafka.clients import administrator
from services.common.settings import Settings, settings_of
from services.common.topics import CALLS, IMAGES, REJECTED, VIEWS
from services.ledger.migrate import migrate
from services.monitor.closing import StatisticsHistory
from services.operations.processes import Processes
from services.operations.provisioning import ensure_topics
from tests.ledger.examples import call, image, rejection, view

LENGTH = 60
_TOPICS: dict[type[Event], str] = {
    ImageEvent: IMAGES.name,
    ViewReady: VIEWS.name,
    PhenotypeCall: CALLS.name,
    Rejection: REJECTED.name,
}


@dataclass(frozen=True)
class Sent:
    """An event and when its image was announced, which is the timestamp of an image's record."""

    event: Event
    announced_at: datetime


def window_start(hours_ago: float) -> datetime:
    """The start of a window that closed long ago, so it is published as soon as it is counted."""
    return datetime.fromtimestamp((time.time() - hours_ago * 3600) // LENGTH * LENGTH, UTC)


def sendings(centre: str, start: datetime, count: int, contrast: float = 0.45, tag: str = "") -> list[Sent]:
    """The events of `count` specimens with one image each; every tenth image is refused."""
    dice = random.Random(f"{centre} {start} {tag}")
    sent: list[Sent] = []
    for number in range(count):
        name = f"{centre}-{start.timestamp():.0f}-{tag}{number}"
        announced = start + timedelta(seconds=dice.uniform(0, LENGTH - 1))
        events: list[Event] = [image(name, name=name, centre=centre)]
        events += _called(name, centre, announced, contrast, dice) if number % 10 else _refused(name, announced, dice)
        sent += [Sent(event, announced) for event in events]
    return sent


def _refused(name: str, announced: datetime, dice: random.Random) -> list[Event]:
    return [rejection(name, dice.randrange(2**40), centre=name.partition("-")[0], source_timestamp=announced)]


def _called(name: str, centre: str, announced: datetime, contrast: float, dice: random.Random) -> list[Event]:
    scores = {"contrast": dice.gauss(contrast, 0.08), "saturated": 0.03}
    abnormal = dice.random() < 0.2
    vector = (0, int(abnormal), *(0,) * 11)
    return [
        view(name, name=name, centre=centre, scores=scores, announced_at=announced),
        call(name, centre=centre, announced_at=announced, vector=vector, abnormal=abnormal, uncertain=()),
    ]


class Counted:
    """Kafka and PostgreSQL with topics and tables, and the environment of the processes."""

    def __init__(self, stack: Stack, tables: Path, **monitor: str) -> None:
        self.stack, self.tables = stack, tables
        self.environment = stack.environment() | {
            "XRAY_PARTITIONS": "4",
            "XRAY_MONITOR_FOLDER": str(tables),
            "XRAY_MONITOR_WINDOW_SECONDS": str(LENGTH),
            "XRAY_MONITOR_GRACE_SECONDS": "1",
            "XRAY_MONITOR_LEAST_COUNT": "40",
            **monitor,
        }
        self.settings: Settings = settings_of(self.environment)
        ensure_topics(self.settings)
        self._take_the_time_of_a_record()
        migrate(self.settings.postgres_dsn.get_secret_value())

    def _take_the_time_of_a_record(self) -> None:
        """Have announcements count in windows of the past: their topic otherwise has the broker's time."""
        with administrator(self.settings) as admin:
            configuration = {"message.timestamp.type": "CreateTime"}
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, IMAGES.name, configuration)])

    def send(self, sendings: Iterable[Sent], pause: float = 0.0) -> None:
        """Publish, `pause` seconds apart, and wait for the broker's acknowledgement."""
        producer: Any = KafkaProducer(
            bootstrap_servers=self.settings.kafka_bootstrap, delivery_timeout_ms=120_000, max_block_ms=120_000
        )
        futures = []
        for one in sendings:
            at = int(one.announced_at.timestamp() * 1000) if isinstance(one.event, ImageEvent) else None
            topic, key = _TOPICS[type(one.event)], one.event.key.encode()
            futures.append(producer.send(topic, key=key, value=one.event.encode(), timestamp_ms=at))
            time.sleep(pause)
        for future in futures:
            future.get(timeout=120)
        producer.close()

    def published(self) -> dict[tuple[str, datetime], CentreStatistics]:
        """The newest statistics of every window on the topic."""
        with closing(StatisticsHistory(self.settings, LENGTH, 1000)) as history:
            history.refresh()
            return {
                (window.centre, window.window_start): window
                for newest in list(history.newest())
                for window in history.before(newest.centre, int(newest.window_end.timestamp()), 1000)
            }

    def wait_for(
        self, expected: Mapping[tuple[str, datetime], int], services: Processes, seconds: float = 90
    ) -> dict[tuple[str, datetime], CentreStatistics]:
        """Wait until these windows are published with this many images and everything that belongs to them."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.published()
            short = {key: found[key].images if key in found else 0 for key in expected}
            if all(key in found and _whole(found[key], count) for key, count in expected.items()):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"expected {expected}, found {short}; the log ends:\n{services.log_tail('monitor')}"
                )
            services.restart_crashed()
            time.sleep(0.5)

    def ledger(self, centre: str, start: datetime) -> dict[str, Any]:
        """The same counts from the ledger."""
        with psycopg.connect(self.settings.postgres_dsn.get_secret_value()) as connection:
            reasons = connection.execute(
                "select reason, count(*) from rejection where centre = %(centre)s and source_timestamp >= %(start)s "
                "and source_timestamp < %(end)s group by reason",
                {"centre": centre, "start": start, "end": start + timedelta(seconds=LENGTH)},
            ).fetchall()
            counts = {
                name: connection.execute(
                    query.encode(), {"centre": centre, "start": start, "end": start + timedelta(seconds=LENGTH)}
                ).fetchall()[0][0]
                for name, query in _COUNTS.items()
            }
        return counts | {"rejected": dict(reasons)}


def counts_of(window: CentreStatistics) -> dict[str, Any]:
    """The figures that are compared with the ledger."""
    return {
        "images": window.images,
        "accepted": window.accepted,
        "calls": window.calls,
        "abnormal": window.positive["Abnormal"],
        "rejected": window.rejected,
    }


def metric(services: Processes, name: str, **labels: str) -> float | None:
    """The value of one of the monitor's metrics; None if it is missing."""
    with urllib.request.urlopen(f"http://127.0.0.1:{services.port('monitor')}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    expected = {f'{label}="{value}"' for label, value in labels.items()}
    for line in lines:
        if line.startswith(name + "{") and expected <= set(line[len(name) + 1 : line.rindex("}")].split(",")):
            return float(line.rsplit(" ", 1)[1])
    return None


@contextmanager
def counted(folder: Path, **monitor: str) -> Iterator[Counted]:
    """Start a separate broker and database; stop them at the end."""
    stack = Stack(folder / "stack", tied=True)
    try:
        stack.up(["kafka", "postgres"])
        yield Counted(stack, folder / "tables", **monitor)
    finally:
        stack.down()


def _whole(window: CentreStatistics, images: int) -> bool:
    return (
        window.images == window.accepted + sum(window.rejected.values()) == images and window.calls == window.accepted
    )


_IN_WINDOW = "centre = %(centre)s and announced_at >= %(start)s and announced_at < %(end)s"
_COUNTS = {
    "images": f"select count(*) from image where {_IN_WINDOW}",
    "accepted": f"select count(distinct image_event_id) from view where {_IN_WINDOW}",
    "calls": f"select count(*) from call where {_IN_WINDOW}",
    "abnormal": f"select count(*) from call where abnormal and {_IN_WINDOW}",
}
