"""Outcomes of announced images, whatever the order in which the topics deliver the events."""

import base64
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from kafka import TopicPartition

from services.common.events import Event, ImageEvent, PhenotypeCall, SpecimenReady, ViewReady
from services.common.events.base import View
from services.common.events.specimen import SpecimenView
from services.common.loop.retries import RetryState
from services.common.topics import CALLS, IMAGE_RETRIES, REJECTED, VIEWS, Topic
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.outcomes import AnnouncedImages, ImageOutcome, OutcomeFollower, StoredViews
from services.ingest.push.upload import PushResult
from tests.ledger.examples import NOON, call, image, minutes, rejection, sha256, view

DV, LAT, SKULL = "IMPC_XRY_034_001", "IMPC_XRY_048_001", "IMPC_XRY_050_001"


def pushed(name: str, parameter: str = DV, specimen: str = "7") -> PushResult:
    image = PushImage(LocalFile(Path(f"{name}.png")), specimen, "JAX", parameter)
    return PushResult(image, "pushed", sha256(f"event {name}"), f"s3://xray/{name}")


def storing(*views: View) -> StoredViews:
    return lambda _: frozenset(views)


BOTH_STORED = storing("DV", "LAT")


def members(*names: str) -> tuple[SpecimenView, ...]:
    views: list[View] = ["DV", "LAT"]
    return tuple(
        SpecimenView(view=views[number % 2], image_sha256=sha256(name), view_key=f"views/{name}")
        for number, name in enumerate(names)
    )


def outcomes(
    results: Iterable[PushResult], events: list[Event], stored: StoredViews = BOTH_STORED
) -> dict[str, tuple[str, str]]:
    """State and message by file; they must not depend on the order of the events."""
    found: dict[str, tuple[str, str]] | None = None
    for seed in range(6):
        images = AnnouncedImages(results, stored)
        for event in random.Random(seed).sample(events, len(events)):
            images.add(event)
        shown: dict[str, tuple[str, str]] = {
            str(one.result.image.source): (one.state, one.message) for one in images.outcomes("7")
        }
        assert found in (None, shown)
        found = shown
    assert found is not None
    return found


def test_each_image_has_its_own_outcome() -> None:
    results = [pushed("a"), pushed("b", LAT), pushed("bad"), pushed("skull", SKULL), pushed("late")]
    events: list[Event] = [
        view("7", "DV", "a"),
        view("7", "LAT", "b"),
        call("7", views=members("a", "b")),
        rejection("7", reason="blank", words="contrast is 0.01", image_event_id=sha256("event bad")),
    ]
    assert outcomes(results, events) == {
        "a.png": ("called", "Spine"),
        "b.png": ("called", "Spine"),
        "bad.png": ("rejected", "contrast is 0.01"),
        "skull.png": ("close_up", "an image of skull, paw or hip; no call uses it"),
        "late.png": ("at_intake", "intake has not handled it yet"),
    }


def test_an_image_waits_for_the_other_view_only_when_it_is_not_stored() -> None:
    first: list[Event] = [view("7", "DV", "a")]
    assert outcomes([pushed("a")], first, storing("DV")) == {"a.png": ("waiting_for_view", "the LAT view is missing")}
    assert outcomes([pushed("a")], first) == {"a.png": ("view_stored", "DV view stored, no call yet")}
    # The other view of the same push is still at intake, so nothing is known about it.
    both = outcomes([pushed("a"), pushed("b", LAT)], first, storing("DV"))
    assert {state for state, _ in both.values()} == {"view_stored", "at_intake"}


def test_a_call_of_other_images_is_not_this_ones() -> None:
    events: list[Event] = [view("7", "DV", "a"), call("7", views=members("x", "y"))]
    assert outcomes([pushed("a")], events)["a.png"][0] == "view_stored"


def test_the_rejection_of_a_set_is_that_of_its_images() -> None:
    ready = SpecimenReady(
        biological_sample_id="7",
        centre="JAX",
        revision=2,
        views=members("a", "b"),
        preprocessing_version="p1",
        preprocessing_generation=1,
        announced_at=NOON,
        produced_at=NOON,
    )
    original = base64.b64encode(ready.encode()).decode()
    refused = rejection(
        "7", stage="fuser", source_topic="xray.specimens", image_event_id=None, original=original, words="unreadable"
    )
    results = [pushed("a"), pushed("b", LAT)]
    events: list[Event] = [view("7", "DV", "a"), view("7", "LAT", "b"), refused]
    assert set(outcomes(results, events).values()) == {("rejected", "unreadable")}
    later = [*events, call("7", revision=3, views=members("a", "b", "c"))]
    assert {state for state, _ in outcomes(results, later).values()} == {"called"}
    lost = refused.model_copy(update={"original": None})
    assert {state for state, _ in outcomes(results, [*events[:2], lost]).values()} == {"view_stored"}


def test_a_record_that_the_sink_cannot_store_is_not_a_rejected_image() -> None:
    refused = rejection("7", stage="sink", image_event_id=sha256("event a"))
    assert outcomes([pushed("a")], [refused])["a.png"][0] == "at_intake"


@dataclass(frozen=True)
class Published:
    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


class Polls:
    """Returns one event per poll, then nothing."""

    def __init__(self, *events: Event) -> None:
        self._left = list(events)

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Published]]:
        assert timeout_ms < 1000
        if not self._left:
            return {}
        event = self._left.pop(0)
        topics = {ViewReady: VIEWS, PhenotypeCall: CALLS}
        topic = next((topic for kind, topic in topics.items() if isinstance(event, kind)), REJECTED)
        return {TopicPartition(topic.name, 0): [Published(topic.name, event.key.encode(), event.encode())]}


def test_it_follows_until_every_outcome_is_final() -> None:
    other = view("8", "DV", "other")
    polls = Polls(other, view("7", "DV", "a"), view("7", "LAT", "b"), call("7", views=members("a", "b")), other)
    follower = OutcomeFollower(polls, BOTH_STORED)
    found = list(follower.follow([pushed("a"), pushed("b", LAT)], patience=30))
    assert [(str(one.result.image.source), one.state) for one in found] == [("a.png", "called"), ("b.png", "called")]
    assert polls.poll(0), "it stopped at the last outcome"


class Retried(Polls):
    """Returns records of retry topics, one per poll."""

    def __init__(self, *records: Published) -> None:
        super().__init__()
        self._records = list(records)

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Published]]:
        if not self._records:
            return super().poll(timeout_ms)
        record = self._records.pop(0)
        return {TopicPartition(record.topic, 0): [record]}


def retried(event: ImageEvent, attempts: int, at: datetime, topic: Topic) -> Published:
    state = RetryState(
        topic="xray.images", partition=0, offset=0, timestamp=at, since=at, attempts=attempts, error="answered 503"
    )
    return Published(topic.name, b"7", event.encode(), state.added_to(()), int(at.timestamp() * 1000))


def test_a_parked_image_is_not_final_and_shows_its_next_attempt() -> None:
    event = image("7")
    sent = replace(pushed("a"), event_id=event.event_id)
    first, second = retried(event, 1, NOON, IMAGE_RETRIES[0]), retried(event, 2, minutes(2), IMAGE_RETRIES[1])
    for records in ((first, second), (second, first)):
        (found,) = OutcomeFollower(Retried(*records), BOTH_STORED).follow([sent], patience=0.05)
        assert (found.state, found.final) == ("parked", False)
        assert found.message == "parked, next attempt at 2026-03-01 12:12:00, attempt 3: answered 503"


def test_the_outcome_of_a_parked_image_replaces_its_state() -> None:
    event = image("7")
    images = AnnouncedImages([replace(pushed("a"), event_id=event.event_id)], storing("DV"))
    state = RetryState(topic="xray.images", partition=0, offset=0, timestamp=NOON, since=NOON)
    images.park(event.event_id, state, NOON)
    images.add(view("7", "DV", "a", image_event_id=event.event_id))
    assert [one.state for one in images.outcomes("7")] == ["waiting_for_view"]


def test_after_its_patience_it_returns_what_is_known() -> None:
    follower = OutcomeFollower(Polls(view("7", "DV", "a")), BOTH_STORED)
    found: list[ImageOutcome] = list(follower.follow([pushed("a"), pushed("x", specimen="9")], patience=0.05))
    assert [(one.state, one.final) for one in found] == [("view_stored", False), ("at_intake", False)]


@pytest.mark.parametrize("results", [[], [pushed("skull", SKULL)]])
def test_without_images_to_wait_for_it_reads_nothing(results: list[PushResult]) -> None:
    follower = OutcomeFollower(Polls(), storing())
    assert [one.state for one in follower.follow(results, patience=0)] == ["close_up"] * len(results)
