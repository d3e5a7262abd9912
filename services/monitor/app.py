"""The monitor as a Faust app: an agent that counts, and a timer that closes windows.

`Progress` knows how far the app has read, and so up to which moment windows may be closed, and what prevents that.
"""

import asyncio
import logging
import math
import os
import time
from pathlib import Path
from typing import Any, Final, NoReturn

import faust
import structlog
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)

from services.common import metrics as common_metrics
from services.common.errors import Fatal, Retriable
from services.common.events import CentreStatistics
from services.common.kafka.clients import bootstrap_servers
from services.common.kafka.security import tls_context
from services.common.process import EXIT_FATAL
from services.common.topics import STATISTICS
from services.common.topology import MONITOR
from services.monitor import client, metrics
from services.monitor.closing import StatisticsHistory, due
from services.monitor.cluster import TABLE, Cluster, app_name
from services.monitor.settings import MonitorSettings
from services.monitor.tables import StatisticsCounter, Window, WindowTable

_SETTLED_SECONDS: Final = 5.0


class Progress:
    """Follows a Faust app's agent through its partitions."""

    def __init__(self, app: Any, partitions: int) -> None:
        """Follow an app that reads `partitions` partitions of each topic."""
        self._app, self._wanted = app, partitions * len(MONITOR.inputs)
        self._read: dict[tuple[str, int], tuple[int, float]] = {}
        self._noted_at: dict[tuple[str, int], float] = {}

    def note(self, message: Any) -> None:
        """Take note of a record that was counted."""
        self._read[message.topic, message.partition] = (message.offset + 1, message.timestamp)
        self._noted_at[message.topic, message.partition] = time.monotonic()

    def hindrance(self) -> str | None:
        """Return why windows cannot be closed at present, or None."""
        if self._app.rebalancing or not self.assigned():
            return "waiting for its partitions"
        if self._app.in_recovery:
            return "reading its tables back"
        missing = self._wanted - len(self.assigned())
        return f"another worker holds {missing} partitions; run one monitor per deployment" if missing else None

    async def watermark(self, present: float) -> float:
        """Return the present if everything is read, else the oldest moment (Unix time) that a backlog has reached.

        So a window is not closed while a backlog still adds to it.
        """
        assigned = self.assigned()
        ends = await self._app.consumer.highwaters(*assigned)
        behind = [where for where in assigned if await self._next(where) < (ends.get(where) or 0)]
        return min([present, *(self._read.get((where.topic, where.partition), (0, 0.0))[1] for where in behind)])

    async def _next(self, where: Any) -> int:
        """Return the offset up to which everything is counted.

        Faust does not see the end of a transaction, nor the records of an aborted one. So what it has fetched counts as
        read once no record has come out of it for some seconds.
        """
        key = (where.topic, where.partition)
        fetched = int(await self._app.consumer.position(where) or 0)
        if key not in self._read:
            return fetched
        settled = time.monotonic() - self._noted_at[key] > _SETTLED_SECONDS
        return max(fetched, self._read[key][0]) if settled else self._read[key][0]

    def assigned(self) -> list[Any]:
        """Return the partitions of the source topics that this worker holds."""
        return [where for where in self._app.consumer.assignment() if where.topic in MONITOR.inputs_by_name]


log = structlog.get_logger()

TICK_SECONDS: Final = 1.0
EXIT_BROKEN: Final = 1
_REFUSED: Final = (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)
"""Errors of Faust's client, aiokafka, that a retry cannot solve; services/common/kafka/errors.py has kafka-python's."""
_STORE: Final = {"driver": "rocksdict", "block_cache_size": 8 << 20, "write_buffer_size": 4 << 20}
"""Faust's default cache is 2 GiB per partition."""


class Monitor:
    """The app with its table, and its state for the health checks."""

    def __init__(self, settings: MonitorSettings, cluster: Cluster) -> None:
        """Build the app and create the table's folder. Nothing runs before a Faust worker takes `app`."""
        self._settings = settings
        self._windows = settings.windows()
        self.app = _app(settings, cluster)
        table = self.app.Table(TABLE, key_type=str, partitions=cluster.partitions, options=dict(_STORE))
        self._table = WindowTable(table, cluster.partitions)
        self._counting = StatisticsCounter(self._table, self._windows)
        self._progress = Progress(self.app, cluster.partitions)
        kept = (settings.monitor_kept_seconds + settings.monitor_grace_seconds) // settings.monitor_window_seconds + 2
        self._history = StatisticsHistory(
            settings, settings.monitor_window_seconds, settings.monitor_reference_windows + kept
        )
        self._statistics = self.app.topic(STATISTICS.name, key_serializer="raw", value_serializer="raw", partitions=1)
        self._since = time.time()
        self._shown = False
        self._published: dict[Window, float] = {}
        self.waiting: str | None = "starting"
        """Why no window could be closed at present, for the readiness check."""
        self.last_beat = time.monotonic()
        self._register(table)

    def _register(self, table: Any) -> None:
        source = self.app.topic(
            *MONITOR.inputs_by_name,
            key_serializer="raw",
            value_serializer="raw",
            allow_empty=True,
            partitions=table.partitions,
        )

        async def count(stream: Any) -> None:
            async for event in stream.events():
                self._count(event.message)

        async def recovered() -> None:
            self._counting.recovered()

        async def heartbeat() -> None:
            self.last_beat = time.monotonic()
            common_metrics.record_poll(MONITOR.name, len(self._progress.assigned()))

        async def close() -> None:
            await self._tick()

        self.app.agent(source, name=MONITOR.name, concurrency=1)(count)
        table.on_recover(recovered)
        for task in (heartbeat, close):
            self.app.timer(interval=TICK_SECONDS)(task)

    def _count(self, message: Any) -> None:
        """Count a record, or exit: Faust would acknowledge a record whose counting failed."""
        try:
            self._counting.take(message.topic, message.partition, message.timestamp, message.value)
            self._progress.note(message)
        except Exception:  # noqa: BLE001 - the process exits
            _exit(EXIT_BROKEN, "could not count", topic=message.topic, offset=message.offset, exc_info=True)

    async def _tick(self) -> None:
        """Close the windows that are due; a server that is away delays that, a misconfiguration ends the process."""
        try:
            hindrance = self._progress.hindrance()
            if hindrance is None:
                await self._close()
            # Only now ready: the first time, closing also exports what was published before.
            self.waiting = hindrance
        except Fatal as fatal:
            _exit(EXIT_FATAL, str(fatal))
        except _REFUSED as error:
            _exit(
                EXIT_FATAL,
                f"Kafka refused: {error!r}; check XRAY_KAFKA_BOOTSTRAP and the access rights (`xray access`)",
            )
        except (Retriable, KafkaError, TimeoutError) as error:
            self.waiting = f"Kafka away: {error!r}"
            log.warning("could not close windows, will try again", why=self.waiting)

    async def _close(self) -> None:
        if not self._shown:
            await asyncio.to_thread(self._history.refresh)
            for window in self._history.newest():
                metrics.closed(window)
            self._shown = True
        present = time.time()
        if not self._closable(present):
            return
        closable = self._closable(await self._progress.watermark(present))
        await asyncio.to_thread(self._history.refresh)
        self._counting.grown -= closable
        try:
            for window in due(closable, self._table.counters, self._history, self._settings, self._since):
                await self._publish(window)
        except BaseException:
            self._counting.grown |= closable
            raise

    def _closable(self, now: float) -> set[Window]:
        """Return the closed windows that have grown; a window is published again only after another grace period."""
        return {
            window
            for window in self._counting.grown
            if self._windows.closed(window[0], now)
            and self._published.get(window, -math.inf) + self._windows.grace <= time.monotonic()
        }

    async def _publish(self, window: CentreStatistics) -> None:
        start = int(window.window_start.timestamp())
        again = self._history.total(window.centre, start) > 0
        await (await self._statistics.send(key=window.key.encode(), value=window.encode()))
        metrics.PUBLISHED.labels("again" if again else "first").inc()
        self._published[start, window.centre] = time.monotonic()
        if self._history.is_newest(window):
            metrics.closed(window)
        drifted = [one.measure for one in window.drift if one.drifted]
        log.info("window closed", centre=window.centre, start=str(window.window_start), drifted=drifted, again=again)


def _exit(code: int, why: str, **details: Any) -> NoReturn:
    log.critical("stopped", why=why, **details)
    logging.shutdown()
    os._exit(code)


def _app(settings: MonitorSettings, cluster: Cluster) -> Any:
    name = app_name(settings)
    # Faust creates only the last folder of the path.
    folder: Path = settings.monitor_folder.expanduser() / cluster.id / name
    folder.mkdir(parents=True, exist_ok=True)
    timeout = settings.session_timeout_ms / 1000
    app = faust.App(
        name,
        broker=[f"kafka://{address}" for address in bootstrap_servers(settings)],
        broker_credentials=credentials(settings),
        store="rocksdb://",
        datadir=folder,
        autodiscover=False,
        processing_guarantee="at_least_once",
        topic_partitions=cluster.partitions,
        topic_replication_factor=settings.replication,
        topic_disable_leader=True,
        web_enabled=False,
        table_standby_replicas=0,
        broker_commit_interval=1.0,
        broker_session_timeout=timeout,
        broker_heartbeat_interval=timeout / 4,
        producer_acks=-1,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=True,
        broker_max_poll_records=client.BUFFERED_RECORDS,
        stream_buffer_maxsize=client.BUFFERED_RECORDS,
    )
    return client.install(app)


def credentials(settings: MonitorSettings) -> Any:
    """Return what Faust's client presents to the broker; None for an open one."""
    context = tls_context(settings)
    if settings.kafka_security.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            ssl_context=context,
            mechanism=settings.kafka_mechanism,
        )
    return context
