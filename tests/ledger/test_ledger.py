"""Writes to a ledger in a real PostgreSQL."""

import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from random import Random
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.errors import Retriable
from services.common.events import Event, ImageEvent, PhenotypeCall, ViewReady
from services.common.events.base import View
from services.common.topology import SINK
from services.ledger import queries
from services.ledger.database import Connection
from services.ledger.writer import Ledger
from tests.common import strategies
from tests.ledger.conftest import empty
from tests.ledger.examples import (
    abstention,
    call,
    call_withdrawal,
    image,
    image_withdrawal,
    minutes,
    record,
    records,
    rejection,
    review,
    shadow_call,
    view,
)

pytestmark = pytest.mark.integration
T = TypeVar("T")
on_one_ledger = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

AWKWARD_IDS = [
    "183808",
    "O'Brien; drop table call; --",
    'a "quoted" \\ % _ {id}',
    "../../%2e%2e/мышь/老鼠/🐭",
    " leading and trailing ",
    "e\u0301 is not \u00e9",
    "é" * 512,
    "🐭" * 512,
]


def _everything(reader: Connection, specimen: str) -> list[Event]:
    history = queries.specimen_history(reader, specimen)
    if history is None:
        return []
    refused = [queries.find_rejection(reader, summary.rejection_id) for summary in history.rejections]
    return [
        *(kept.event for kept in history.images),
        *history.views,
        *(kept.call for kept in history.calls),
        *(kept for kept in refused if kept is not None),
    ]


@pytest.mark.parametrize("specimen", AWKWARD_IDS)
def test_every_event_reads_back_as_it_was_written(ledger: Ledger, reader: Connection, specimen: str) -> None:
    events: list[Event] = [image(specimen), view(specimen), call(specimen), rejection(specimen)]

    assert ledger.write(records(events)) == [None] * 4
    assert _everything(reader, specimen) == events


def _identity(event: Event) -> object:
    match event:
        case ImageEvent():
            return event.event_id
        case ViewReady():
            return event.biological_sample_id, event.preprocessing_version, event.view, event.image_sha256
        case PhenotypeCall():
            return event.call_id
    raise AssertionError


@on_one_ledger
@given(st.lists(strategies.image_events | strategies.view_events | strategies.calls, max_size=4, unique_by=_identity))
def test_every_valid_event_reads_back(ledger: Ledger, reader: Connection, events: list[Event]) -> None:
    empty(reader)
    assert ledger.write(records(events)) == [None] * len(events)

    kept = [kept for specimen in {event.key for event in events} for kept in _everything(reader, specimen)]
    assert {_identity(event): event for event in kept} == {_identity(event): _shown(event) for event in events}
    assert len(kept) == len(events)


def _shown(event: Event) -> Event:
    """What the ledger keeps of an event: the query of a URI may hold credentials.

    The models' outputs are in a table of their own (test_abstentions.py).
    """
    if isinstance(event, PhenotypeCall):
        left_out = {"scores": None, "features": None, "unfamiliar": None}
        return event.model_copy(update={"models": tuple(one.model_copy(update=left_out) for one in event.models)})
    return event.model_copy(update={"image_uri": event.shown_uri}) if isinstance(event, ImageEvent) else event


_few = st.tuples(st.sampled_from("ab"), st.integers(2, 4), st.integers(1, 2), st.integers(1, 2), st.integers(0, 2))


def _call(name: str, revision: int, generation: int, activation: int, twin: int) -> PhenotypeCall:
    """Twins differ only in the id among the fields that rank a call."""
    call_id = f"{twin:02x}" * 32
    one = call(name, revision, generation, activation)
    return one.model_copy(update={"call_id": one.call_id[:60] + call_id[:4], "abnormal": bool(twin)})


@on_one_ledger
@given(st.lists(_few.map(lambda values: _call(*values)), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_order_grouping_and_repetition_gives_the_same_current_calls(
    ledger: Ledger, reader: Connection, calls: list[PhenotypeCall], random: Random
) -> None:
    expected = {
        one.biological_sample_id: one
        for one in sorted(
            calls, key=lambda one: (one.preprocessing_generation, one.revision, one.activation, one.call_id)
        )
    }
    empty(reader)
    again = [*calls, *random.choices(calls, k=3)]
    random.shuffle(again)
    for batch in _cut(again, random):
        ledger.write(records(batch))

    current = queries.current_calls(reader)
    assert {kept.call.biological_sample_id: kept.call for kept in current} == expected
    assert len(current) == len(expected)
    assert {kept.call.call_id for kept in queries.calls_after(reader, 0)} == {one.call_id for one in calls}


def _view(which: View, version: str, at: int) -> ViewReady:
    return view("a", which, f"{version}{at}", preprocessing_version=version, announced_at=minutes(at))


_minute = st.integers(0, 9)
_set_events: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda at: image("a", f"{at}"), _minute),
    st.builds(_view, st.sampled_from(["DV", "LAT"]), st.sampled_from(["p1", "p2"]), _minute),
    st.builds(lambda revision: call("a", revision, announced_at=minutes(2 * revision)), st.integers(2, 4)),
)


@on_one_ledger
@given(st.lists(_set_events, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_state_of_a_specimen(
    ledger: Ledger, reader: Connection, seen: list[Event], random: Random
) -> None:
    found = set()
    for _ in range(3):
        empty(reader)
        random.shuffle(seen)
        for batch in _cut(seen, random):
            ledger.write(records(batch))
        state = queries.specimen_state(reader, "a")
        assert state is not None
        found.add((state.announced_at, state.complete_since, state.state, state.dv_views, state.lat_views))

    assert len(found) == 1
    assert found.pop()[1] == _complete_since(seen)


def _complete_since(events: Sequence[Event]) -> datetime | None:
    moments = [event.announced_at for event in events if isinstance(event, PhenotypeCall)]
    for version in ("p1", "p2"):
        first = [_first(events, version, which) for which in ("DV", "LAT")]
        if first[0] is not None and first[1] is not None:
            moments.append(max(first[0], first[1]))
    return min(moments, default=None)


def _first(events: Sequence[Event], version: str, which: str) -> datetime | None:
    views = [event for event in events if isinstance(event, ViewReady)]
    return min(
        (one.announced_at for one in views if (one.preprocessing_version, one.view) == (version, which)), default=None
    )


def _cut(items: Sequence[T], random: Random) -> list[Sequence[T]]:
    at = random.randint(0, len(items))
    return [items[:at], items[at:]]


def test_announcing_again_keeps_the_first(ledger: Ledger, reader: Connection) -> None:
    ledger.write([record(image("a"), 3, minutes(1))])
    ledger.write([record(image("a"), 9, minutes(2))])

    history = queries.specimen_history(reader, "a")
    assert history is not None
    assert [(kept.kafka_offset, kept.announced_at) for kept in history.images] == [(3, minutes(1))]


def test_a_row_that_postgresql_cannot_store_affects_no_other(ledger: Ledger, reader: Connection) -> None:
    events: list[Event] = [
        image("a"),
        call("a", activation=2**40),
        view("b", preprocessing_version="v" * 65),
        rejection("c", source_offset=2**70),
        view("d", preprocessing_generation=2**40),
        rejection("e", 1, original="no base64"),
        call("f"),
    ]
    verdicts = ledger.write(records(events))

    reasons = [verdict and verdict.reason for verdict in verdicts]
    assert reasons == [None, *["not_storable"] * 4, "original_invalid", None]
    stored = {specimen for specimen in "abcdef" if queries.specimen_history(reader, specimen)}
    assert stored == {"a", "f"}


def test_null_characters_are_kept_visible(ledger: Ledger, reader: Connection) -> None:
    odd = rejection("a\0b", words="\0", details={"\0": ["\0"]})
    odd_view = view("a", scores={"\0": 1.0}, provenance={"note": "\0"})

    assert ledger.write(records([odd, odd_view])) == [None, None]
    kept = queries.find_rejection(reader, odd.rejection_id)
    assert kept is not None
    assert (kept.words, kept.details, kept.biological_sample_id) == ("␀", {"␀": ["␀"]}, "a␀b")
    history = queries.specimen_history(reader, "a")
    assert history is not None
    assert (history.views[0].scores, history.views[0].provenance) == ({"␀": 1.0}, {"note": "␀"})


def test_numbers_in_details_keep_any_size(ledger: Ledger, reader: Connection) -> None:
    large = rejection(details={"large": 10**4000})

    assert ledger.write(records([large])) == [None]
    assert queries.find_rejection(reader, large.rejection_id) == large


def test_a_terminated_connection_is_replaced(ledger: Ledger, reader: Connection) -> None:
    ledger.write(records([image("a")]))
    end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'xray-sink'"
    assert reader.execute(end).fetchall() == [(True,)]

    with pytest.raises(Retriable):
        ledger.write(records([image("b")]))
    assert ledger.write(records([image("b")])) == [None]
    assert queries.ledger_count(reader).specimens == 2


def test_a_follower_never_misses_a_call_of_a_slower_writer(dsn: str, reader: Connection) -> None:
    """The slow writer takes its numbers first and commits last; the quick one must wait before it takes any."""
    batches = [[call(f"{writer}-{number}") for number in range(40)] for writer in range(4)]
    seen: list[int] = []
    writing = [threading.Thread(target=_write_each, args=(dsn, batch)) for batch in batches]
    for writer in writing:
        writer.start()
    while any(writer.is_alive() for writer in writing):
        seen += _follow(reader, seen)
    seen += _follow(reader, seen)

    stored = [kept.sequence for kept in queries.calls_after(reader, 0)]
    assert seen == stored
    assert len(seen) == 160


def _write_each(dsn: str, calls: Sequence[PhenotypeCall]) -> None:
    with closing(Ledger(dsn)) as ledger:
        for first in range(0, len(calls), 4):
            ledger.write(records(calls[first : first + 4]))


def _follow(reader: Connection, seen: Sequence[int]) -> list[int]:
    return [kept.sequence for kept in queries.calls_after(reader, seen[-1] if seen else 0)]


def test_two_workers_on_the_same_specimens_wait_for_each_other_and_never_deadlock(dsn: str, reader: Connection) -> None:
    events = [event for number in range(200) for event in (image(f"m{number}", f"{number}"), view(f"m{number}", "LAT"))]
    writing = [threading.Thread(target=_write_all, args=(dsn, order)) for order in (events, events[::-1])]
    for writer in writing:
        writer.start()
    for writer in writing:
        writer.join()

    counts = queries.ledger_count(reader)
    assert (counts.specimens, counts.images, counts.views) == (200, 200, 200)


def _write_all(dsn: str, events: Sequence[Event]) -> None:
    with closing(Ledger(dsn)) as ledger:
        for _ in range(4):
            ledger.write(records(events))


def test_the_events_of_every_input_have_a_table(ledger: Ledger) -> None:
    events: list[Event] = [
        image("a"),
        view("a"),
        image_withdrawal("a"),
        call("a"),
        call_withdrawal("a"),
        abstention("a"),
        shadow_call("a"),
        review("a"),
        rejection("a"),
    ]
    assert {type(event) for event in events} == {event for topic in SINK.inputs for event in topic.events}
    assert ledger.write(records(events)) == [None] * len(events)
