from hypothesis import given
from hypothesis import strategies as st

from services.classifier.decide import decide
from services.common.events import Probabilities
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2, LEVEL3, PARENTS
from services.common.model_card import ModelCard
from services.common.preprocessing import VERSION
from tests.common.strategies import probabilities


def card(threshold: float = 0.5, band: float = 0.05, weight: float = 1.0) -> ModelCard:
    return ModelCard(
        model="m",
        version=1,
        architecture="test",
        preprocessing_version=VERSION,
        tensor_side=224,
        labels=LABEL_ORDER,
        thresholds=(threshold,) * 14,
        uncertain_half_width=band,
        consensus_weight=weight,
        calibration_digest="c",
        training_digest="t",
        onnx_sha256="o",
        description="test",
    )


def output(level1: float, **labels: float) -> Probabilities:
    named = {name.replace("_", "-"): value for name, value in labels.items()}
    return Probabilities(
        level1=level1,
        level2=tuple(named.get(label, 0.0) for label in LEVEL2),
        level3=tuple(named.get(label, 0.0) for label in LEVEL3),
    )


def called(outputs: list[Probabilities]) -> set[str]:
    vector = decide(outputs, [card()] * len(outputs)).vector
    return {label for label, value in zip(CALL_LABELS, vector, strict=True) if value}


def test_an_abnormal_spine_is_called_with_its_kind() -> None:
    assert called([output(0.9, Spine=0.8, Shape=0.7, Ribs=0.2)]) == {"Spine", "Shape"}


def test_a_normal_specimen_has_no_label_even_if_lower_levels_are_positive() -> None:
    decision = decide([output(0.1, Spine=0.9, Shape=0.9)], [card()])
    assert not any(decision.vector)
    assert not decision.abnormal
    assert not decision.abnormal_elsewhere


def test_a_kind_needs_one_of_its_parts() -> None:
    assert called([output(0.9, Spine=0.9, Ribs=0.9)]) == {"Spine"}
    assert called([output(0.9, Ribcage=0.9, Fusion=0.9)]) == {"Ribcage", "Fusion"}


def test_an_abnormality_outside_the_thirteen_labels_is_called() -> None:
    decision = decide([output(0.9)], [card()])
    assert decision.abnormal
    assert decision.abnormal_elsewhere
    assert not any(decision.vector)


def test_the_consensus_has_the_mean_logit_and_uncertain_labels_are_named() -> None:
    decision = decide([output(0.9, Spine=0.8), output(0.9, Spine=0.25)], [card(), card()])
    assert decision.consensus.level1 == 0.9
    assert decision.consensus.level2[1] == 0.535898  # odds 4 and 1/3, their geometric mean 1.1547
    assert decision.vector[CALL_LABELS.index("Spine")] == 1
    assert decision.uncertain == ("Spine",)
    assert decision.disagreement == ("Spine",)


def test_a_card_sets_the_weight_of_its_model() -> None:
    cards = [card(0.5, 0.05, weight=3), card(0.9, 0.01, weight=1)]  # odds of the thresholds 1 and 9, pooled 1.73
    decision = decide([output(0.9, Spine=0.8), output(0.5, Spine=0.5)], cards)
    assert decision.consensus.level1 == 0.83861  # odds 9 and 1, pooled 5.2
    assert decision.consensus.level2[1] == 0.738796  # odds 4 and 1, pooled 2.83
    assert decision.vector[CALL_LABELS.index("Spine")] == 1
    assert decision.uncertain == ()
    other = decide([output(0.9, Spine=0.8), output(0.5, Spine=0.5)], cards[::-1])
    assert other.consensus.level2[1] == 0.585786  # odds 1.41
    assert other.vector[CALL_LABELS.index("Spine")] == 0


def test_no_single_model_overrules_all_others() -> None:
    decision = decide([output(0.0), output(0.9), output(0.9)], [card(), card(weight=9), card(weight=9)])
    assert decision.abnormal
    assert 0.5 < decision.consensus.level1 < 0.9


@given(probabilities, probabilities, st.floats(0.01, 100))
def test_a_consensus_is_coherent_with_any_weights(first: Probabilities, second: Probabilities, weight: float) -> None:
    pooled = decide([first, second], [card(weight=weight), card()]).consensus
    assert max(pooled.level2) <= pooled.level1
    for place, label in enumerate(LEVEL3):
        assert pooled.level3[place] <= max(pooled.level2[LEVEL2.index(parent)] for parent in PARENTS[label])


def test_a_kind_found_in_different_parts_is_no_more_probable_than_either_part() -> None:
    outputs = [output(0.9, Spine=0.9, Fusion=0.9), output(0.9, Ribcage=0.8, Fusion=0.8)]
    pooled = decide(outputs, [card(), card()]).consensus
    assert pooled.level3[LEVEL3.index("Fusion")] == max(pooled.level2) < 0.01


def test_thresholds_are_those_of_the_cards() -> None:
    low, high = card(threshold=0.2), card(threshold=0.4)  # pooled 0.29
    assert decide([output(0.30), output(0.30)], [low, high]).abnormal
    assert not decide([output(0.28), output(0.28)], [low, high]).abnormal


@given(st.lists(probabilities, min_size=1, max_size=3))
def test_every_call_keeps_the_hierarchy(outputs: list[Probabilities]) -> None:
    decision = decide(outputs, [card()] * len(outputs))
    named = dict(zip(CALL_LABELS, decision.vector, strict=True))
    assert decision.abnormal or not any(decision.vector)
    assert decision.abnormal_elsewhere == (decision.abnormal and not any(decision.vector))
    for label in LEVEL3:
        assert not named[label] or any(named[parent] for parent in PARENTS[label])
