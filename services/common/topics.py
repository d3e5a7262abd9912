"""Every topic: its name, event, partitions and retention. `xray init` creates them; no service creates any."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.common.events import (
    CallAbstention,
    CallWithdrawal,
    CentreStatistics,
    Event,
    ImageEvent,
    ImageWithdrawal,
    ModelActivation,
    PhenotypeCall,
    ReferenceActivation,
    Rejection,
    Review,
    ShadowCall,
    SpecimenReady,
    TensorReady,
    ViewReady,
    parse_event,
)
from services.common.keys import escaped, unescaped

_DAY_MS: Final = 24 * 3600 * 1000
_EVENT_BYTES: Final = 1024 * 1024
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""A rejection contains the whole rejected record in base64, so its topic allows more than Kafka's usual 1 MiB."""

_REPLICAS_FOR_TWO_IN_SYNC: Final = 3


@dataclass(frozen=True)
class Topic:
    """One topic; `specimen_keyed` topics all have the same partition count, so one animal stays in one order.

    A retry topic has `delay_seconds`: its reader takes a record up only this long after the broker has stored it.
    """

    name: str
    event: type[Event]
    purpose: str
    specimen_keyed: bool = True
    config: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    others: Mapping[str, type[Event]] = field(default_factory=dict)
    """Further events of a topic on which calls are prepared or published, by their `status`."""

    @property
    def events(self) -> tuple[type[Event], ...]:
        """The events on the topic."""
        return (self.event, *self.others.values())

    def parse(self, value: bytes | None) -> Event:
        """Parse one value of this topic; raises Rejected as `parse_event` does."""
        status = _status(value) if self.others else None
        return parse_event(self.others.get(status, self.event) if isinstance(status, str) else self.event, value)

    def partitions(self, specimen_partitions: int) -> int:
        """Return the partition count, given that of all specimen-keyed topics."""
        return specimen_partitions if self.specimen_keyed else 1

    def configuration(self, replication: int) -> dict[str, str]:
        """Return the topic's configuration for this many replicas.

        A record has the broker's time, because retention goes by it: a producer's clock would decide what is kept. Of
        three or more replicas, two must have a record before it is acknowledged.
        """
        durable = {"min.insync.replicas": "2"} if replication >= _REPLICAS_FOR_TWO_IN_SYNC else {}
        return self.config | {"message.timestamp.type": "LogAppendTime"} | durable

    @property
    def max_message_bytes(self) -> int:
        """Most bytes of a record."""
        return int(self.config.get("max.message.bytes", _EVENT_BYTES))


@dataclass(frozen=True)
class CentreTopics:
    """Topics of one kind, one per centre: the name is `prefix` and the escaped name of the centre."""

    prefix: str
    event: type[Event]
    purpose: str
    config: dict[str, str]

    def of(self, centre: str) -> Topic:
        """Return the topic of a centre."""
        return Topic(self.prefix + escaped(centre), self.event, self.purpose, config=self.config)

    def centre(self, topic: str) -> str | None:
        """Return the centre whose topic this is, None for any other topic."""
        return unescaped(topic.removeprefix(self.prefix)) if self.has(topic) else None

    def has(self, topic: str) -> bool:
        """Whether the name of a topic begins like these."""
        return topic.startswith(self.prefix)

    @property
    def pattern(self) -> str:
        """A regular expression that matches the names of these topics only."""
        return f"^{re.escape(self.prefix)}.+"


def _status(value: bytes | None) -> object:
    if value is None or b'"status"' not in value:
        return None
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return fields.get("status") if isinstance(fields, dict) else None


def _deleted_after(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS), "max.message.bytes": str(_EVENT_BYTES)}


IMAGES: Final = Topic("xray.images", ImageEvent, "a centre announces an image", config=_deleted_after(3650))
CENTRE_IMAGES: Final = CentreTopics(
    "xray.centre.", ImageEvent, "a centre announces an image under its own name", _deleted_after(3650)
)
"""`xray access --centre` creates one for each centre whose principal may announce images of that centre only."""
_RETRY_DELAYS: Final = {"1m": 60.0, "10m": 600.0, "1h": 3600.0}
IMAGE_RETRIES: Final = tuple(
    Topic(
        f"xray.images.retry.{name}",
        ImageEvent,
        f"an image whose source did not answer, to be tried again after {name}",
        # Room for the header that intake adds to the largest record.
        config=_deleted_after(90) | {"max.message.bytes": str(2 * _EVENT_BYTES)},
        delay_seconds=seconds,
    )
    for name, seconds in _RETRY_DELAYS.items()
)
"""Only intake writes and reads them."""
VIEWS: Final = Topic("xray.views", ViewReady, "a standardised view is stored", config=_deleted_after(90))
WITHDRAWN: Final = Topic(
    "xray.withdrawn", ImageWithdrawal, "a picture is taken out of its specimen", config=_deleted_after(3650)
)
_WITHDRAWN_CALL: Final = {"withdrawn": CallWithdrawal}
SPECIMENS: Final = Topic(
    "xray.specimens",
    SpecimenReady,
    "a revision of a specimen's views",
    config=_deleted_after(90),
    others=_WITHDRAWN_CALL,
)
TENSORS: Final = Topic(
    "xray.tensors",
    TensorReady,
    "a fused tensor is stored",
    config=_deleted_after(90),
    others=_WITHDRAWN_CALL,
)
CALLS: Final = Topic(
    "phenotype.calls",
    PhenotypeCall,
    "a phenotype call of one revision",
    # Never compacted: compaction keeps the record that came last, which need not be the current call.
    config=_deleted_after(3650),
    others=_WITHDRAWN_CALL | {"abstained": CallAbstention},
)
REVIEWS: Final = Topic(
    "phenotype.reviews",
    Review,
    "a curator's verdict on a specimen",
    # Never compacted: a later review by somebody else may cover other labels, so both count.
    config=_deleted_after(3650),
)
SHADOW: Final = Topic("phenotype.shadow", ShadowCall, "what a candidate would have called", config=_deleted_after(90))
REJECTED: Final = Topic(
    "xray.rejected",
    Rejection,
    "dead letters of every service",
    config=_deleted_after(3650) | {"max.message.bytes": str(MAX_MESSAGE_BYTES)},
)
STATISTICS: Final = Topic(
    "centre.statistics",
    CentreStatistics,
    "counts and drift of a centre in a closed window",
    specimen_keyed=False,
    # The monitor compares a window with the centre's earlier ones, so compaction begins only after a quarter.
    config=_deleted_after(3650) | {"cleanup.policy": "compact,delete", "min.compaction.lag.ms": str(90 * _DAY_MS)},
)
ACTIVE_MODELS: Final = Topic(
    "models.active",
    ModelActivation,
    "which model versions serve",
    specimen_keyed=False,
    # Every record stays: a record is sound only if it follows from the one before it (services/registry).
    config={"cleanup.policy": "delete", "retention.ms": "-1"},
)
ACTIVE_REFERENCES: Final = Topic(
    "references.active",
    ReferenceActivation,
    "which reference of controls is active",
    specimen_keyed=False,
    config={"cleanup.policy": "delete", "retention.ms": "-1"},
)
TOPICS: Final = (
    IMAGES,
    *IMAGE_RETRIES,
    VIEWS,
    WITHDRAWN,
    SPECIMENS,
    TENSORS,
    CALLS,
    SHADOW,
    REVIEWS,
    REJECTED,
    STATISTICS,
    ACTIVE_MODELS,
    ACTIVE_REFERENCES,
)
