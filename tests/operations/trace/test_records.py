from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.operations.trace.records import Window, merged, partition_of
from tests.ledger.examples import NOON, minutes


@pytest.mark.parametrize(("key", "hashed"), [("21", -973932308), ("foobar", -790332482), ("abc", 479470107)])
def test_the_partition_is_that_of_kafkas_own_client(key: str, hashed: int) -> None:
    """Hashes of Kafka's own test (UtilsTest.testMurmur2)."""
    for count in (1, 8, 24):
        assert partition_of(key, count) == (hashed & 0x7FFFFFFF) % count


def test_windows_that_touch_are_read_once() -> None:
    windows = [(minutes(5), minutes(6)), (minutes(0), minutes(1)), (minutes(1), minutes(2))]
    slack = timedelta(seconds=2)
    assert merged(windows) == [(minutes(0) - slack, minutes(2) + slack), (minutes(5) - slack, minutes(6) + slack)]


moments = st.integers(0, 500).map(lambda number: NOON + timedelta(seconds=number))


@given(st.lists(st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair)))), moments)
def test_merged_windows_are_disjoint_and_cover_every_given_moment(windows: list[Window], moment: datetime) -> None:
    result = merged(windows)
    assert all(before[1] < after[0] for before, after in pairwise(result))
    if any(start <= moment <= end for start, end in windows):
        assert any(start <= moment <= end for start, end in result)
