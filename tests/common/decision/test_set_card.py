"""A set of two members on simulated specimens of three centres, one of them a stranger."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from services.common.decision.fit import SetVersion, ValidationSet, fit_set
from services.common.decision.reference import ReferenceStatistics, estimate
from services.common.decision.set_card import MemberOutputs, SetCard, called, coherent, decide_set
from services.common.hierarchy import limited
from services.common.labels import LABEL_ORDER, parents_of

FEATURES = 8
VERSIONS = (SetVersion("convnext", 3), SetVersion("cae", 2))


class Cohort(NamedTuple):
    outputs: tuple[MemberOutputs, ...]
    labels: NDArray[np.uint8]
    centres: tuple[str, ...]


def cohort(count: int, *, seed: int, prevalence: float = 0.5, shift: float = 0.0, away: float = 0.0) -> Cohort:
    """Specimens of two centres; scores are shifted by `shift`, features moved by `away`."""
    random = np.random.default_rng(seed)
    labels = (random.random((count, 14)) < 0.4).astype(np.uint8)
    labels[:, 0] = random.random(count) < prevalence
    labels[labels[:, 0] == 0] = 0
    outputs = []
    for noise in (1.0, 2.0):
        scores = (2.0 * labels - 1) * 1.5 + random.normal(size=(count, 14)) * noise + shift
        features = random.normal(size=(count, FEATURES)) + away + 0.5 * labels[:, :1]
        unfamiliar = np.clip(np.abs(away) + random.random(count) * 0.9, 0, 1)
        outputs.append(MemberOutputs(scores, features, unfamiliar))
    return Cohort(tuple(outputs), labels, tuple(np.where(np.arange(count) % 2, "A", "B")))


@cache
def card() -> SetCard:
    known = cohort(1200, seed=1)
    return fit_set(VERSIONS, known.outputs, ValidationSet(known.labels, known.centres))


def references(controls: Cohort) -> list[ReferenceStatistics]:
    normal = controls.labels[:, 0] == 0
    return [
        estimate(own.scores[normal], own.features[normal], member.training)
        for own, member in zip(controls.outputs, card().members, strict=True)
    ]


def test_the_better_member_has_more_weight_at_every_label() -> None:
    better, worse = (member.weights for member in card().members)
    assert (better > worse).mean() > 0.9
    np.testing.assert_allclose(better + worse, 1)


def test_probabilities_are_calibrated_for_the_stated_prevalence() -> None:
    rare = cohort(30_000, seed=2, prevalence=0.0305)
    found = decide_set(card(), rare.outputs).served[:, 0]
    assert found.mean() == pytest.approx(0.0305, abs=0.006)
    high = found > 0.5
    assert rare.labels[high, 0].mean() == pytest.approx(found[high].mean(), abs=0.1)


def test_the_threshold_of_level_1_finds_most_abnormal_specimens_and_spares_the_normal() -> None:
    new = cohort(4000, seed=3)
    positive = decide_set(card(), new.outputs).positive[:, 0]
    assert positive[new.labels[:, 0] == 1].mean() > 0.8
    assert positive[new.labels[:, 0] == 0].mean() < 0.08


def test_a_shifted_centre_is_called_as_before_once_its_controls_are_known() -> None:
    new, shifted = cohort(2000, seed=4), cohort(2000, seed=4, shift=3.0)
    alone = decide_set(card(), shifted.outputs).positive[:, 0]
    referred = decide_set(card(), shifted.outputs, references(cohort(60, seed=5, shift=3.0))).positive[:, 0]
    before = decide_set(card(), new.outputs).positive[:, 0]
    normal = new.labels[:, 0] == 0
    assert alone[normal].mean() > 0.5
    assert referred[normal].mean() < 0.1
    assert (referred == before).mean() > 0.9


def test_ordinary_specimens_are_hardly_ever_abstained_from() -> None:
    new = cohort(3000, seed=6)
    for known in (None, references(cohort(80, seed=7))):
        reasons = decide_set(card(), new.outputs, known).reasons
        assert sum(reason is not None for reason in reasons) / len(reasons) < 0.03


def test_a_stranger_without_controls_lacks_a_reference_and_with_them_is_called() -> None:
    strange = cohort(400, seed=8, away=2.0)
    alone = decide_set(card(), strange.outputs)
    assert set(alone.reasons) == {"no_reference"}
    assert alone.unfamiliarity.min() > 0.99
    known = decide_set(card(), strange.outputs, references(cohort(80, seed=9, away=2.0)))
    assert sum(reason is None for reason in known.reasons) / 400 > 0.95


def test_no_controls_make_an_outlandish_specimen_familiar() -> None:
    noise = cohort(100, seed=10, away=60.0)
    known = references(cohort(80, seed=11, away=60.0))
    assert set(decide_set(card(), noise.outputs, known).reasons) == {"unfamiliar"}


def test_a_familiar_centre_does_not_make_a_stranger_familiar() -> None:
    strange = cohort(100, seed=12, away=4.0)
    assert set(decide_set(card(), strange.outputs, references(cohort(80, seed=13))).reasons) == {"unfamiliar"}


def test_a_specimens_decision_does_not_depend_on_the_others() -> None:
    new = cohort(20, seed=14)
    one = tuple(MemberOutputs(*(part[3:4] for part in own)) for own in new.outputs)
    together, alone = decide_set(card(), new.outputs), decide_set(card(), one)
    np.testing.assert_allclose(alone.served[0], together.served[3], rtol=1e-12)
    assert alone.reasons[0] == together.reasons[3]


def test_decisions_agree_down_the_hierarchy() -> None:
    found = decide_set(card(), cohort(500, seed=15).outputs)
    np.testing.assert_array_equal(found.served, limited(found.served))
    for label in LABEL_ORDER[1:]:
        parents = [LABEL_ORDER.index(parent) for parent in parents_of(label)]
        column = found.positive[:, LABEL_ORDER.index(label)]
        assert (found.positive[column][:, parents].any(axis=1)).all()


def test_a_label_without_its_parent_is_not_called() -> None:
    served = np.zeros((1, 14))
    served[0, LABEL_ORDER.index("Ribs")] = 0.9
    assert not called(served, np.full(14, 0.5)).any()


def test_a_kind_is_never_more_probable_than_its_part() -> None:
    given = np.full((1, 14), 0.9)
    given[0, LABEL_ORDER.index("Spine")] = 0.2
    served = coherent(given)
    assert served[0, LABEL_ORDER.index("Lumbar")] == pytest.approx(0.9 * 0.2)


def test_the_card_survives_json_with_its_digest_and_decides_the_same() -> None:
    again = SetCard.model_validate_json(card().model_dump_json())
    assert again.digest() == card().digest()
    new = cohort(50, seed=16)
    np.testing.assert_allclose(decide_set(again, new.outputs).served, decide_set(card(), new.outputs).served, atol=1e-4)


def test_a_card_without_every_label_is_refused() -> None:
    payload = card().model_dump()
    with pytest.raises(ValueError, match="each vector needs 14 numbers"):
        SetCard.model_validate({**payload, "thresholds": [0.5]})


def test_missing_labels_are_neither_positive_nor_negative() -> None:
    known = cohort(600, seed=17)
    labels = known.labels.copy()
    labels[::3, 5] = 255
    found = fit_set(VERSIONS, known.outputs, ValidationSet(labels, known.centres))
    rest = np.arange(600) % 3 > 0
    outputs = tuple(MemberOutputs(*(part[rest] for part in own)) for own in known.outputs)
    centres = tuple(np.array(known.centres)[rest])
    without = fit_set(VERSIONS, outputs, ValidationSet(labels[rest], centres))
    assert found.scale[5] == pytest.approx(without.scale[5], rel=0.25)
