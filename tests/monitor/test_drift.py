import json
from typing import Any

import pytest

from services.common.errors import Rejected
from services.common.events import CentreStatistics, parse_event
from services.monitor.counting import statistics
from services.monitor.drift import DriftRule, judged

RULE = DriftRule(least_count=50, least_shift=0.2)


def window(start: int = 0, **counters: int) -> CentreStatistics:
    named = {name.replace("__", ":"): count for name, count in counters.items()}
    return statistics("JAX", start, 3600, named)


def contrasts(low: int, high: int, **more: int) -> dict[str, Any]:
    return {"accepted": low + high, "score__contrast__2": low, "score__contrast__6": high, **more}


def drifted(one: CentreStatistics) -> set[str]:
    return {drift.measure for drift in one.drift if drift.drifted}


@pytest.mark.parametrize("count", [(1 << 53) + 1, 10**400])
def test_a_count_that_cannot_be_divided_is_no_count(count: int) -> None:
    """Otherwise one forged record of an earlier window would stop the monitor at every later one."""
    good = window(**contrasts(60, 40))
    forged = good.model_dump(mode="json") | {"accepted": count}
    with pytest.raises(Rejected, match="field_invalid"):
        parse_event(CentreStatistics, json.dumps(forged).encode())


def test_the_largest_counts_and_more_positives_than_calls_can_be_judged() -> None:
    most = 1 << 53
    large = window(accepted=most, calls=1, positive__Spine=most, uncertain=most, score__contrast__2=most)
    found = judged(large, [large] * 20, RULE)
    assert not drifted(found)
    assert max(drift.reference_count for drift in found.drift) == 20 * most


def test_the_same_pictures_are_not_drift() -> None:
    found = judged(window(**contrasts(60, 40)), [window(**contrasts(120, 80)), window(**contrasts(61, 39))], RULE)
    assert found.reference_windows == 2
    assert {drift.measure: drift.count for drift in found.drift} == {"outcome": 100, "score.contrast": 100}
    assert {drift.reference_count for drift in found.drift} == {300}
    assert not drifted(found)


def test_a_difference_in_the_pictures_is_drift() -> None:
    found = judged(window(**contrasts(10, 90)), [window(**contrasts(120, 80))], RULE)
    assert drifted(found) == {"score.contrast"}


@pytest.mark.parametrize(
    ("change", "measure"),
    [
        ({"accepted": 50, "rejected__blank": 50}, "outcome"),
        ({"calls": 100, "positive__Spine": 60}, "positive.Spine"),
        ({"calls": 100, "uncertain": 90, "positive__Spine": 10}, "uncertain"),
        ({"calls": 100, "disagreement": 70, "positive__Spine": 10}, "disagreement"),
    ],
)
def test_every_measure_is_watched(change: dict[str, int], measure: str) -> None:
    reference = window(accepted=200, calls=200, positive__Spine=20, uncertain=20, disagreement=10)
    assert drifted(judged(window(**change), [reference], RULE)) >= {measure}


def test_few_observations_are_not_judged() -> None:
    many, few = contrasts(120, 80), contrasts(4, 45)
    assert judged(window(**few), [window(**many)], RULE).drift == ()
    assert judged(window(**many), [window(**few)], RULE).drift == ()
    assert judged(window(**many), [], RULE).drift == ()


def test_a_small_but_certain_shift_is_not_drift() -> None:
    """55 % against 50 % of 10,000 is statistically significant but too small to matter."""
    found = judged(window(**contrasts(5500, 4500)), [window(**contrasts(5000, 5000))], RULE)
    assert not drifted(found)


def test_histograms_with_other_edges_are_left_out_of_the_reference() -> None:
    before = window(**contrasts(10, 190))
    moved = before.scores["contrast"].model_copy(update={"edges": tuple(range(len(before.scores["contrast"].edges)))})
    found = judged(window(**contrasts(120, 80)), [before.model_copy(update={"scores": {"contrast": moved}})], RULE)
    assert {drift.measure for drift in found.drift} == {"outcome"}
