import pytest

from tests.training.refresh.predictions import flipped, labels_of, prediction_of
from training.refresh.label_check import find_contradictions, level_aucs

LABELS = labels_of(600, seed=2)
SERVED = prediction_of(LABELS, 0.4).served
EXPECTED = level_aucs(LABELS, SERVED)


def test_true_labels_do_not_contradict_the_models() -> None:
    assert find_contradictions("training", labels_of(600, seed=2), SERVED, EXPECTED) == []


@pytest.mark.parametrize("share", [0.35, 1.0])
def test_flipped_labels_contradict_and_the_message_explains_what_to_look_for(share: float) -> None:
    found = find_contradictions("training", flipped(LABELS, share), SERVED, EXPECTED)
    assert {one.reason for one in found} == {"labels_contradict_model"}
    assert "with the training labels the models that serve have AUC level 1" in found[0].words
    assert "--trust-labels" in found[0].words


def test_a_few_wrong_labels_are_no_contradiction() -> None:
    assert find_contradictions("training", flipped(LABELS, 0.05), SERVED, EXPECTED) == []


def test_a_level_without_a_known_figure_is_skipped() -> None:
    assert find_contradictions("evaluation", flipped(LABELS), SERVED, {}) == []
