"""Comparisons of candidates in shadow, on a real server."""

import itertools
from typing import Any

import pytest

from services.ledger.database import Connection
from services.ledger.queries import shadow_labels, shadow_summaries, shadowed_specimens
from services.ledger.writer import Ledger
from tests.ledger.examples import minutes, records, shadow_call

pytestmark = pytest.mark.integration
CANDIDATE = {"cae": 3, "convnext": 4}
SAME: dict[str, Any] = {"vector": (0, 1, 0, *(0,) * 10), "differs": ()}


def test_a_comparison_written_again_is_one_row(ledger: Ledger, reader: Connection) -> None:
    batch = records([shadow_call("1"), shadow_call("2"), shadow_call("1", candidate=5)])
    assert ledger.write(batch) == [None] * 3
    assert ledger.write(list(reversed(batch))) == [None] * 3
    assert reader.execute("select count(*) from shadow_call").fetchone() == (3,)
    assert shadowed_specimens(reader, CANDIDATE) == 2
    assert shadowed_specimens(reader, {"cae": 3}) == 0


def test_positives_of_both_and_differences_are_counted_by_label(ledger: Ledger, reader: Connection) -> None:
    ledger.write(records([shadow_call("1"), shadow_call("2"), shadow_call("3", **SAME), shadow_call("4", candidate=5)]))
    labels = {one.label: (one.called, one.candidate, one.differs) for one in shadow_labels(reader, CANDIDATE)}
    assert list(labels)[:3] == ["Abnormal", "Ribcage", "Spine"]
    assert len(labels) == 14
    assert labels["Abnormal"] == (3, 3, 0)
    assert labels["Ribcage"] == (0, 2, 2)
    assert labels["Spine"] == (3, 1, 2)
    assert labels["Other"] == (0, 0, 0)


def test_a_specimen_counts_once_by_its_newest_call_in_any_order(ledger: Ledger, reader: Connection) -> None:
    old, new = shadow_call("1", revision=2), shadow_call("1", revision=3, **SAME)
    for number, order in enumerate(itertools.permutations([old, new])):
        ledger.write(records(order))
        (summary,) = shadow_summaries(reader)
        assert (summary.specimens, summary.differing) == (1, 0), number


def test_candidates_are_listed_with_their_times_the_last_one_first(ledger: Ledger, reader: Connection) -> None:
    seconds = [shadow_call(str(1 + number), seconds=number / 100) for number in range(101)]
    later = shadow_call("1", candidate=5, produced_at=minutes(9), differs=())
    ledger.write(records([*seconds, later]))
    newest, other = shadow_summaries(reader)
    assert (newest.versions["convnext"], newest.differing, newest.first_at) == (5, 0, minutes(9))
    assert (other.versions, other.specimens, other.differing) == (CANDIDATE, 101, 101)
    assert [other.seconds_p50, other.seconds_p99] == pytest.approx([0.5, 0.99])
