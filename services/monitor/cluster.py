"""The Kafka cluster before Faust starts: the topics that the monitor needs, and the changelog of its table."""

from dataclasses import dataclass
from typing import Final

from services.common.errors import Fatal
from services.common.kafka.clients import administrator
from services.common.kafka.errors import missing_topics
from services.common.topology import MONITOR
from services.monitor.settings import MonitorSettings

TABLE: Final = "windows"


@dataclass(frozen=True)
class Cluster:
    """What the monitor must know about the cluster: its id, and the partition count of every topic that it reads."""

    id: str
    partitions: int


def app_name(settings: MonitorSettings) -> str:
    """Return the name of the Faust app, which is also the name of its consumer group."""
    return settings.group_prefix + MONITOR.name


def prepare(settings: MonitorSettings) -> Cluster:
    """Check the topics and create the table's changelog if it is missing.

    If Faust created the changelog, it would appear after Faust's consumer has looked, and the first records would be
    lost to a PartitionsMismatch. Raises Fatal when a topic is missing or partition counts differ, Retriable without
    Kafka.
    """
    changelog = f"{app_name(settings)}-{TABLE}-changelog"
    with administrator(settings) as admin:
        existing = set(admin.list_topics())
        missing = sorted(MONITOR.required - existing)
        if missing:
            raise missing_topics(*missing)
        read = list(MONITOR.inputs_by_name)
        described = [*read, changelog] if changelog in existing else read
        counts = {one["name"]: len(one["partitions"]) for one in admin.describe_topics(described)}
        if len(set(counts.values())) > 1:
            msg = f"the topics need the same partition count, but have {counts}"
            raise Fatal(msg)
        cluster = Cluster(admin.describe_cluster()["cluster_id"], counts[read[0]])
        if changelog not in existing:
            options = {
                "num_partitions": cluster.partitions,
                "replication_factor": settings.replication,
                "configs": {"cleanup.policy": "compact"},
            }
            admin.create_topics({changelog: options}, wait_for_metadata=True)
    return cluster
