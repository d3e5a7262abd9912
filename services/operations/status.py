"""Health of every server, by a real operation with each: a port that answers proves little.

End offsets of the topics and lag of the services' consumer groups.

`xray status`: topics, lag of every service, health of every server.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from kafka import TopicPartition
from kafka.admin import OffsetSpec

from services.common.errors import PipelineError, Retriable
from services.common.kafka.clients import administrator
from services.common.loop import ServiceTopics
from services.common.settings import ServiceSettings, Settings
from services.common.store import ObjectStore
from services.common.topics import TOPICS
from services.common.topology import TOPOLOGY
from services.ledger.database import ledger
from services.ledger.migrate import check_migrated
from services.registry.active_models import ActiveModels
from services.registry.triton_client import Backbone, connect

Offsets = dict[TopicPartition, int]


@dataclass(frozen=True)
class TopicState:
    """One topic: `end_offset` is the sum over its partitions; `missing` when it does not exist."""

    name: str
    partitions: int
    end_offset: int
    missing: bool = False


@dataclass(frozen=True)
class ServiceState:
    """One service: its running workers, and the records that wait for it in each topic it reads."""

    name: str
    workers: int
    lag: dict[str, int]


def topics_and_services(settings: ServiceSettings) -> tuple[list[TopicState], list[ServiceState]]:
    """Ask the broker; raises Retriable when it is away."""
    with administrator(settings) as admin:
        there = set(admin.list_topics())
        names = [topic.name for topic in TOPICS if topic.name in there]
        ends, beginnings = _offsets(admin, names, OffsetSpec.LATEST), _offsets(admin, names, OffsetSpec.EARLIEST)
        topics = [_topic(topic.name, ends) for topic in TOPICS]
        return topics, [_service(admin, one, settings.group_prefix, beginnings, ends) for one in TOPOLOGY]


def _offsets(admin: Any, names: list[str], which: Any) -> Offsets:
    if not names:
        return {}
    wanted = {
        TopicPartition(topic["name"], partition["partition_index"]): which
        for topic in admin.describe_topics(names)
        for partition in topic["partitions"]
    }
    return {where: found.offset for where, found in admin.list_partition_offsets(wanted).items()}


def _topic(name: str, ends: Offsets) -> TopicState:
    offsets = [offset for where, offset in ends.items() if where.topic == name]
    return TopicState(name, len(offsets), sum(offsets), missing=not offsets)


def _service(admin: Any, service: ServiceTopics[Any], prefix: str, beginnings: Offsets, ends: Offsets) -> ServiceState:
    group = prefix + service.name
    committed = {where: found.offset for where, found in admin.list_group_offsets(group).get(group, {}).items()}
    lag = {topic: _lag(topic, committed, beginnings, ends) for topic in service.events}
    described = admin.describe_groups([group]).get(group, {})
    return ServiceState(service.name, len(described.get("members") or ()), lag)


def _lag(topic: str, committed: Offsets, beginnings: Offsets, ends: Offsets) -> int:
    """Records after the committed offset; all that are kept where nothing was committed (a group starts there)."""
    return sum(
        max(0, end - max(committed.get(where, -1), beginnings.get(where, 0)))
        for where, end in ends.items()
        if where.topic == topic
    )


Check = tuple[str, str, Callable[[Settings], None]]
_PROBE_KEY: Final = "health/probe"


@dataclass(frozen=True)
class ServerHealth:
    """One server: what was done with it, how long that took, and what is wrong, if anything."""

    name: str
    did: str
    seconds: float
    problem: str | None


def check_servers(settings: Settings) -> list[ServerHealth]:
    """Do a real operation with every server, side by side."""
    checks: Sequence[Check] = (
        ("kafka", "listed the topics", _kafka),
        ("s3", "wrote and read an object", _store),
        ("triton", "asked every active model version", _triton),
        ("postgres", "read the ledger's version", _postgres),
    )
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(lambda check: _timed(check, settings), checks))


def _timed(named: Check, settings: Settings) -> ServerHealth:
    name, did, check = named
    started = time.perf_counter()
    try:
        check(settings)
        problem = None
    except PipelineError as error:
        problem = str(error)
    return ServerHealth(name, did, round(time.perf_counter() - started, 3), problem)


def _kafka(settings: Settings) -> None:
    with administrator(settings) as admin:
        admin.list_topics()


def _store(settings: Settings) -> None:
    store, written = ObjectStore(settings, connections=1), secrets.token_bytes(16)
    store.check_bucket()
    store.put(_PROBE_KEY, written)
    if store.get(_PROBE_KEY) != written:
        raise Retriable(f"the object {_PROBE_KEY} that was just written reads differently")


def _triton(settings: Settings) -> None:
    with closing(ActiveModels(settings)) as active:
        versions = active.refresh().versions
    with closing(connect(settings.triton_grpc)) as client:
        for model, version in versions.items():
            Backbone(client, model, version).probe()


def _postgres(settings: Settings) -> None:
    with ledger(settings) as connection:
        check_migrated(connection)
