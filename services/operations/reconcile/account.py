"""The account: announced = called + incomplete + rejected + skipped + in flight, and what is missing from it.

Announces images again, by the very records that announced them first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from kafka import TopicPartition

from services.common.kafka.clients import publisher, reader
from services.common.kafka.reading import OffsetRange, read
from services.common.settings import Settings
from services.common.topics import IMAGES
from services.ledger.queries import ImageFate, UnreadableRecord
from services.operations.reconcile.snapshot import Place, Snapshot

HEADER: Final = "xray-announced-again"
_LINGER_RECORDS: Final = 500


def announce_again(settings: Settings, places: set[Place]) -> int:
    """Publish the records at these places of `xray.images` once more; returns how many are still there.

    Every effect is a function of the announcement, so announcing again changes nothing that is right.
    """
    count = 0
    with reader(settings) as consumer, publisher(settings) as producer:
        sent: list[Any] = []
        for record in _records(consumer, places):
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


def _records(consumer: Any, places: set[Place]) -> Iterator[Any]:
    """Read one stretch a partition: from its first place to its last."""
    stretches = {}
    for partition in {partition for partition, _ in places}:
        offsets = [offset for where, offset in places if where == partition]
        stretches[TopicPartition(IMAGES.name, partition)] = OffsetRange(min(offsets), max(offsets) + 1)
    for record in read(consumer, stretches):
        if (record.partition, record.offset) in places:
            yield record


def _wait(sent: list[Any]) -> None:
    for future in sent:
        future.get(timeout=60)
    sent.clear()


Why = Literal["not_recorded", "no_outcome", "no_call", "not_refused"]
COLUMNS: Final = ("announced", "called", "incomplete", "rejected", "skipped", "in_flight", "missing")
WORDS: Final[dict[Why, str]] = {
    "not_recorded": "the sink has passed its announcement, but the ledger has no row of it",
    "no_outcome": "intake has passed it, but there is neither a view nor a refusal",
    "no_call": "its specimen has all views, nothing of it is under way, but no call rests on this image",
    "not_refused": "an unreadable record that intake has passed without refusing it",
}


@dataclass(frozen=True)
class Missing:
    """An announcement that nothing accounts for; `event_id` and specimen are None for an unreadable record."""

    why: Why
    centre: str | None
    biological_sample_id: str | None
    event_id: str | None
    partition: int
    offset: int


@dataclass(frozen=True)
class CentreAccount:
    """Images of one centre; None stands for records whose centre could not be read."""

    centre: str | None
    announced: int
    called: int
    incomplete: int
    rejected: int
    skipped: int
    in_flight: int
    missing: int


@dataclass(frozen=True)
class Reconciliation:
    """All centres by name, and every announcement that is missing, by place."""

    centres: tuple[CentreAccount, ...]
    missing: tuple[Missing, ...]

    @property
    def total(self) -> CentreAccount:
        """The sum over the centres."""
        sums = {name: sum(getattr(one, name) for one in self.centres) for name in COLUMNS}
        return CentreAccount(None, **sums)


@dataclass(frozen=True)
class LedgerSide:
    """What the ledger says: the fate of every image, the places of unreadable records that were refused.

    Of the events that have no fate here, `refused` names those that were refused (a row that PostgreSQL could not
    hold), `earlier` those first announced before the time from which on the account is made.
    """

    fates: Collection[ImageFate]
    unreadable: Collection[UnreadableRecord]
    refused: Collection[str] = ()
    earlier: Collection[str] = ()


def account(topics: Snapshot, ledger: LedgerSide) -> Reconciliation:
    """Put both sides together; each announcement is counted once, however often it was sent."""
    counts: Counter[tuple[str | None, str]] = Counter()
    missing: list[Missing] = []
    for centre, outcome in (*_images(topics, ledger), *_unrecorded(topics, ledger), *_unreadable(topics, ledger)):
        counts[centre, "announced"] += 1
        if isinstance(outcome, Missing):
            missing.append(outcome)
            counts[centre, "missing"] += 1
        else:
            counts[centre, outcome] += 1
    centres = sorted({centre for centre, _ in counts}, key=lambda centre: (centre is None, centre or ""))
    rows = (CentreAccount(centre, **{name: counts[centre, name] for name in COLUMNS}) for centre in centres)
    return Reconciliation(tuple(rows), tuple(sorted(missing, key=lambda one: (one.partition, one.offset))))


Outcome = str | Missing


def _images(topics: Snapshot, ledger: LedgerSide) -> Iterator[tuple[str | None, Outcome]]:
    for one in ledger.fates:
        if one.kafka_offset < topics.ends.get(one.kafka_partition, 0):
            yield one.centre, _outcome(topics, one)


def _outcome(topics: Snapshot, one: ImageFate) -> Outcome:
    way, specimen = topics.under_way, one.biological_sample_id
    if one.fate == "unseen":
        under_way = one.event_id in way.events
        return "in_flight" if under_way else _missing("no_outcome", one)
    if one.fate == "uncalled":
        under_way = (
            (specimen, one.preprocessing_version) in way.specimens
            or (specimen, one.preprocessing_version, one.image_sha256) in way.members
            or specimen in way.refused_specimens
        )
        return "in_flight" if under_way else _missing("no_call", one)
    return one.fate


def _unrecorded(topics: Snapshot, ledger: LedgerSide) -> Iterator[tuple[str | None, Outcome]]:
    known = {one.event_id for one in ledger.fates} | set(ledger.earlier)
    for event_id, one in topics.announcements.items():
        if event_id in known:
            continue
        partition, offset = one.place
        if event_id in ledger.refused:
            yield one.centre, "rejected"
        elif offset >= topics.recorded.get(partition, 0):
            yield one.centre, "in_flight"
        else:
            yield one.centre, Missing("not_recorded", one.centre, one.biological_sample_id, event_id, partition, offset)


def _unreadable(topics: Snapshot, ledger: LedgerSide) -> Iterator[tuple[str | None, Outcome]]:
    refused: set[Place] = {(one.kafka_partition, one.kafka_offset) for one in ledger.unreadable}
    for place, centre in topics.unreadable.items():
        partition, offset = place
        if place in refused:
            yield centre, "rejected"
        elif offset >= topics.taken.get(partition, 0) or place in topics.under_way.refused_places:
            yield centre, "in_flight"
        else:
            yield centre, Missing("not_refused", centre, None, None, partition, offset)


def _missing(why: Why, one: ImageFate) -> Missing:
    return Missing(why, one.centre, one.biological_sample_id, one.event_id, one.kafka_partition, one.kafka_offset)


def places(missing: Iterable[Missing]) -> set[Place]:
    """Return where the announcements lie on `xray.images`."""
    return {(one.partition, one.offset) for one in missing}
