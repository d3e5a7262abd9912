"""What a subscriber must know of each topic besides its schema: who writes it, how it is delivered, how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.common import topics
from services.common.topics import Topic

DAY_MS: Final = 24 * 3600 * 1000
_SPECIMEN: Final = "biological_sample_id"
_ANY_GROUP: Final = "Read it with a consumer group of your own; nothing waits for you."
_INNER: Final = (
    "Between the services, public for those who want to see how a call came about. "
    "Take a group of your own: within the service's group you would take records away from it."
)
_LATEST: Final = "Compacted: read it from the beginning, without a group, and keep the last record of each key."


@dataclass(frozen=True)
class Channel:
    """One topic as others meet it.

    `key` names the field that is the message key, in words where it may be another. `received` topics are written by
    others and read by this system, so their schema may widen. `duplicates` says how to recognise a record that comes
    twice, `reading` how to choose a consumer group.
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
        """What Kafka keeps, in words."""
        cleanup = self.topic.config["cleanup.policy"]
        retention = self.topic.config.get("retention.ms")
        kept = "the newest record of each key stays" if "compact" in cleanup else "every record stays"
        return kept if retention is None else f"{kept}, for {_days(int(retention) // DAY_MS)}"


def _days(number: int) -> str:
    return f"{number // 365} years" if number % 365 == 0 else f"{number} days"


CHANNELS: Final = (
    Channel(
        topics.IMAGES,
        _SPECIMEN,
        "phenotyping centres (`xray push`, or any Kafka producer)",
        "intake, sink",
        "Announcing an image twice is one announcement: its identity is a digest of what was announced.",
        "Centres only write it. " + _ANY_GROUP,
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
        "A set of views has one `revision`; a smaller one that comes later is older.",
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
        "(`preprocessing_generation`, `revision`, `activation`, `call_id`), whatever the order of arrival.",
        "One group for each database that is fed; start at `earliest`, turn automatic commits off, and commit after "
        "you stored what you read. As many members as partitions at most; all calls of an animal are on one.",
    ),
    Channel(
        topics.REVIEWS,
        _SPECIMEN,
        "curators (`xray review`, or any Kafka producer)",
        "sink",
        "Sending a review twice is one review: its identity is a digest of who said what of which specimen when.",
        "Of each label of a specimen the verdict with the latest `reviewed_at` counts. " + _ANY_GROUP,
        received=True,
    ),
    Channel(
        topics.SHADOW,
        _SPECIMEN,
        "classifier, while a candidate is in shadow",
        "sink",
        "The same call beside the same candidate has the same `shadow_id`.",
        "For judging a candidate: none of its records is a call, and some may be missing. " + _ANY_GROUP,
    ),
    Channel(
        topics.REJECTED,
        f"{_SPECIMEN}, or rejection_id where that could not be read",
        "every service",
        "sink, operators (`xray rejections`)",
        "Refusing the same record twice is one rejection: `rejection_id` is a digest of stage and position.",
        "Records may be 16 MiB: raise `max.partition.fetch.bytes`. " + _ANY_GROUP,
    ),
    Channel(
        topics.STATISTICS,
        "centre",
        "monitor",
        "dashboards, whoever watches a centre",
        "A later record for the same `centre` and `window_start` replaces the earlier one.",
        "Counts for watching; the authoritative ones are the ledger's. " + _ANY_GROUP,
    ),
    Channel(
        topics.ACTIVE_MODELS,
        "name",
        "`xray init` and `xray models`",
        "classifier",
        "`activation` counts up by `name`; of `phenotype`, the highest one serves.",
        _LATEST + " Read committed records only: one that was overtaken while it was written is none.",
    ),
)
DELIVERY: Final = "At least once. The records of one key keep their order within a partition; a record may come twice."


def channel_of(topic: Topic) -> Channel:
    """Return the entry of a topic; raises LookupError that says where to write it."""
    for channel in CHANNELS:
        if channel.topic == topic:
            return channel
    msg = f"topic {topic.name} is not described: add it to CHANNELS in deploy/schemas/channels.py"
    raise LookupError(msg)
