"""What a subscriber must know about each topic in addition to its schema: writers, readers, reading and duplicates.

The services and commands that write or read a topic come from services/common/topology.py.
"""

from dataclasses import dataclass
from typing import Final

from services.common import topics, topology
from services.common.topics import Topic

DAY_MS: Final = 24 * 3600 * 1000
_SPECIMEN: Final = "biological_sample_id"
_ANY_GROUP: Final = "Read it with your own consumer group; nothing waits for you."
_INNER: Final = (
    "Connects two services; public for those who want to see how a call was produced. "
    "Use your own consumer group: a member of the service's group would take records away from the service."
)


@dataclass(frozen=True)
class Channel:
    """One topic as its subscribers see it.

    `key` is the field that is the message key, with an explanation where it may be another. `writers` and `readers`
    are the people and programs outside this system that write and read it. The schema of a `received` topic may widen,
    because others write it and this system reads it. `duplicates` describes how to recognise a repeated record,
    `reading` how to choose a consumer group.
    """

    topic: Topic
    key: str
    duplicates: str
    reading: str
    writers: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    received: bool = False

    @property
    def written_by(self) -> str:
        """Everyone who writes it: people, services, commands."""
        commands = (f"`{command}`" for command in topology.writing_commands(self.topic))
        return ", ".join((*self.writers, *topology.writers(self.topic), *commands))

    @property
    def read_by(self) -> str:
        """Everyone who reads it: services, people."""
        return ", ".join((*topology.readers(self.topic), *self.readers))

    @property
    def policy(self) -> str:
        """What Kafka keeps, as a sentence."""
        cleanup = self.topic.config["cleanup.policy"]
        retention = self.topic.config.get("retention.ms")
        kept = "the newest record of each key stays" if "compact" in cleanup else "every record stays"
        return kept if retention in {None, "-1"} else f"{kept}, for {_days(int(retention) // DAY_MS)}"


def _days(number: int) -> str:
    return f"{number // 365} years" if number % 365 == 0 else f"{number} days"


CHANNELS: Final = (
    Channel(
        topics.IMAGES,
        _SPECIMEN,
        duplicates="A repeated announcement counts once: its identity is a digest of its content.",
        reading="Centres only write it. " + _ANY_GROUP,
        writers=("phenotyping centres (any Kafka producer)",),
        received=True,
    ),
    *(
        Channel(
            topic,
            _SPECIMEN,
            duplicates="As on `xray.images`.",
            reading="Internal to intake, which sets records aside here and takes them up again after the delay. Key "
            "and value are those of the announcement. The header `xray-retry` (JSON) has its `topic`, `partition`, "
            "`offset` and `timestamp`, the time of the first failure (`since`), the number of `attempts` and the last "
            "`error`.",
        )
        for topic in topics.IMAGE_RETRIES
    ),
    Channel(
        topics.VIEWS,
        _SPECIMEN,
        duplicates="The same image gives the same `view_key` and `view_sha256`.",
        reading=_INNER,
    ),
    Channel(
        topics.WITHDRAWN,
        _SPECIMEN,
        duplicates="A repeated withdrawal changes nothing: what it withdraws is withdrawn for ever.",
        reading="Centres and operators write it. " + _ANY_GROUP,
        writers=("phenotyping centres (any Kafka producer)",),
        received=True,
    ),
    Channel(
        topics.SPECIMENS,
        _SPECIMEN,
        duplicates="A set of views has one `revision`; a lower revision that arrives later is older.",
        reading=_INNER,
    ),
    Channel(
        topics.TENSORS,
        _SPECIMEN,
        duplicates="The same views give the same `tensor_key`.",
        reading=_INNER,
    ),
    Channel(
        topics.CALLS,
        _SPECIMEN,
        duplicates="The same call has the same `call_id`. The current call of a specimen is the one with the highest "
        "(`preprocessing_generation`, `revision`, `activation`, `call_id`), whatever the order of arrival. A record "
        "with a `status` ranks in the same way and has no vector: while it ranks highest, there is no call. With "
        "`withdrawn` (CallWithdrawal) the specimen has lost its call, with `abstained` (CallAbstention) it was not "
        "called. Treat any other `status` as no call.",
        reading="Superseded calls stay on the topic: rank them as above. Use one group for each database that is fed; "
        "start at `earliest`, turn automatic commits off, and commit after you stored what you read. The group can "
        "have at most as many members as there are partitions; all calls of an animal are on one partition.",
        readers=("every subscriber",),
    ),
    Channel(
        topics.REVIEWS,
        _SPECIMEN,
        duplicates="A repeated review counts once: its identity is a digest of reviewer, verdict, specimen and time.",
        reading="For each label of a specimen the verdict with the latest `reviewed_at` counts. " + _ANY_GROUP,
        writers=("curators (any Kafka producer)",),
        received=True,
    ),
    Channel(
        topics.SHADOW,
        _SPECIMEN,
        duplicates="The same call compared with the same candidate has the same `shadow_id`.",
        reading="Written only while a candidate is in shadow, to judge that candidate: its records are not calls, "
        "and some may be missing. " + _ANY_GROUP,
    ),
    Channel(
        topics.REJECTED,
        f"{_SPECIMEN}, or rejection_id where that could not be read",
        duplicates="A repeated rejection counts once: `rejection_id` is a digest of stage and position.",
        reading="Records may be 16 MiB: raise `max.partition.fetch.bytes`. " + _ANY_GROUP,
        readers=("operators",),
    ),
    Channel(
        topics.STATISTICS,
        "centre",
        duplicates="A later record for the same `centre` and `window_start` replaces the earlier one.",
        reading="For monitoring a centre; the authoritative counts are in the ledger. " + _ANY_GROUP,
        readers=("dashboards", "anyone who monitors a centre"),
    ),
    Channel(
        topics.ACTIVE_MODELS,
        "name",
        duplicates="`activation` rises by one per `name`. A record counts only if it follows from the last one that "
        "counts: it has the next number, pins a card of each version, and is a promotion that names the set before it "
        "as the first of `earlier`, or a rollback to the first of `earlier`. Of the records named `phenotype`, the "
        "last one that counts is in force.",
        reading="Read it from the beginning, and committed records only: a record that was overtaken while it was "
        "written does not count.",
    ),
    Channel(
        topics.ACTIVE_REFERENCES,
        "name",
        duplicates="`activation` rises by one. A record counts only if it follows from the last one that counts: it "
        "has the next number, and names the reference before it as the first of `earlier`, or returns to that first "
        "one. The last record that counts is in force.",
        reading="Read it from the beginning, and committed records only: a record that was overtaken while it was "
        "written does not count.",
    ),
)
DELIVERY: Final = (
    "At least once. The records of one key keep their order within a partition; a record may arrive twice."
)


def channel_of(topic: Topic) -> Channel:
    """Return the entry of a topic; raises LookupError that names the file in which to add it."""
    for channel in CHANNELS:
        if channel.topic == topic:
            return channel
    msg = f"topic {topic.name} is not described: add it to CHANNELS in deploy/schemas/channels.py"
    raise LookupError(msg)
