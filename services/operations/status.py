"""State of the system now: topics, workers and lag of every service, parked records, and health of every server.

Every server is checked by a real operation, because an open port proves little. All checks run at the same time. A
server that is dead or silent is reported within four seconds, one that answers but does not finish the operation within
ten.
"""

import secrets
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from kafka import TopicPartition
from kafka.admin import OffsetSpec

from services.common.errors import PipelineError, Retriable
from services.common.events.base import now
from services.common.kafka.clients import administrator
from services.common.loop.lag import Lag, LagGauge
from services.common.retry import retry
from services.common.settings import ServiceSettings, Settings
from services.common.store import ObjectStore
from services.common.topics import CENTRE_IMAGES, TOPICS
from services.common.topology import TOPOLOGY
from services.ledger.database import ledger
from services.ledger.migrate import check_migrated
from services.operations.servers import SERVERS, TITLES, UnavailableServer, in_background, problem_of
from services.registry.active_models import ActiveModels
from services.registry.triton_client import ServedModel, connect, ready_versions

_TRIES: Final = 3
_DEADLINE_SECONDS: Final = 10.0
"""For the operation itself: on a busy machine an inference or a new client may take several seconds."""
_PROBE_KEY: Final = "health/probe"
_DID: Final = {
    "kafka": "listed the topics",
    "objects": "wrote and read an object",
    "triton": "ran inference with every model version that serves",
    "postgres": "read the ledger's version",
}
_NAMES: Final = {"objects": "s3"}
Offsets = dict[TopicPartition, int]
Probes = Mapping[str, Future[UnavailableServer | None]]


@dataclass(frozen=True)
class TopicState:
    """One topic: `end_offset` is the sum over its partitions; `missing` when it does not exist."""

    name: str
    partitions: int
    end_offset: int
    missing: bool = False


@dataclass(frozen=True)
class ServiceState:
    """One service: the number of its workers, and the records that wait for it in each topic but retry topics."""

    name: str
    workers: int
    lag: dict[str, int]


@dataclass(frozen=True)
class ParkedRecords:
    """The records of one retry topic, which wait for their source; the first is due at `due_at`, None without any."""

    topic: str
    records: int
    due_at: datetime | None


@dataclass(frozen=True)
class ServerHealth:
    """One server: the operation that was tried, how many seconds it took, and the problem, if any.

    `reachable` is False if it did not accept a connection.
    """

    name: str
    did: str
    seconds: float
    problem: str | None
    reachable: bool = True


@dataclass(frozen=True)
class SystemStatus:
    """The servers, and what Kafka reports of topics, services and parked records: nothing if it does not answer."""

    servers: list[ServerHealth]
    topics: list[TopicState]
    services: list[ServiceState]
    parked: list[ParkedRecords]

    @property
    def nothing_reachable(self) -> bool:
        """Whether no server accepts connections."""
        return not any(one.reachable for one in self.servers)


def system_status(settings: ServiceSettings) -> SystemStatus:
    """Check everything at the same time; never raises for a server that fails, and returns within ten seconds."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    probes: Probes = {
        name: in_background(lambda name=name: problem_of(name, settings))  # type: ignore[misc]
        for name in SERVERS
    }
    attempts = {
        name: in_background(lambda name=name: _checked(name, settings, probes))  # type: ignore[misc]
        for name in SERVERS
    }
    offsets = in_background(lambda: ([], [], []) if probes["kafka"].result() else _patient_offsets(settings))
    servers = [_health(name, attempt, deadline) for name, attempt in attempts.items()]
    try:
        known = offsets.result(max(0.0, deadline - time.monotonic()))
    except (PipelineError, TimeoutError) as error:
        problem = str(error) or f"no answer within {_DEADLINE_SECONDS:.0f} s"
        servers.append(ServerHealth("kafka", "read offsets", _DEADLINE_SECONDS, problem))
        known = ([], [], [])
    return SystemStatus(servers, *known)


def _health(name: str, attempt: Future[ServerHealth], deadline: float) -> ServerHealth:
    try:
        return attempt.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        problem = f"{TITLES[name]} gave no answer within {_DEADLINE_SECONDS:.0f} s ({SERVERS[name]})"
        return ServerHealth(_NAMES.get(name, name), _DID[name], _DEADLINE_SECONDS, problem)


def _checked(name: str, settings: Settings, probes: Probes) -> ServerHealth:
    """Try the operation of a server that answers at all."""
    shown, started = _NAMES.get(name, name), time.perf_counter()
    unavailable = probes[name].result()
    if unavailable is not None:
        took = round(time.perf_counter() - started, 3)
        return ServerHealth(shown, _DID[name], took, unavailable.problem, reachable=unavailable.connected)
    check = _CHECKS[name]
    if name == "triton" and probes["kafka"].result() is not None:
        check = _triton_without_kafka
    started, problem = time.perf_counter(), None
    try:
        check(settings)
    except PipelineError as error:
        problem = str(error)
    return ServerHealth(shown, _DID[name], round(time.perf_counter() - started, 3), problem)


def _kafka(settings: Settings) -> None:
    with administrator(settings) as admin:
        admin.list_topics()


def _store(settings: Settings) -> None:
    store, written = ObjectStore(settings, connections=1), secrets.token_bytes(16)
    store.check_bucket()
    store.put(_PROBE_KEY, written)
    if store.get(_PROBE_KEY) != written:
        raise Retriable(
            f"the object {_PROBE_KEY} that was just written was read back with other bytes", server="objects"
        )


def _triton(settings: Settings) -> None:
    with closing(ActiveModels(settings)) as active:
        versions = active.refresh().versions
    _infer(settings, versions)


def _triton_without_kafka(settings: Settings) -> None:
    """Try the newest loaded versions: without Kafka it is unknown which ones make the calls."""
    with closing(connect(settings)) as client:
        versions = {model: max(ready) for model, ready in ready_versions(client).items()}
    _infer(settings, versions)


def _infer(settings: Settings, versions: dict[str, int]) -> None:
    with closing(connect(settings)) as client:
        for model, version in versions.items():
            ServedModel(client, model, version, seconds=_DEADLINE_SECONDS).probe()


def _postgres(settings: Settings) -> None:
    with ledger(settings) as connection:
        check_migrated(connection)


_CHECKS: Final[Mapping[str, Callable[[Settings], None]]] = {
    "kafka": _kafka,
    "objects": _store,
    "triton": _triton,
    "postgres": _postgres,
}


def _patient_offsets(
    settings: ServiceSettings,
) -> tuple[list[TopicState], list[ServiceState], list[ParkedRecords]]:
    """Ask the broker a few times: a new one needs a moment to find the coordinators of the groups."""
    topics, services = retry(lambda: topics_and_services(settings), time.sleep, attempts=_TRIES)
    existing = {topic.name for topic in topics if not topic.missing}
    return topics, services, retry(lambda: parked_records(settings, existing), time.sleep, attempts=_TRIES)


def parked_records(settings: ServiceSettings, existing: Collection[str]) -> list[ParkedRecords]:
    """Return what waits on those retry topics that exist; raises Retriable when the broker is unreachable."""
    found: list[ParkedRecords] = []
    for service in TOPOLOGY:
        topics = [topic.name for topic in service.retries if topic.name in existing]
        if topics:
            with closing(LagGauge(settings, service.name, topics, service.delays)) as gauge:
                lags = gauge.measure()
            found += [_parked(topic, lags[topic]) for topic in topics]
    return found


def _parked(topic: str, lag: Lag) -> ParkedRecords:
    return ParkedRecords(topic, lag.records, now() - timedelta(seconds=lag.seconds) if lag.records else None)


def topics_and_services(settings: ServiceSettings) -> tuple[list[TopicState], list[ServiceState]]:
    """Return the state of topics and services; raises Retriable when the broker is unreachable."""
    with administrator(settings) as admin:
        existing = set(admin.list_topics())
        centres = sorted(filter(CENTRE_IMAGES.has, existing))
        names = [*(topic.name for topic in TOPICS if topic.name in existing), *centres]
        ends, beginnings = _offsets(admin, names, OffsetSpec.LATEST), _offsets(admin, names, OffsetSpec.EARLIEST)
        topics = [_topic(name, ends) for name in (*centres, *(topic.name for topic in TOPICS))]
        inputs = {
            one.name: centres if one.per_centre else [topic.name for topic in one.inputs if topic not in one.retries]
            for one in TOPOLOGY
        }
        committed = {name: _committed(admin, settings.group_prefix + name) for name in inputs}
        return topics, [
            ServiceState(
                name,
                _workers(admin, settings.group_prefix + name),
                {topic: _lag(topic, committed[name], beginnings, ends) for topic in read},
            )
            for name, read in inputs.items()
        ]


def _offsets(admin: Any, names: list[str], which: Any) -> Offsets:
    if not names:
        return {}
    requests = {
        TopicPartition(topic["name"], partition["partition_index"]): which
        for topic in admin.describe_topics(names)
        for partition in topic["partitions"]
    }
    return {where: found.offset for where, found in admin.list_partition_offsets(requests).items()}


def _topic(name: str, ends: Offsets) -> TopicState:
    offsets = [offset for where, offset in ends.items() if where.topic == name]
    return TopicState(name, len(offsets), sum(offsets), missing=not offsets)


def _committed(admin: Any, group: str) -> Offsets:
    return {where: found.offset for where, found in admin.list_group_offsets(group).get(group, {}).items()}


def _workers(admin: Any, group: str) -> int:
    return len(admin.describe_groups([group]).get(group, {}).get("members") or ())


def _lag(topic: str, committed: Offsets, beginnings: Offsets, ends: Offsets) -> int:
    """Return the number of records after the committed offset; without one, of all records that the topic holds."""
    return sum(
        max(0, end - max(committed.get(where, -1), beginnings.get(where, 0)))
        for where, end in ends.items()
        if where.topic == topic
    )
