import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.demo.outcome import CalledSpecimen, auc, label_scores, quantile
from tests.ledger.examples import call


def test_auc_counts_pairs_and_halves_ties() -> None:
    assert auc([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]) == 1
    assert auc([1, 0], [0.1, 0.9]) == 0
    assert auc([1, 0, 1], [0.5, 0.5, 0.9]) == 0.75
    assert auc([1, 1], [0.1, 0.2]) is None


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2))
def test_auc_of_turned_scores_is_the_complement(pairs: list[tuple[int, int]]) -> None:
    truth, scores = [bit for bit, _ in pairs], [float(score) for _, score in pairs]
    one, other = auc(truth, scores), auc(truth, [-score for score in scores])
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one + other == pytest.approx(1)


def test_quantiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values[:1], 0.99)) == (50, 99, 1)
    assert math.isnan(quantile([], 0.5))


def test_labels_are_compared_one_by_one() -> None:
    spine = (1, 0, 1, 0, *(0,) * 10)
    right = CalledSpecimen(spine, False, call("a"))  # calls Spine
    missed = CalledSpecimen((1, 1, 0, 0, *(0,) * 10), False, call("b"))  # truly Ribcage
    elsewhere = CalledSpecimen((1, *(0,) * 13), True, call("c"))
    scores = {score.label: score for score in label_scores([right, missed, elsewhere])}
    abnormal, of_spine, of_ribcage = scores["Abnormal"], scores["Spine"], scores["Ribcage"]
    assert (abnormal.specimens, abnormal.positives, abnormal.true_positives, abnormal.auc) == (3, 3, 3, None)
    assert (of_spine.specimens, of_spine.positives, of_spine.called, of_spine.true_positives, of_spine.agreement) == (
        2,
        1,
        2,
        1,
        0.5,
    )
    assert (of_ribcage.positives, of_ribcage.called, of_ribcage.true_positives) == (1, 0, 0)
