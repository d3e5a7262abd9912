"""The topics at one moment: all announcements, and what is in flight between the services.

Offsets are read in the order in which an image passes the services, and the ledger is read afterwards. So whatever a
service had committed by then is found further down: in the unread part of a later topic, or in the ledger.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from kafka import TopicPartition

from services.common.errors import Rejected
from services.common.events import (
    CallAbstention,
    CallWithdrawal,
    Event,
    ImageEvent,
    PhenotypeCall,
    Rejection,
    SpecimenReady,
    TensorReady,
    ViewReady,
    parse_event,
)
from services.common.kafka.batches import Unreadable
from services.common.kafka.clients import administrator, reader
from services.common.kafka.reading import OffsetRange, Offsets, partitions_of, ranges_of, read, topics_of
from services.common.settings import ServiceSettings
from services.common.topics import (
    CALLS,
    CENTRE_IMAGES,
    IMAGES,
    REJECTED,
    REVIEWS,
    SHADOW,
    SPECIMENS,
    TENSORS,
    VIEWS,
    WITHDRAWN,
)
from services.common.topology import ADMISSION, ASSEMBLER, INTAKE, SINK, STAGES

_READ: Final = tuple(
    (service.name, topic) for service in STAGES for topic in service.inputs if topic not in (SHADOW, REVIEWS, WITHDRAWN)
)
"""Each service with the topics that it reads, except those that show nothing about the outcome of an image."""
_SETS: Final = {topic.name: topic for topic in (SPECIMENS, TENSORS, CALLS)}
RecordLocation = tuple[int, int]
"""Partition and offset on `xray.images`."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An image as it was first announced on `xray.images`."""

    event_id: str
    biological_sample_id: str
    centre: str
    location: RecordLocation


@dataclass
class InFlight:
    """Unread records between the services: images by event, specimens whose views wait, sets of views, rejections.

    `parked` are the images on retry topics: they wait for their source.
    """

    events: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)
    specimens: set[tuple[str, str]] = field(default_factory=set)
    members: set[tuple[str, str, str]] = field(default_factory=set)
    refused_specimens: set[str] = field(default_factory=set)
    refused_locations: set[RecordLocation] = field(default_factory=set)


@dataclass(frozen=True)
class Snapshot:
    """`ends`, `taken` and `recorded` are offsets by partition of `xray.images`: of its end, intake and sink.

    `unadmitted` is the number of records by centre that wait on its own topic.
    """

    announcements: dict[str, Announcement]
    unreadable: dict[RecordLocation, str | None]
    in_flight: InFlight
    ends: dict[int, int]
    taken: dict[int, int]
    recorded: dict[int, int]
    unadmitted: dict[str, int] = field(default_factory=dict)


def take(settings: ServiceSettings, since: datetime | None = None) -> Snapshot:
    """Read the topics; with `since` only images announced later. Raises Retriable when the broker is unreachable."""
    with administrator(settings) as admin, reader(settings) as consumer:
        unadmitted = _unadmitted(settings, admin, consumer)  # first: what is admitted meanwhile is found below
        ranges, committed = _unread(settings, admin, consumer)
        beginnings = _beginnings(consumer, since)
        ends = {where: ranges[where].end for where in beginnings}
        announcements, unreadable, again = _announced(
            read(
                consumer,
                {where: OffsetRange(beginnings[where], ends[where]) for where in beginnings},
                keep_unreadable=True,
            ),
            {where.partition: committed[INTAKE.name].get(where, 0) for where in beginnings},
        )
        unread = {where: one for where, one in ranges.items() if where.topic != IMAGES.name}
        in_flight = _in_flight(read(consumer, unread), committed[ASSEMBLER.name])
    in_flight.events |= again
    return Snapshot(
        announcements,
        unreadable,
        in_flight,
        _by_partition(ends),
        {where.partition: committed[INTAKE.name].get(where, 0) for where in beginnings},
        {where.partition: committed[SINK.name].get(where, 0) for where in beginnings},
        unadmitted,
    )


def _unadmitted(settings: ServiceSettings, admin: Any, consumer: Any) -> dict[str, int]:
    """Return the number of records that the admission has not passed on, by centre."""
    counts: dict[str, int] = {}
    committed = _committed(admin, settings.group_prefix + ADMISSION.name)
    for topic in topics_of(consumer, [CENTRE_IMAGES.pattern]):
        ranges = ranges_of(consumer, [topic])
        waiting = sum(one.end - max(one.start, committed.get(where, 0)) for where, one in ranges.items())
        if waiting and (centre := CENTRE_IMAGES.centre(topic)):
            counts[centre] = waiting
    return counts


def _unread(
    settings: ServiceSettings, admin: Any, consumer: Any
) -> tuple[dict[TopicPartition, OffsetRange], dict[str, Offsets]]:
    """Return the range of each partition that some reader has not committed, and the offsets of every group."""
    ends: Offsets = consumer.end_offsets(partitions_of(consumer, IMAGES.name))
    committed: dict[str, Offsets] = {}
    starts: Offsets = {}
    for service, topic in _READ:
        if service not in committed:
            committed[service] = _committed(admin, settings.group_prefix + service)
        where = partitions_of(consumer, topic.name)
        if topic is not IMAGES:
            ends |= consumer.end_offsets(where)
        for one in where:
            mine = committed[service].get(one, 0)
            starts[one] = min(starts.get(one, mine), mine)
    beginnings: Offsets = consumer.beginning_offsets(list(starts))
    return {one: OffsetRange(max(starts[one], beginnings[one]), ends[one]) for one in starts}, committed


def _committed(admin: Any, group: str) -> Offsets:
    found = admin.list_group_offsets(group).get(group, {})
    return {where: max(0, one.offset) for where, one in found.items()}


def _beginnings(consumer: Any, since: datetime | None) -> Offsets:
    where = partitions_of(consumer, IMAGES.name)
    beginnings: Offsets = consumer.beginning_offsets(where)
    if since is None:
        return beginnings
    ends: Offsets = consumer.end_offsets(where)
    found = consumer.offsets_for_times({one: int(since.timestamp() * 1000) for one in where})
    return {one: found[one].offset if found.get(one) else ends[one] for one in where}


def _announced(
    records: Iterable[Any], taken: dict[int, int]
) -> tuple[dict[str, Announcement], dict[RecordLocation, str | None], set[str]]:
    """Return announcements by event id, unreadable records by location, and the events that wait for intake."""
    announcements: dict[str, Announcement] = {}
    unreadable: dict[RecordLocation, str | None] = {}
    waiting: set[str] = set()
    for record in records:
        location = (record.partition, record.offset)
        try:
            event = parse_event(ImageEvent, record.value)
        except Rejected:
            first = record.value.first_offset if isinstance(record.value, Unreadable) else record.offset
            unreadable[record.partition, first] = _centre(record.value)
            continue
        one = Announcement(event.event_id, event.biological_sample_id, event.centre, location)
        announcements.setdefault(one.event_id, one)
        if record.offset >= taken[record.partition]:
            waiting.add(one.event_id)
    return announcements, unreadable, waiting


def _in_flight(records: Iterable[Any], assembled: Offsets) -> InFlight:
    found = InFlight()
    for record in records:
        waits = record.offset >= assembled.get(TopicPartition(record.topic, record.partition), 0)
        try:
            _note(found, record, waits_for_assembler=waits)
        except Rejected:
            continue  # its reader rejects it; it names no image
    return found


def _note(found: InFlight, record: Any, *, waits_for_assembler: bool) -> None:
    if record.topic == VIEWS.name:
        view = parse_event(ViewReady, record.value)
        found.events.add(view.image_event_id)
        if waits_for_assembler:
            found.specimens.add((view.biological_sample_id, view.preprocessing_version))
    elif record.topic in INTAKE.delays:
        found.parked.add(parse_event(ImageEvent, record.value).event_id)
    elif record.topic == REJECTED.name:
        _note_rejection(found, parse_event(Rejection, record.value))
    else:
        _note_set(found, _SETS[record.topic].parse(record.value))


def _note_set(found: InFlight, event: Event) -> None:
    if isinstance(event, SpecimenReady | TensorReady | PhenotypeCall | CallAbstention):
        name, version = event.biological_sample_id, event.preprocessing_version
        found.members |= {(name, version, view.image_sha256) for view in event.views}
    elif isinstance(event, CallWithdrawal):
        found.specimens.add((event.biological_sample_id, event.preprocessing_version))


def _note_rejection(found: InFlight, rejection: Rejection) -> None:
    if rejection.image_event_id is not None:
        found.events.add(rejection.image_event_id)
    elif rejection.source_topic == IMAGES.name:
        found.refused_locations.add((rejection.source_partition, rejection.source_offset))
    elif rejection.biological_sample_id is not None:
        found.refused_specimens.add(rejection.biological_sample_id)


def _by_partition(offsets: Offsets) -> dict[int, int]:
    return {where.partition: offset for where, offset in offsets.items()}


def _centre(value: bytes | None) -> str | None:
    """Find the centre in a record of any content, as its rejection does."""
    try:
        centre = json.loads(value or b"null")["centre"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return centre if isinstance(centre, str) and 0 < len(centre) <= 64 else None
