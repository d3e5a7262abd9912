"""Accounts for every announced image: called + incomplete + rejected + skipped + in flight + parked, and the missing.

Missing images are announced again by publishing their original records once more.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from kafka import TopicPartition

from services.common.kafka.clients import publisher, reader
from services.common.kafka.reading import OffsetRange, read
from services.common.settings import ServiceSettings, Settings
from services.common.topics import IMAGES
from services.ledger.database import ledger
from services.ledger.queries import (
    ImageFate,
    UnreadableRecord,
    image_fates,
    recorded_images,
    refused_images,
    unreadable_records,
)
from services.operations.reconcile.snapshot import RecordLocation, Snapshot, take

HEADER: Final = "xray-announced-again"
_LINGER_RECORDS: Final = 500


def announce_again(settings: Settings, locations: set[RecordLocation]) -> int:
    """Publish the records at these locations of `xray.images` once more; returns how many of them still exist.

    All results are derived from the announcement, so correct data does not change.
    """
    count = 0
    with reader(settings) as consumer, publisher(settings) as producer:
        sent: list[Any] = []
        for record in _records(consumer, locations):
            headers = [*record.headers, (HEADER, f"{record.partition}/{record.offset}".encode())]
            # A record without a key goes back to its partition.
            partition = record.partition if record.key is None else None
            sent.append(
                producer.send(IMAGES.name, key=record.key, value=record.value, headers=headers, partition=partition)
            )
            count += 1
            if len(sent) >= _LINGER_RECORDS:
                _wait(sent)
        _wait(sent)
    return count


def _records(consumer: Any, locations: set[RecordLocation]) -> Iterator[Any]:
    """Read one range of offsets per partition: from its first location to its last."""
    ranges = {}
    for partition in {partition for partition, _ in locations}:
        offsets = [offset for where, offset in locations if where == partition]
        ranges[TopicPartition(IMAGES.name, partition)] = OffsetRange(min(offsets), max(offsets) + 1)
    for record in read(consumer, ranges):
        if (record.partition, record.offset) in locations:
            yield record


def _wait(sent: list[Any]) -> None:
    for future in sent:
        future.get(timeout=60)
    sent.clear()


MissingReason = Literal["not_recorded", "no_outcome", "no_call", "not_refused"]
COLUMNS: Final = ("announced", "called", "incomplete", "rejected", "skipped", "in_flight", "parked", "missing")
EXPLANATIONS: Final[dict[MissingReason, str]] = {
    "not_recorded": "the sink has passed its announcement, but the ledger has no row for it",
    "no_outcome": "intake has passed it, but there is neither a view nor a rejection",
    "no_call": "its specimen has all views and nothing in flight, but no call is based on this image",
    "not_refused": "an unreadable record that intake has passed without rejecting it",
}


@dataclass(frozen=True)
class MissingImage:
    """An announcement without an outcome; `event_id` and specimen are None for an unreadable record."""

    why: MissingReason
    centre: str | None
    biological_sample_id: str | None
    event_id: str | None
    partition: int
    offset: int


@dataclass(frozen=True)
class CentreAccount:
    """Number of images of one centre; None stands for records whose centre could not be read."""

    centre: str | None
    announced: int
    called: int
    incomplete: int
    rejected: int
    skipped: int
    in_flight: int
    parked: int
    missing: int


@dataclass(frozen=True)
class Reconciliation:
    """All centres by name, and every missing announcement, by location."""

    centres: tuple[CentreAccount, ...]
    missing: tuple[MissingImage, ...]

    @property
    def total(self) -> CentreAccount:
        """The sum over the centres."""
        sums = {name: sum(getattr(one, name) for one in self.centres) for name in COLUMNS}
        return CentreAccount(None, **sums)


@dataclass(frozen=True)
class LedgerSide:
    """What the ledger knows: the fate of every image, and the locations of unreadable records that were rejected.

    Of the events without a fate, `refused` lists those that were rejected (a row that PostgreSQL could not store) and
    `earlier` those first announced before the time at which the account starts.
    """

    fates: Collection[ImageFate]
    unreadable: Collection[UnreadableRecord]
    refused: Collection[str] = ()
    earlier: Collection[str] = ()


def reconcile_images(settings: ServiceSettings, since: datetime | None = None) -> Reconciliation:
    """Account for every image announced since a time (None: ever).

    Reads the topics first, then the ledger, so that nothing can be missed between the two. Raises Retriable when the
    broker or the database is unreachable.
    """
    topics = take(settings, since)
    with ledger(settings) as connection:
        fates = image_fates(connection, since=since)
        others = sorted(topics.announcements.keys() - {one.event_id for one in fates})
        known = LedgerSide(
            fates,
            unreadable_records(connection),
            refused=refused_images(connection, others),
            earlier=recorded_images(connection, others),
        )
    return account(topics, known)


def account(topics: Snapshot, ledger: LedgerSide) -> Reconciliation:
    """Combine both sides; each announcement is counted once, however often it was sent."""
    counts: Counter[tuple[str | None, str]] = Counter()
    missing: list[MissingImage] = []
    for centre, outcome in (*_images(topics, ledger), *_unrecorded(topics, ledger), *_unreadable(topics, ledger)):
        counts[centre, "announced"] += 1
        if isinstance(outcome, MissingImage):
            missing.append(outcome)
            counts[centre, "missing"] += 1
        else:
            counts[centre, outcome] += 1
    for centre, waiting in topics.unadmitted.items():
        counts[centre, "announced"] += waiting
        counts[centre, "in_flight"] += waiting
    centres = sorted({centre for centre, _ in counts}, key=lambda centre: (centre is None, centre or ""))
    rows = (CentreAccount(centre, **{name: counts[centre, name] for name in COLUMNS}) for centre in centres)
    return Reconciliation(tuple(rows), tuple(sorted(missing, key=lambda one: (one.partition, one.offset))))


Outcome = str | MissingImage


def _images(topics: Snapshot, ledger: LedgerSide) -> Iterator[tuple[str | None, Outcome]]:
    for one in ledger.fates:
        if one.kafka_offset < topics.ends.get(one.kafka_partition, 0):
            yield one.centre, _outcome(topics, one)


def _outcome(topics: Snapshot, one: ImageFate) -> Outcome:
    flight, specimen = topics.in_flight, one.biological_sample_id
    if one.fate == "unseen":
        if one.event_id in flight.events:
            return "in_flight"
        return "parked" if one.event_id in flight.parked else _missing("no_outcome", one)
    if one.fate == "uncalled":
        in_flight = (
            (specimen, one.preprocessing_version) in flight.specimens
            or (specimen, one.preprocessing_version, one.image_sha256) in flight.members
            or specimen in flight.refused_specimens
        )
        return "in_flight" if in_flight else _missing("no_call", one)
    return one.fate


def _unrecorded(topics: Snapshot, ledger: LedgerSide) -> Iterator[tuple[str | None, Outcome]]:
    known = {one.event_id for one in ledger.fates} | set(ledger.earlier)
    for event_id, one in topics.announcements.items():
        if event_id in known:
            continue
        partition, offset = one.location
        if event_id in ledger.refused:
            yield one.centre, "rejected"
        elif offset >= topics.recorded.get(partition, 0):
            yield one.centre, "in_flight"
        else:
            yield (
                one.centre,
                MissingImage("not_recorded", one.centre, one.biological_sample_id, event_id, partition, offset),
            )


def _unreadable(topics: Snapshot, ledger: LedgerSide) -> Iterator[tuple[str | None, Outcome]]:
    refused: set[RecordLocation] = {(one.kafka_partition, one.kafka_offset) for one in ledger.unreadable}
    for location, centre in topics.unreadable.items():
        partition, offset = location
        if location in refused:
            yield centre, "rejected"
        elif offset >= topics.taken.get(partition, 0) or location in topics.in_flight.refused_locations:
            yield centre, "in_flight"
        else:
            yield centre, MissingImage("not_refused", centre, None, None, partition, offset)


def _missing(why: MissingReason, one: ImageFate) -> MissingImage:
    return MissingImage(why, one.centre, one.biological_sample_id, one.event_id, one.kafka_partition, one.kafka_offset)


def locations(missing: Iterable[MissingImage]) -> set[RecordLocation]:
    """Return where the announcements are on `xray.images`."""
    return {(one.partition, one.offset) for one in missing}
