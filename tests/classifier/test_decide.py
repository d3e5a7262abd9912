from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.classifier.decide import decide
from services.common.events import Probabilities
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2, LEVEL3, PARENTS
from services.common.model_card import ModelCard
from services.common.preprocessing import VERSION
from tests.common.strategies import probabilities


def card(threshold: float = 0.5, band: float = 0.05) -> ModelCard:
    return ModelCard(
        model="m",
        version=1,
        architecture="test",
        preprocessing_version=VERSION,
        tensor_side=224,
        labels=LABEL_ORDER,
        thresholds=(threshold,) * 14,
        uncertain_half_width=band,
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


def test_a_normal_specimen_is_all_zeros_whatever_its_children_say() -> None:
    decision = decide([output(0.1, Spine=0.9, Shape=0.9)], [card()])
    assert not any(decision.vector)
    assert not decision.abnormal
    assert not decision.abnormal_elsewhere


def test_a_kind_needs_one_of_its_parts() -> None:
    assert called([output(0.9, Spine=0.9, Ribs=0.9)]) == {"Spine"}
    assert called([output(0.9, Ribcage=0.9, Fusion=0.9)]) == {"Ribcage", "Fusion"}


def test_abnormal_outside_the_thirteen_is_said() -> None:
    decision = decide([output(0.9)], [card()])
    assert decision.abnormal
    assert decision.abnormal_elsewhere
    assert not any(decision.vector)


def test_the_consensus_is_the_mean_and_doubts_are_named() -> None:
    decision = decide([output(0.9, Spine=0.9), output(0.9, Spine=0.14)], [card(), card()])
    assert decision.consensus.level2[1] == 0.52
    assert decision.vector[CALL_LABELS.index("Spine")] == 1
    assert decision.uncertain == ("Spine",)
    assert decision.disagreement == ("Spine",)


def test_thresholds_are_those_of_the_cards() -> None:
    low, high = card(threshold=0.2), card(threshold=0.4)
    assert decide([output(0.31), output(0.31)], [low, high]).abnormal
    assert not decide([output(0.29), output(0.29)], [low, high]).abnormal


@given(st.lists(probabilities, min_size=1, max_size=3))
def test_every_call_keeps_the_hierarchy(outputs: list[Probabilities]) -> None:
    decision = decide(outputs, [card()] * len(outputs))
    named = dict(zip(CALL_LABELS, decision.vector, strict=True))
    assert decision.abnormal or not any(decision.vector)
    assert decision.abnormal_elsewhere == (decision.abnormal and not any(decision.vector))
    for label in LEVEL3:
        assert not named[label] or any(named[parent] for parent in PARENTS[label])
