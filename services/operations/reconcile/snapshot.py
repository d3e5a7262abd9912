"""What the topics say at one moment: all announcements, and what is under way between the services.

Offsets are read in the order in which an image passes the services, and the ledger is read afterwards. So whatever a
service had committed when it was asked is found further down: in a later topic's unread stretch or in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from kafka import TopicPartition

from services.common.errors import Rejected
from services.common.events import (
    ImageEvent,
    PhenotypeCall,
    Rejection,
    SpecimenReady,
    TensorReady,
    ViewReady,
    parse_event,
)
from services.common.kafka.clients import administrator, reader
from services.common.kafka.reading import OffsetRange, Offsets, partitions_of, read
from services.common.settings import ServiceSettings
from services.common.topics import CALLS, IMAGES, REJECTED, REVIEWS, SHADOW, SPECIMENS, TENSORS, VIEWS
from services.common.topology import ASSEMBLER, INTAKE, SINK, STAGES

_READ: Final = tuple(
    (service.name, topic) for service in STAGES for topic in service.inputs if topic not in (SHADOW, REVIEWS)
)
"""Each service with the topics that it reads, except those that show nothing about the outcome of an image."""
_SETS: Final[dict[str, type[SpecimenReady] | type[TensorReady] | type[PhenotypeCall]]] = {
    SPECIMENS.name: SpecimenReady,
    TENSORS.name: TensorReady,
    CALLS.name: PhenotypeCall,
}
Place = tuple[int, int]
"""Partition and offset on `xray.images`."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An image as it was first announced on `xray.images`."""

    event_id: str
    biological_sample_id: str
    centre: str
    place: Place


@dataclass
class UnderWay:
    """What lies between the services: images by event, specimens whose views wait, sets of views, refusals."""

    events: set[str] = field(default_factory=set)
    specimens: set[tuple[str, str]] = field(default_factory=set)
    members: set[tuple[str, str, str]] = field(default_factory=set)
    refused_specimens: set[str] = field(default_factory=set)
    refused_places: set[Place] = field(default_factory=set)


@dataclass(frozen=True)
class Snapshot:
    """`ends`, `taken` and `recorded` are by partition of `xray.images`: its end, where intake is, where the sink is."""

    announcements: dict[str, Announcement]
    unreadable: dict[Place, str | None]
    under_way: UnderWay
    ends: dict[int, int]
    taken: dict[int, int]
    recorded: dict[int, int]


def take(settings: ServiceSettings, since: datetime | None = None) -> Snapshot:
    """Read the topics; with `since` only images announced later. Raises Retriable when the broker is away."""
    with administrator(settings) as admin, reader(settings) as consumer:
        stretches, committed = _unread(settings, admin, consumer)
        beginnings = _beginnings(consumer, since)
        ends = {where: stretches[where].end for where in beginnings}
        announcements, unreadable, again = _announced(
            read(consumer, {where: OffsetRange(beginnings[where], ends[where]) for where in beginnings}),
            {where.partition: committed[INTAKE.name].get(where, 0) for where in beginnings},
        )
        unread = {where: one for where, one in stretches.items() if where.topic != IMAGES.name}
        under_way = _under_way(read(consumer, unread), committed[ASSEMBLER.name])
    under_way.events |= again
    return Snapshot(
        announcements,
        unreadable,
        under_way,
        _by_partition(ends),
        {where.partition: committed[INTAKE.name].get(where, 0) for where in beginnings},
        {where.partition: committed[SINK.name].get(where, 0) for where in beginnings},
    )


def _unread(
    settings: ServiceSettings, admin: Any, consumer: Any
) -> tuple[dict[TopicPartition, OffsetRange], dict[str, Offsets]]:
    """Return of every topic what some reader has not committed, and the offsets of every group."""
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
) -> tuple[dict[str, Announcement], dict[Place, str | None], set[str]]:
    """Return announcements by event id, unreadable records by place, and the events that intake has yet to take."""
    announcements: dict[str, Announcement] = {}
    unreadable: dict[Place, str | None] = {}
    waiting: set[str] = set()
    for record in records:
        place = (record.partition, record.offset)
        try:
            event = parse_event(ImageEvent, record.value)
        except Rejected:
            unreadable[place] = _centre(record.value)
            continue
        one = Announcement(event.event_id, event.biological_sample_id, event.centre, place)
        announcements.setdefault(one.event_id, one)
        if record.offset >= taken[record.partition]:
            waiting.add(one.event_id)
    return announcements, unreadable, waiting


def _under_way(records: Iterable[Any], assembled: Offsets) -> UnderWay:
    found = UnderWay()
    for record in records:
        waits = record.offset >= assembled.get(TopicPartition(record.topic, record.partition), 0)
        try:
            _note(found, record, waits_for_assembler=waits)
        except Rejected:
            continue  # its reader refuses it; that it names no image is all that counts here
    return found


def _note(found: UnderWay, record: Any, *, waits_for_assembler: bool) -> None:
    if record.topic == VIEWS.name:
        view = parse_event(ViewReady, record.value)
        found.events.add(view.image_event_id)
        if waits_for_assembler:
            found.specimens.add((view.biological_sample_id, view.preprocessing_version))
    elif record.topic == REJECTED.name:
        _note_rejection(found, parse_event(Rejection, record.value))
    else:
        _note_set(found, parse_event(_SETS[record.topic], record.value))


def _note_set(found: UnderWay, event: SpecimenReady | TensorReady | PhenotypeCall) -> None:
    name, version = event.biological_sample_id, event.preprocessing_version
    found.members |= {(name, version, view.image_sha256) for view in event.views}


def _note_rejection(found: UnderWay, rejection: Rejection) -> None:
    if rejection.image_event_id is not None:
        found.events.add(rejection.image_event_id)
    elif rejection.source_topic == IMAGES.name:
        found.refused_places.add((rejection.source_partition, rejection.source_offset))
    elif rejection.biological_sample_id is not None:
        found.refused_specimens.add(rejection.biological_sample_id)


def _by_partition(offsets: Offsets) -> dict[int, int]:
    return {where.partition: offset for where, offset in offsets.items()}


def _centre(value: bytes | None) -> str | None:
    """Find the centre in a record that may be anything, as the rejection of it does."""
    try:
        centre = json.loads(value or b"null")["centre"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return centre if isinstance(centre, str) and 0 < len(centre) <= 64 else None
