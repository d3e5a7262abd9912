"""The Kafka cluster before Faust starts: the topics that it needs, and the changelog of its table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from services.common.errors import Fatal, Retriable
from services.common.topics import STATISTICS
from services.monitor.counter import READS, STAGE
from services.monitor.settings import MonitorSettings

TABLE: Final = "windows"
_CONNECT_MS: Final = 10_000


@dataclass(frozen=True)
class Cluster:
    """What the monitor must know of the cluster: its id, and the partitions of every topic that it reads."""

    id: str
    partitions: int


def app_name(settings: MonitorSettings) -> str:
    """Return Faust's name of the app, which is the consumer group's."""
    return settings.group_prefix + STAGE


def prepare(settings: MonitorSettings) -> Cluster:
    """Check the topics and make the table's changelog if it is missing.

    Left to Faust, the changelog appears after its consumer has looked, and the first records are lost to a
    PartitionsMismatch. Raises Fatal when a topic is missing or partition counts differ, Retriable without Kafka.
    """
    changelog = f"{app_name(settings)}-{TABLE}-changelog"
    with _administrator(settings) as admin:
        there = set(admin.list_topics())
        missing = sorted({*READS, STATISTICS.name} - there)
        if missing:
            msg = f"topics {', '.join(missing)} do not exist; run `xray init`"
            raise Fatal(msg)
        wanted = [*READS, changelog] if changelog in there else list(READS)
        counts = {one["name"]: len(one["partitions"]) for one in admin.describe_topics(wanted)}
        if len(set(counts.values())) > 1:
            msg = f"the topics need the same partition count, but have {counts}"
            raise Fatal(msg)
        cluster = Cluster(admin.describe_cluster()["cluster_id"], counts[next(iter(READS))])
        if changelog not in there:
            options = {
                "num_partitions": cluster.partitions,
                "replication_factor": settings.replication,
                "configs": {"cleanup.policy": "compact"},
            }
            admin.create_topics({changelog: options}, wait_for_metadata=True)
    return cluster


@contextmanager
def _administrator(settings: MonitorSettings) -> Iterator[Any]:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=settings.kafka_bootstrap.split(","), bootstrap_timeout_ms=_CONNECT_MS
        )
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        msg = f"no Kafka broker at {settings.kafka_bootstrap} (XRAY_KAFKA_BOOTSTRAP): {error!r}"
        raise Retriable(msg, server="kafka", kind=type(error).__name__) from error
