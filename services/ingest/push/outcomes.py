"""Follows announced images until their outcome is known. This needs only Kafka and the object store."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from services.assembler.members import MOST_OBJECTS, read_set
from services.common.errors import Rejected
from services.common.events import (
    Event,
    ImageEvent,
    PhenotypeCall,
    Rejection,
    SpecimenReady,
    TensorReady,
    ViewReady,
    image_kind,
)
from services.common.events.base import View, parse_event
from services.common.events.summary import describe_call
from services.common.kafka.clients import reader
from services.common.kafka.reading import partitions_of
from services.common.keys import specimen_prefix
from services.common.loop.retries import RetryState, retry_state
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.common.topics import CALLS, IMAGE_RETRIES, REJECTED, SPECIMENS, TENSORS, VIEWS
from services.common.topology import SINK
from services.ingest.push.upload import PushResult

State = Literal["called", "rejected", "waiting_for_view", "close_up", "view_stored", "at_intake", "parked"]
_FOLLOWED: Final = {topic.name: topic for topic in (VIEWS, CALLS, REJECTED, *IMAGE_RETRIES)}
_SETS: Final[dict[str, type[SpecimenReady | TensorReady]]] = {SPECIMENS.name: SpecimenReady, TENSORS.name: TensorReady}
_BOTH: Final[frozenset[View]] = frozenset({"DV", "LAT"})
_POLL_MS: Final = 500

StoredViews = Callable[[ViewReady], frozenset[View]]
"""Returns which views of a specimen are stored, in the preprocessing version of this view."""


@dataclass(frozen=True)
class ImageOutcome:
    """What has become of one announced image; `rejection` is set for a rejected one.

    `called`: a call uses the image. `rejected`: the image, or a set with its view. `waiting_for_view`: the specimen
    lacks its other view. `close_up`: an image of skull, paw or hip, which no call uses. The others are not final:
    `view_stored`: both views are stored but there is no call yet. `at_intake`: intake has not handled the image yet.
    `parked`: its source does not answer, and it is tried again.
    """

    result: PushResult
    state: State
    message: str
    rejection: Rejection | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to the image unless another one arrives."""
        return self.state not in {"view_stored", "at_intake", "parked"}


class AnnouncedImages:
    """What the topics contain about the images of one push, in whatever order it arrives."""

    def __init__(self, results: Iterable[PushResult], stored_views: StoredViews) -> None:
        """Expect these images, which were all announced."""
        self._results: defaultdict[str, list[PushResult]] = defaultdict(list)
        for result in results:
            self._results[result.image.biological_sample_id].append(result)
        self._stored_views = stored_views
        self._views: dict[str, ViewReady] = {}
        self._refused: dict[str, Rejection] = {}
        self._refused_sets: defaultdict[str, list[tuple[frozenset[str], Rejection]]] = defaultdict(list)
        self._parked: dict[str, tuple[datetime, str]] = {}
        self._calls: defaultdict[str, list[PhenotypeCall]] = defaultdict(list)

    @property
    def specimens(self) -> list[str]:
        """The specimens of the images."""
        return list(self._results)

    def add(self, event: Event) -> None:
        """Take one event of one of these specimens."""
        match event:
            case ViewReady():
                self._views[event.image_event_id] = event
            case PhenotypeCall():
                self._calls[event.biological_sample_id].append(event)
            case Rejection(source_topic=topic) if topic in _SETS:
                self._refused_sets[event.key].append((_images_of(event), event))
            case Rejection(stage=stage, image_event_id=str(image)) if stage != SINK.name:
                self._refused[image] = event

    def park(self, image_event_id: str, state: RetryState, due_at: datetime) -> None:
        """Take note of an image on a retry topic; the latest counts."""
        latest = (due_at, state.description(due_at))
        self._parked[image_event_id] = max(latest, self._parked.get(image_event_id, latest))

    def outcomes(self, specimen: str) -> list[ImageOutcome]:
        """Return the outcome of each image of a specimen, as far as it is known."""
        results = self._results[specimen]
        settled = all(_is_close_up(one) or self._is_settled(one) for one in results)
        return [self._outcome(one, settled=settled) for one in results]

    def _is_settled(self, result: PushResult) -> bool:
        return result.event_id in self._views or result.event_id in self._refused

    def _outcome(self, result: PushResult, *, settled: bool) -> ImageOutcome:
        view, refused = self._views.get(result.event_id or ""), self._refused.get(result.event_id or "")
        if view is not None:
            digest = view.image_sha256
            for call in reversed(self._calls[view.biological_sample_id]):
                if any(one.image_sha256 == digest for one in call.views):
                    return ImageOutcome(result, "called", describe_call(call))
            sets = self._refused_sets[view.biological_sample_id]
            refused = next((rejection for digests, rejection in sets if digest in digests), refused)
        if refused is not None:
            return ImageOutcome(result, "rejected", refused.words, refused)
        if _is_close_up(result):
            return ImageOutcome(result, "close_up", "an image of skull, paw or hip; no call uses it")
        if view is None:
            return self._at_intake(result)
        # Intake stores a view before it announces it, so the listing is complete once all images are settled.
        missing = _BOTH - self._stored_views(view) if settled else frozenset[View]()
        if missing:
            return ImageOutcome(result, "waiting_for_view", f"the {' and '.join(sorted(missing))} view is missing")
        return ImageOutcome(result, "view_stored", f"{view.view} view stored, no call yet")

    def _at_intake(self, result: PushResult) -> ImageOutcome:
        parked = self._parked.get(result.event_id or "")
        if parked is not None:
            return ImageOutcome(result, "parked", parked[1])
        return ImageOutcome(result, "at_intake", "intake has not handled it yet")


class OutcomeFollower:
    """Reads what was published since it was created; use `outcome_follower`."""

    def __init__(self, consumer: Any, stored_views: StoredViews) -> None:
        """Read with a consumer that is at the positions where the push began."""
        self._consumer, self._stored_views = consumer, stored_views

    def follow(self, results: Iterable[PushResult], patience: float) -> Iterator[ImageOutcome]:
        """Yield the outcome of each image once it is final.

        After `patience` seconds without an event of these images, yield the outcomes that are not final, and return.
        Raises Retriable when a server is away.
        """
        images = AnnouncedImages(results, self._stored_views)
        waiting = dict.fromkeys(images.specimens)
        touched, last_event = set(waiting), time.monotonic()
        while True:
            for specimen in touched & waiting.keys():
                found = images.outcomes(specimen)
                if all(one.final for one in found):
                    yield from found
                    del waiting[specimen]
            if not waiting or time.monotonic() - last_event > patience:
                break
            touched = self._read(images, waiting)
            last_event = time.monotonic() if touched else last_event
        for specimen in waiting:
            yield from images.outcomes(specimen)

    def _read(self, images: AnnouncedImages, waiting: Iterable[str]) -> set[str]:
        """Take the new events of specimens that are waited for; return the specimens that have any."""
        names = {specimen.encode(): specimen for specimen in waiting}
        touched: set[str] = set()
        for records in self._consumer.poll(timeout_ms=_POLL_MS).values():
            for record in records:
                if record.key in names:
                    try:
                        _take(images, record)
                    except Rejected:
                        continue
                    touched.add(names[record.key])
        return touched


@contextmanager
def outcome_follower(settings: Settings, store: ObjectStore) -> Iterator[OutcomeFollower]:
    """Note where the topics end now, before anything is announced.

    Raises Retriable when the broker is away, Fatal when a topic does not exist.
    """

    def stored_views(view: ViewReady) -> frozenset[View]:
        keys = store.keys(specimen_prefix(view.biological_sample_id), MOST_OBJECTS)
        return frozenset(one.view for one in read_set(keys, view.preprocessing_version).views)

    with reader(settings) as consumer:
        partitions = [where for topic in _FOLLOWED for where in partitions_of(consumer, topic)]
        consumer.assign(partitions)
        for where, end in consumer.end_offsets(partitions).items():
            consumer.seek(where, end)
        yield OutcomeFollower(consumer, stored_views)


def _take(images: AnnouncedImages, record: Any) -> None:
    """Take one record; raises Rejected if it is not an event."""
    topic = _FOLLOWED[record.topic]
    event = parse_event(topic.event, record.value)
    state, _ = retry_state(tuple(record.headers))
    if not isinstance(event, ImageEvent):
        images.add(event)
    elif state is not None:
        published = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        images.park(event.event_id, state, published + timedelta(seconds=topic.delay_seconds))


def _is_close_up(result: PushResult) -> bool:
    return image_kind(result.image.parameter_stable_id) == "other"


def _images_of(rejection: Rejection) -> frozenset[str]:
    """Return the digests of the images of a rejected set; none if the record was too large to be kept."""
    try:
        event = parse_event(_SETS[rejection.source_topic], rejection.original_bytes())
    except Rejected:
        return frozenset()
    return frozenset(view.image_sha256 for view in event.views)
