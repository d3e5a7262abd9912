"""Records on every topic: each is an event that stays the same, or a rejection that its topic takes."""

import time
from collections.abc import Sequence
from functools import partial
from random import Random

import pytest

from deploy.schemas.examples import examples_of
from services.common.errors import Rejected
from services.common.events import ImageEvent
from services.common.loop.dead_letter import rejection_of
from services.common.topics import ACTIVE_MODELS, IMAGES, REJECTED, REVIEWS, TOPICS, WITHDRAWN, Topic
from services.common.topology import MONITOR
from services.monitor.closing import Recount
from services.monitor.counting import Windows, statistics
from services.monitor.tables import StatisticsCounter, WindowTable
from tests.common.test_loop import Recorder
from tests.fuzz.harness import ACCEPTED, TIMEOUT, run
from tests.fuzz.hostile_json import HOSTILE_TEXT, changed_json
from tests.fuzz.oracle import EVENT_REASONS, NOON, check_accepted, check_refused, raw_record

pytestmark = pytest.mark.timeout(TIMEOUT)
SEEDS = {topic.name: [one.encode() for event in topic.events for one in examples_of(event)] for topic in TOPICS}
OUTSIDE = (IMAGES, WITHDRAWN, REVIEWS, ACTIVE_MODELS)
"""Topics that centres, curators and operators write; services write the others."""
INSIDE = tuple(topic for topic in TOPICS if topic not in OUTSIDE)


def check_event(topics: Sequence[Topic], random: Random) -> str:
    """Read a changed record of one of the topics by the function that services use."""
    topic = random.choice(topics)
    value = changed_json(random, SEEDS[topic.name])
    raw = raw_record(topic, value)
    try:
        event = topic.parse(value)
    except Rejected as rejected:
        return check_refused(raw, rejected)
    check_accepted(topic, event)
    found = rejection_of("intake", raw, Rejected("blank", "a test"), None)
    for name in ("biological_sample_id", "centre"):
        # A rejection is about the animal that the service saw, not about one that another parser finds.
        assert getattr(found, name) in {getattr(event, name, None), None}
    return ACCEPTED


@pytest.mark.parametrize("topics", [OUTSIDE, INSIDE], ids=["outsiders", "services"])
def test_events(topics: Sequence[Topic], request: pytest.FixtureRequest) -> None:
    run(f"events of {request.node.callspec.id}", partial(check_event, topics), EVENT_REASONS)


def test_loop() -> None:
    """The loop handles the good records around hostile ones, refuses these, and commits behind all of them."""

    def check(random: Random) -> str:
        good = examples_of(ImageEvent)[0].encode()
        batch = [
            raw_record(
                IMAGES,
                good if offset % 2 else changed_json(random, SEEDS[IMAGES.name]),
                offset=offset,
                key=random.choice((None, b"", b"\xff", b"k" * 70_000)),
                headers=tuple(
                    (random.choice(HOSTILE_TEXT).encode(errors="replace").decode(), random.randbytes(3))
                    for _ in range(random.choice((0, 1, 100)))
                ),
            )
            for offset in range(5)
        ]
        recorder = Recorder([batch])
        recorder.run()
        assert recorder.committed == {(IMAGES.name, 0): 5}
        assert len(recorder.published) == 5
        for message in recorder.published:
            assert len(message.event.encode()) < REJECTED.max_message_bytes
        refused = {rejection.source_offset: rejection.reason for rejection in recorder.rejections}
        assert set(refused) <= {0, 2, 4}
        return next(iter(refused.values()), ACCEPTED)

    run("loop", check, EVENT_REASONS)


def test_monitor() -> None:
    """The monitor exits at an exception, so counting a record never raises one."""
    topics = [topic for topic in TOPICS if topic.name in MONITOR.inputs_by_name]
    windows = Windows(3600, 60, 10**9)

    def check(random: Random) -> str:
        topic = random.choice(topics)
        value = changed_json(random, SEEDS[topic.name])
        table = WindowTable({}, 1)
        counter, recount = StatisticsCounter(table, windows), Recount(windows)
        counter.take(topic.name, 0, random.choice((-1.0, 0.0, NOON.timestamp(), 253_402_300_799.0)), value)
        recount.add(topic.name, NOON.timestamp(), value)
        for start, centre in recount.closed(time.time()):
            assert statistics(centre, start, windows.length, recount.counters((start, centre))).total == 1
        return ACCEPTED if counter.grown else "left_out"

    run("monitor", check, {"left_out"})
