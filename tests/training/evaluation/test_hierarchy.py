import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from services.classifier.decide import decide
from services.common.events import Probabilities
from services.common.hierarchy import limited
from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL3
from services.common.model_card import ModelCard
from tests.training.evaluation.cohort import CENTRES, origin, predictions
from training.metrics.decisions import calls, confusion, errors
from training.metrics.groups import by_centre, by_severity
from training.metrics.shortcut import centre_alone, consistency, seen_and_unseen
from training.models.heads import coherent_probabilities

HALF = (0.5,) * len(LABEL_ORDER)


def _served(**values: float) -> np.ndarray:
    row = np.zeros((1, len(LABEL_ORDER)))
    for label, value in values.items():
        row[0, LABEL_ORDER.index(label)] = value
    return row


def test_a_label_needs_its_threshold_and_a_parent() -> None:
    cases = {
        (): {"Abnormal": 0.4, "Spine": 0.9, "Shape": 0.9},
        ("Abnormal",): {"Abnormal": 0.6, "Spine": 0.4, "Shape": 0.9},
        ("Abnormal", "Spine"): {"Abnormal": 0.6, "Spine": 0.5, "Ribs": 0.9},
        ("Abnormal", "Ribcage", "Fusion"): {"Abnormal": 0.6, "Ribcage": 0.6, "Fusion": 0.6},
    }
    for expected, values in cases.items():
        found = calls(_served(**values), HALF)[0]
        assert tuple(np.array(LABEL_ORDER)[found]) == expected


def _card(thresholds: tuple[float, ...]) -> ModelCard:
    return ModelCard(
        model="cae", version=1, architecture="-", preprocessing_version="p1", tensor_side=224, labels=LABEL_ORDER,
        thresholds=thresholds, uncertain_half_width=0, calibration_digest="-", training_digest="-", onnx_sha256="-",
        description="-",
    )  # fmt: skip


def test_calls_are_those_that_the_classifier_publishes() -> None:
    random = np.random.default_rng(0)
    served = limited(random.random((300, len(LABEL_ORDER))))  # as every backbone outputs it
    thresholds = tuple(random.random(len(LABEL_ORDER)).tolist())
    for row, called in zip(served, calls(served, thresholds), strict=True):
        output = Probabilities(level1=row[0], level2=tuple(row[1:4]), level3=tuple(row[4:]))
        decision = decide([output], [_card(thresholds)])
        assert (decision.abnormal, *decision.vector) == tuple(called.tolist())


def test_errors_by_hand() -> None:
    found = errors(np.array([1, 1, 0, 0, 1], dtype=bool), np.array([1, 1, 1, 0, 0], dtype=np.uint8))
    assert found.sensitivity.value == pytest.approx(2 / 3)
    assert found.specificity.value == pytest.approx(1 / 2)


def test_errors_without_positives_are_unknown() -> None:
    found = errors(np.array([True]), np.zeros(1, dtype=np.uint8))
    assert math.isnan(found.sensitivity.value)
    assert found.specificity.value == 0


def test_consistency_distinguishes_probabilities_from_decisions() -> None:
    served = np.concatenate([
        _served(Abnormal=0.9, Spine=0.8, Shape=0.8),
        _served(Abnormal=0.9, Spine=0.3, Shape=0.4),
        _served(Abnormal=0.9, Spine=0.45, Shape=0.4),
        _served(Abnormal=0.3, Ribcage=0.3, Ribs=0.2),
    ])  # fmt: skip
    found = consistency(served, HALF)
    assert found.probabilities == 0.75
    assert found.decisions == 1.0
    assert found.abnormal_without_label == 0.5
    strict = consistency(served, (0.5, 0.5, 0.5, 0.5, *([0.35] * len(LEVEL3))))
    assert (strict.decisions, strict.both) == (0.5, 0.5)


def test_the_served_hierarchy_is_coherent_in_every_specimen() -> None:
    logits = torch.randn(500, len(LABEL_ORDER), generator=torch.Generator().manual_seed(0)) * 3
    served = torch.cat(list(coherent_probabilities(logits)), dim=1).double().numpy()
    assert consistency(served, HALF).both == 1.0


def test_confusion_by_hand_leaves_out_specimens_with_two_labels() -> None:
    labels = np.zeros((4, len(LABEL_ORDER)), dtype=np.uint8)
    called = np.zeros(labels.shape, dtype=bool)
    shape, ribs, caudal = (LABEL_ORDER.index(name) for name in ("Shape", "Ribs", "Caudal"))
    labels[:3, shape] = 1
    labels[2, ribs] = 1
    labels[3, caudal] = 1
    called[0, [shape, ribs]] = True
    called[2, caudal] = True
    found = confusion(called, labels, np.array([True, True, True, False]))
    row = found.shares[LEVEL3.index("Shape")]
    expected = dict.fromkeys([*LEVEL3, "none"], 0.0) | {"Shape": 0.5, "Ribs": 0.5, "none": 0.5}
    assert dict(zip([*LEVEL3, "none"], row.tolist(), strict=True)) == expected
    assert found.specimens.tolist() == [2 if name == "Shape" else 0 for name in LEVEL3]
    assert np.isnan(found.shares[LEVEL3.index("Caudal")]).all()


def test_centres_are_judged_separately_and_unseen_ones_marked() -> None:
    made = predictions(specimens=80)
    found = by_centre(made)
    assert [(group.name, group.in_training, group.specimens) for group in found] == [
        (name, name != "WTSI", 20) for name in CENTRES
    ]
    inside = np.array(made.centres) == "JAX"
    served = made.served.copy()
    served[inside, 0] = made.labels[inside, 0]
    again = {group.name: group for group in by_centre(replace(made, served=served))}
    assert (again["JAX"].auc.value, again["JAX"].auc.low) == (1.0, 1.0)
    assert again["BCM"].auc == found[0].auc


def test_a_centre_without_both_classes_has_no_auc() -> None:
    made = predictions(specimens=40)
    centres = tuple("JAX" if abnormal else "BCM" for abnormal in made.abnormal)
    found = by_centre(replace(made, centres=centres))
    assert [math.isnan(group.auc.value) for group in found] == [True, True]
    unknown = made.known.copy()
    unknown[np.array(made.centres) == "JAX", 0] = False
    assert [group.specimens for group in by_centre(replace(made, known=unknown))] == [10, 0, 10, 10]


def test_severity_ranges_have_equal_sizes_and_show_that_severe_cases_are_easier() -> None:
    made = predictions(specimens=400)
    abnormal = made.labels[:, 0] == 1
    severity = np.where(abnormal, np.linspace(0, 1, 400), np.nan)
    served = made.served.copy()
    served[:, 0] = np.where(abnormal, 0.2 + severity, 0.3)
    found = by_severity(replace(made, severity=severity, served=np.clip(served, 0, 1)))
    assert [(group.abnormal, group.specimens) for group in found] == [(50, 250)] * 4
    assert [group.auc.value for group in found] == pytest.approx([10 / 50, 1, 1, 1])
    assert found[0].name == "0.00 to 0.12"


def test_unknown_severity_gives_no_ranges() -> None:
    made = predictions(specimens=40)
    assert by_severity(replace(made, severity=np.full(40, np.nan))) == []


def test_the_centre_alone_scores_as_its_prevalence_predicts() -> None:
    made = predictions(specimens=4)
    labels = made.labels.copy()
    labels[:, 0] = (1, 0, 1, 0)
    prevalence = {"A": 0.9, "B": 0.1}
    found = {name: (value, *([None] * len(CALL_LABELS))) for name, value in prevalence.items()}
    changed = origin().model_copy(update={"training_prevalence": found})
    for centres, expected in ((("A", "B", "A", "B"), 1.0), (("B", "A", "B", "A"), 0.0), (("A", "B", "C", "C"), 0.875)):
        given = replace(made, origin=changed, labels=labels, centres=centres)
        assert centre_alone(given, 0).value == expected
    assert math.isnan(centre_alone(replace(made, origin=changed, labels=labels), 1).value)


def test_centres_in_training_are_distinguished_from_others() -> None:
    made = predictions(1, specimens=400)
    unseen = np.array(made.centres) == "WTSI"
    given, served = made.given_abnormal.copy(), made.served.copy()
    given[unseen, 1:] = 0.5
    served[~unseen, 0] = made.labels[~unseen, 0]
    seen_row, unseen_row = seen_and_unseen(replace(made, given_abnormal=given, served=served))
    assert (seen_row.name, seen_row.specimens) == ("in training", 300)
    assert (unseen_row.name, unseen_row.specimens) == ("not in training", 100)
    assert (seen_row.levels[0].value, seen_row.levels[0].low) == (1, 1)
    truth, scores = made.labels[unseen, 0], made.served[unseen, 0]
    assert unseen_row.levels[0].value == pytest.approx(roc_auc_score(truth, scores))
    assert [level.value for level in unseen_row.levels[1:]] == [0.5, 0.5]
    assert seen_row.levels[2].low < seen_row.levels[2].value < seen_row.levels[2].high
    assert seen_and_unseen(replace(made, centres=("JAX",) * 400)) == []
    assert seen_and_unseen(replace(made, centres=("WTSI",) * 400)) == []
