"""Facts about each topic that its schema cannot state: who writes it, how it is delivered and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.common import topics
from services.common.topics import Topic

DAY_MS: Final = 24 * 3600 * 1000
_SPECIMEN: Final = "biological_sample_id"
_ANY_GROUP: Final = "Read it with your own consumer group. No service waits for you."
_INNER: Final = (
    "An internal topic between two services, public so that you can see how a call was produced. "
    "Use your own consumer group. A member of the service's group would take records away from the service."
)
_LATEST: Final = (
    "The topic is compacted. Read it from the beginning, without a group, and keep the last record of each key."
)


@dataclass(frozen=True)
class Channel:
    """One topic from the point of view of its readers and writers.

    `key` names the field that is the message key, with an explanation if it is not always the same field. `received`
    topics are written by others and read by this system, so their schema may widen. `duplicates` explains how to
    recognise a duplicate, `reading` how to choose a consumer group.
    """

    topic: Topic
    key: str
    written_by: str
    read_by: str
    duplicates: str
    reading: str
    received: bool = False

    @property
    def policy(self) -> str:
        """Return the retention as text."""
        cleanup = self.topic.config["cleanup.policy"]
        retention = self.topic.config.get("retention.ms")
        kept = "newest record of each key" if "compact" in cleanup else "every record"
        return kept if retention is None else f"{kept}, {_days(int(retention) // DAY_MS)}"


def _days(number: int) -> str:
    return f"{number // 365} years" if number % 365 == 0 else f"{number} days"


CHANNELS: Final = (
    Channel(
        topics.IMAGES,
        _SPECIMEN,
        "phenotyping centres (`xray push`, or any Kafka producer)",
        "intake, sink",
        "The identity of an announcement is a digest of its content, so announcing an image again is a duplicate.",
        "Centres only write to it. " + _ANY_GROUP,
        received=True,
    ),
    Channel(
        topics.VIEWS,
        _SPECIMEN,
        "intake",
        "assembler, sink",
        "The same image gives the same `view_key` and `view_sha256`.",
        _INNER,
    ),
    Channel(
        topics.SPECIMENS,
        _SPECIMEN,
        "assembler",
        "fuser",
        "A set of views has one `revision`. A record with a smaller revision is older, even if it arrives later.",
        _INNER,
    ),
    Channel(
        topics.TENSORS,
        _SPECIMEN,
        "fuser",
        "classifier",
        "The same views give the same `tensor_key`.",
        _INNER,
    ),
    Channel(
        topics.CALLS,
        _SPECIMEN,
        "classifier",
        "sink, and every subscriber",
        "The same call has the same `call_id`. The current call of a specimen is the one with the highest "
        "(`preprocessing_generation`, `revision`, `activation`, `call_id`), regardless of the order of arrival.",
        "Use one consumer group per database that you fill. Start at `earliest`, turn automatic commits off, and "
        "commit after you have stored the records. A group can have as many members as the topic has partitions. All "
        "calls of an animal are on one partition.",
    ),
    Channel(
        topics.REVIEWS,
        _SPECIMEN,
        "curators (`xray review`, or any Kafka producer)",
        "sink",
        "The identity of a review is a digest of its content, so a review that is sent twice is a duplicate.",
        "For each label of a specimen, the verdict with the latest `reviewed_at` is authoritative. " + _ANY_GROUP,
        received=True,
    ),
    Channel(
        topics.SHADOW,
        _SPECIMEN,
        "classifier, while a candidate is in shadow",
        "sink",
        "The same call compared with the same candidate has the same `shadow_id`.",
        "For evaluating a candidate. Its records are not calls, and some may be missing. " + _ANY_GROUP,
    ),
    Channel(
        topics.REJECTED,
        f"{_SPECIMEN}, or rejection_id where that could not be read",
        "every service",
        "sink, operators (`xray rejections`)",
        "`rejection_id` is a digest of stage and position, so it is the same when a record is refused twice.",
        "A record may be 16 MiB, so raise `max.partition.fetch.bytes`. " + _ANY_GROUP,
    ),
    Channel(
        topics.STATISTICS,
        "centre",
        "monitor",
        "dashboards, whoever watches a centre",
        "A later record for the same `centre` and `window_start` replaces the earlier one.",
        "For monitoring. The counts in the ledger are authoritative. " + _ANY_GROUP,
    ),
    Channel(
        topics.ACTIVE_MODELS,
        "name",
        "`xray init` and `xray models`",
        "classifier",
        "`activation` rises by one per `name`. The record of `phenotype` with the highest `activation` serves.",
        _LATEST + " Read committed records only: a record that was overtaken while it was written is aborted.",
    ),
)
DELIVERY: Final = "At least once. Records with the same key keep their order. A record may arrive twice."


def channel_of(topic: Topic) -> Channel:
    """Return the entry of a topic. Raises LookupError that names the file to add it to."""
    for channel in CHANNELS:
        if channel.topic == topic:
            return channel
    msg = f"topic {topic.name} is not described: add it to CHANNELS in deploy/schemas/channels.py"
    raise LookupError(msg)
