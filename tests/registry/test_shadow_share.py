"""Which specimens are sent to a candidate."""

from hypothesis import given
from hypothesis import strategies as st

from services.classifier.shadow.shadowing import is_shadowed
from tests.common.strategies import specimen_ids


@given(specimen_ids, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_the_smaller_one(specimen: str, one: float, other: float) -> None:
    if is_shadowed(specimen, min(one, other)):
        assert is_shadowed(specimen, max(one, other))


@given(specimen_ids)
def test_a_share_of_one_selects_all_and_zero_none(specimen: str) -> None:
    assert is_shadowed(specimen, 1.0)
    assert not is_shadowed(specimen, 0.0)


def test_a_fifth_is_a_fifth_of_the_specimens() -> None:
    found = sum(is_shadowed(str(number), 0.2) for number in range(20_000))
    assert abs(found / 20_000 - 0.2) < 0.01  # 3.5 standard deviations
