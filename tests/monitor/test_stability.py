import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils import check_random_state

from services.monitor.drift import chance_limit, chi_squared_quantile, stability_index

counts = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 1000), min_size=1)


def test_the_index_is_that_computed_by_hand() -> None:
    """9 and 1 against 5 and 5, half a count added everywhere: shares 9.5/11 and 1.5/11 against 1/2 and 1/2."""
    p, q = 9.5 / 11, 1.5 / 11
    by_hand = (p - 0.5) * math.log(p / 0.5) + (q - 0.5) * math.log(q / 0.5)
    assert stability_index({"yes": 9, "no": 1}, {"yes": 5, "no": 5}) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.6713, abs=1e-4)


@settings(deadline=None)
@given(counts, counts)
def test_the_index_is_symmetric_and_never_negative(one: dict[str, int], other: dict[str, int]) -> None:
    index = stability_index(one, other)
    assert index >= 0
    assert index == pytest.approx(stability_index(other, one))
    assert stability_index(one, one) == 0


def test_a_new_category_counts_and_one_empty_on_both_sides_does_not() -> None:
    assert stability_index({"a": 90, "b": 10}, {"a": 100}) > 0.1
    assert stability_index({"a": 9, "b": 1, "c": 0}, {"a": 5, "b": 5}) == stability_index(
        {"a": 9, "b": 1}, {"a": 5, "b": 5}
    )


@pytest.mark.parametrize("freedom", [1, 2, 5, 10])
@pytest.mark.parametrize("probability", [0.99, 0.999, 1 - 0.001 / 40])
def test_the_quantile_is_scipys_or_a_little_more(probability: float, freedom: int) -> None:
    chi2 = pytest.importorskip("scipy.stats").chi2
    exact = chi2.ppf(probability, freedom)
    assert exact * 0.998 <= chi_squared_quantile(probability, freedom) <= exact * 1.08


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.2,) * 5, (0.05, 0.15, 0.3, 0.3, 0.1, 0.1)])
def test_chance_alone_seldom_exceeds_its_limit(shares: tuple[float, ...]) -> None:
    """2,000 windows of 60 against references of 600 from the same distribution; 20 are expected beyond 1 %."""
    random = check_random_state(7)
    beyond = 0
    for _ in range(2000):
        here, there = (
            {str(number): int(count) for number, count in enumerate(random.multinomial(size, shares))}
            for size in (60, 600)
        )
        beyond += stability_index(here, there) > chance_limit(here, there, 0.01)
    assert beyond <= 30


def test_a_single_category_cannot_differ() -> None:
    assert chance_limit({"a": 5}, {"a": 7}, 0.001) == 0
    assert stability_index({"a": 5}, {"a": 7}) == 0
    assert np.isfinite(stability_index({}, {"a": 7}))
