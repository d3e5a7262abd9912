"""The table's rules, on a dictionary; tests/monitor/test_restart.py has Faust's own."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.events import Event
from services.common.topology import MONITOR
from services.monitor.closing import Recount
from services.monitor.counting import Windows, observe
from services.monitor.tables import WindowTable
from tests.ledger.examples import NOON, call, image, rejection, view

HOUR = Windows(3600, 60, 7200)
START = HOUR.start_of(NOON)
EVENTS: list[Event] = [
    one
    for name in ("a", "b", "c")
    for centre in ("JAX", "a|b")
    for one in (
        image(name + centre, name=name, centre=centre),
        view(name, name=name + centre, centre=centre),
        call(name + centre, centre=centre),
        rejection(name, offset=ord(name) + 1000 * (centre == "JAX"), centre=centre),
    )
]


def counted(events: list[Event], table: WindowTable) -> list[bool]:
    return [table.add(hash(event.key) % 4, START, observe(event, NOON)) for event in events]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(EVENTS)))
def test_an_event_counts_once_however_often_it_arrives(repeated: list[Event]) -> None:
    table, once = WindowTable({}, 4), WindowTable({}, 4)
    assert all(counted(EVENTS, table))
    assert not any(counted(repeated, table))
    counted(EVENTS, once)
    for window in [(START, "JAX"), (START, "a|b")]:
        assert table.counters(window) == once.counters(window)
        assert once.counters(window)["images"] == 3


def test_records_cut_off_by_a_crash_are_never_counted_twice() -> None:
    """The changelog is a prefix of the writes; then every event is redelivered."""
    writes: list[tuple[Any, Any]] = []

    class Written(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            writes.append((key, value))
            super().__setitem__(key, value)

    whole = WindowTable(Written(), 4)
    counted(EVENTS, whole)
    for kept in range(len(writes)):
        restored = WindowTable(dict(writes[:kept]), 4)
        counted(EVENTS, restored)
        for window in set(whole.windows()):
            missing = whole.counters(window) - restored.counters(window)
            assert restored.counters(window) <= whole.counters(window)
            assert missing["images"] + missing["accepted"] + missing["calls"] <= 1


def test_expired_windows_are_forgotten_in_their_partition_alone() -> None:
    content: dict[str, Any] = {}
    table = WindowTable(content, 2)
    for partition in (0, 1):
        for start in (START - 3600, START):
            table.add(partition, start, observe(image(f"m{partition}"), NOON))
    table.forget(0, START)
    assert sorted(set(table.windows())) == [(START - 3600, "JAX"), (START, "JAX")]
    assert table.counters((START - 3600, "JAX")) == Counter(images=1)
    assert len(content) == 6


@settings(max_examples=20, deadline=None)
@given(st.permutations(EVENTS))
def test_a_recount_gives_the_same_in_any_order(events: list[Event]) -> None:
    table, recount = WindowTable({}, 4), Recount(HOUR)
    counted(EVENTS, table)
    topics = {topic.event: name for name, topic in MONITOR.inputs_by_name.items()}
    for event in [*events, *events[:5]]:
        recount.add(topics[type(event)], NOON.timestamp(), event.encode())
    recount.add("xray.images", NOON.timestamp(), b"not json")
    closed = recount.closed(START + 3660)
    assert sorted(closed) == sorted(set(table.windows()))
    assert all(recount.counters(window) == table.counters(window) for window in closed)
    assert recount.closed(START + 3659) == []
