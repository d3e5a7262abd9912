"""The system under test: servers of its own, a proxy in front of each, and two workers of every service."""

import asyncio
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from deploy.local.servers.kafka import PROXY_PORTS
from deploy.local.stack import Stack
from services.chaos.proxy import Proxies
from services.chaos.stream import CODECS, MISSING_BUCKET, Codec, Outgoing
from services.common import ports
from services.common.errors import Fatal
from services.common.kafka.clients import open_producer
from services.common.loop import fault_points
from services.common.ports import LOOPBACK
from services.common.settings import ServiceSettings, Settings, settings_of
from services.common.store import ObjectStore
from services.common.topics import IMAGES
from services.common.topology import PIPELINE
from services.operations.processes import Processes
from services.operations.provisioning import prepare

POOLS: Final = ("one", "two")
"""Each holds a worker of every service."""
EXTRA: Final = "extra"
"""Holds the workers that join for a while."""
READY_SECONDS: Final = 120.0
_ACKNOWLEDGED_SECONDS: Final = 120
_CONNECT_SECONDS: Final = 0.3
_LOG_LINES: Final = 4
_PROXIED: Final = {"kafka": PROXY_PORTS[0], "seaweedfs": "s3", "triton": "grpc", "postgres": "postgres"}
"""The port of each server that the proxy connects to."""
Position = tuple[int, int]
"""Partition and offset on `xray.images`."""
Worker = tuple[str, str]
"""Pool and service."""


class System:
    """Servers, proxies and workers, with the actions of a centre and of the faults."""

    def __init__(
        self, stack: Stack, proxies: Proxies, environment: Mapping[str, str], folder: Path, hanging_port: int
    ) -> None:
        """Use servers that run; `environment` is that of the workers, none of which starts before `start`.

        `hanging_port` is that of a host that accepts connections and never answers.
        """
        self.stack, self.proxies, self.hanging_port = stack, proxies, hanging_port
        self.settings = ServiceSettings.model_validate(settings_of(stack.environment()).model_dump())
        self.points = folder / "points"
        self.points.mkdir()
        environment = {**environment, fault_points.VARIABLE: str(self.points)}
        self.pools = {name: Processes(PIPELINE, environment, folder / "logs" / name) for name in (*POOLS, EXTRA)}
        self.problems: list[str] = []
        """Exits of workers that no fault explains."""
        self._expected_exits: set[int] = set()
        self._producers = {codec: self._producer(codec) for codec in CODECS if codec != "snappy"}

    def start(self) -> None:
        """Start two workers of every service and wait until all are ready."""
        for pool in POOLS:
            self.pools[pool].start(PIPELINE)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return once every worker is ready; raises Retriable when that takes too long."""
        for pool in POOLS:
            self.pools[pool].wait_ready(READY_SECONDS)

    def close(self) -> None:
        """Continue what is stopped, then end all workers."""
        for worker in self.workers(alive=True):
            with suppress(ProcessLookupError):
                os.kill(self.pid(worker), signal.SIGCONT)
        for pool in self.pools.values():
            pool.stop()
        for producer in self._producers.values():
            producer.close(timeout=1)

    def workers(self, *, alive: bool = False) -> list[Worker]:
        """Return the workers that should run, or every worker that runs now."""
        if not alive:
            return [(pool, name) for pool in POOLS for name in PIPELINE]
        return [(pool, name) for pool in self.pools for name in PIPELINE if self.pools[pool].alive(name)]

    def pid(self, worker: Worker) -> int:
        """Return the process id of a worker that was started."""
        return self.pools[worker[0]].pid(worker[1])

    def expect_exit(self, pid: int) -> None:
        """Take note that a fault ends this process."""
        self._expected_exits.add(pid)

    def revive(self) -> None:
        """Start every worker and server that has exited again; note each exit of a worker that no fault explains.

        Triton 2.51 may end some seconds after it was frozen: its health check takes the Python programs for dead.
        """
        for name, server in self.stack.servers.items():
            if server.process.pid() is None:
                self.stack.start(name)
        for pool, name in self.workers():
            processes = self.pools[pool]
            if processes.alive(name):
                continue
            pid, code = processes.pid(name), processes.exit_code(name)
            if pid not in self._expected_exits:
                tail = "\n".join(processes.log_tail(name).splitlines()[-_LOG_LINES:])
                self.problems.append(f"a worker of {name} exited with {code}; its log ends:\n{tail}")
            processes.start([name])

    def send(self, records: Sequence[Outgoing], pause: float = 0.0) -> list[Position]:
        """Publish, `pause` seconds apart, not through the proxy; return the position of each record."""
        sent: list[Callable[[], Any]] = []
        for record in records:
            sent.append(self._sent(record))
            time.sleep(pause)
        return [(one.partition, one.offset) for one in (acknowledged() for acknowledged in sent)]

    def upload(self, files: Mapping[str, bytes]) -> None:
        """Put files into the bucket."""
        store = ObjectStore(self.settings)
        for key, data in files.items():
            store.put(key, data)

    def _sent(self, record: Outgoing) -> Callable[[], Any]:
        """Send a record; the returned function waits until the broker has stored it."""
        if record.codec == "snappy":  # kafka-python reads it, but writes it only with another library
            found = asyncio.run(_sent_with_aiokafka(self.settings, record))
            return lambda: found
        producer = self._producers[record.codec]
        future = producer.send(IMAGES.name, key=record.key, value=record.value, headers=list(record.headers))
        return partial(future.get, timeout=_ACKNOWLEDGED_SECONDS)

    def _producer(self, codec: Codec | None) -> Any:
        waiting = {"delivery_timeout_ms": _ACKNOWLEDGED_SECONDS * 1000, "max_block_ms": _ACKNOWLEDGED_SECONDS * 1000}
        return open_producer(self.settings, compression_type=codec, max_request_size=1 << 28, **waiting)


async def _sent_with_aiokafka(settings: Settings, record: Outgoing) -> Any:
    producer = await _connected(settings, record.codec)
    try:
        return await producer.send_and_wait(IMAGES.name, record.value, key=record.key)
    finally:
        await producer.stop()


async def _connected(settings: Settings, codec: Codec | None) -> AIOKafkaProducer:
    """Return a connected producer. aiokafka tries once, but Kafka may be away: that is one of the faults."""
    deadline = time.monotonic() + _ACKNOWLEDGED_SECONDS
    while True:
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            compression_type=codec,
            enable_idempotence=True,
            request_timeout_ms=_ACKNOWLEDGED_SECONDS * 1000,
        )
        try:
            await producer.start()
        except KafkaConnectionError:
            await producer.stop()
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_CONNECT_SECONDS)
        else:
            return producer


@contextmanager
def running(folder: Path, on_progress: Callable[[str, str], None]) -> Iterator[System]:
    """Start everything in an empty folder, and stop and delete it at the end, but for the logs of the workers.

    `on_progress` receives a server's name and a message. Raises Fatal if the folder is in use.
    """
    _clear(folder)
    stack = Stack(folder / "stack", tied=True)
    stack.folder.create()
    stack.folder.choose_ports("kafka", (*stack.servers["kafka"].port_names, *PROXY_PORTS))
    with socket.create_server((LOOPBACK, 0)) as hanging:
        try:
            stack.up(progress=on_progress)
            taken = [port for server in stack.servers.values() for port in server.ports.values()]
            listening = dict(zip(_PROXIED, ports.choose(len(_PROXIED), taken), strict=True))
            listening["kafka"] = stack.servers["kafka"].ports[PROXY_PORTS[1]]
            behind = {name: stack.servers[name].ports[port] for name, port in _PROXIED.items()}
            with Proxies({name: (listening[name], behind[name]) for name in _PROXIED}) as proxies:
                hanging_port = hanging.getsockname()[1]
                environment = _environment(stack.environment(), listening, hanging_port)
                with _started(System(stack, proxies, environment, folder, hanging_port)) as system:
                    yield system
        finally:
            stack.down(progress=on_progress)
            stack.clear()


@contextmanager
def _started(system: System) -> Iterator[System]:
    try:
        list(prepare(system.settings))
        system.start()
        yield system
    finally:
        system.close()


def _clear(folder: Path) -> None:
    for name in ("logs", "points"):
        shutil.rmtree(folder / name, ignore_errors=True)
    stack = Stack(folder / "stack")
    if any(one.state != "stopped" for one in stack.status()):
        raise Fatal(f"the servers in {stack.folder.root} run: another `xray chaos` uses this folder")
    stack.clear()


def _environment(stack: Mapping[str, str], listening: Mapping[str, int], hanging_port: int) -> dict[str, str]:
    """Return the variables of the workers, which reach every server through its proxy."""
    host = f"localhost:{hanging_port}"
    return dict(stack) | {
        "XRAY_KAFKA_BOOTSTRAP": f"{LOOPBACK}:{listening['kafka']}",
        "XRAY_S3_ENDPOINT": _through(stack["XRAY_S3_ENDPOINT"], listening["seaweedfs"]),
        "XRAY_TRITON_GRPC": f"{LOOPBACK}:{listening['triton']}",
        "XRAY_POSTGRES_DSN": _through(stack["XRAY_POSTGRES_DSN"], listening["postgres"]),
        "XRAY_SESSION_TIMEOUT_MS": "6000",
        "XRAY_HTTPS_HOSTS": host,
        "XRAY_PRIVATE_HOSTS": "localhost",
        "XRAY_HTTPS_SECONDS": "1",
        "XRAY_SOURCE_RETRY_HOURS": "0.01",
        "XRAY_SOURCE_BUCKETS": MISSING_BUCKET,
    }


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    address = parts.netloc.rpartition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{address}:{port}"))
