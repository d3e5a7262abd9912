from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from services.common.labels import LABEL_ORDER
from tests.training.synthetic import tiny_subset
from training.explain.heat import heat_maps
from training.explain.heat_maps import draw_sheets, positive_pairs, spread, study
from training.explain.run_folder import TrainedBackbone
from training.metrics.predictions import Abnormality, PredictionOrigin, Predictions
from training.models.registry import build_backbone
from training.simulation.bone_truth import CHANNELS, SIDE


def trained(name: str, specimens: int = 6) -> TrainedBackbone:
    """An untrained backbone with made-up predictions; the altered bones of every abnormal specimen are known."""
    test = tiny_subset(specimens, seed=1, side=64)
    bones = np.zeros((specimens, 2, len(CHANNELS), SIDE, SIDE), dtype=np.uint8)
    bones[:, :, :5, 10:18] = 200
    bones[test.labels[:, 0] == 1, 0, 10:, 12, 3:9] = 255
    probabilities = np.random.default_rng(3).random(test.labels.shape)
    findings = tuple((Abnormality("kyphosis", 0.7),) if abnormal else () for abnormal in test.labels[:, 0])
    names = tuple(f"S{number}" for number in range(specimens))
    origin = PredictionOrigin(
        model=name, config="tiny", input="MV", seed=1, thresholds=(0.5,) * 14, training_prevalence={}
    )
    known, severity = np.ones(test.labels.shape, dtype=np.bool_), np.full(specimens, np.nan)
    predictions = Predictions(
        origin, names, test.centres, severity, test.labels, known, probabilities, probabilities, findings
    )
    torch.manual_seed(0)
    subset = type(test)(test.images, bones, test.rows, test.labels, test.centres)
    return TrainedBackbone(f"{name} tiny", build_backbone(name, "small"), subset, predictions)


@pytest.fixture(scope="module")
def convnext() -> TrainedBackbone:
    return trained("convnext")


def test_the_convnext_gives_a_map_for_each_view_and_one_for_both(convnext: TrainedBackbone) -> None:
    maps = heat_maps(convnext.backbone, convnext.test.images, np.array([1, 3]), np.array([0, 2]))
    shapes = {one.key: one.heat.shape[:2] for one in maps}
    assert shapes == {
        "grad-cam-front-end": (2, 2), "grad-cam-last-stage": (2, 1), "grad-cam-trunk": (2, 2), "bone-head": (2, 2),
    }  # fmt: skip
    assert all(np.isfinite(one.heat).all() and one.heat.min() >= 0 for one in maps)


def test_the_autoencoders_code_gives_one_map_for_both_views_and_the_trunk_is_in_both() -> None:
    cae = trained("cae")
    maps = heat_maps(cae.backbone, cae.test.images, np.array([1]), np.array([0]))
    assert {one.key: one.heat.shape[1] for one in maps} == {"grad-cam-code": 1, "grad-cam-trunk": 2, "bone-head": 2}


def test_every_positive_label_with_a_visible_altered_bone_is_included(convnext: TrainedBackbone) -> None:
    bones = convnext.test.bones
    assert bones is not None
    assert len(positive_pairs(convnext.test, bones).specimens) == convnext.test.labels.sum()
    hidden = bones.copy()
    hidden[1, :, 10:] = 5
    pairs = positive_pairs(convnext.test, hidden)
    assert set(pairs.specimens.tolist()) == {3, 5}


def test_study_has_a_figure_for_each_label_and_kind(convnext: TrainedBackbone) -> None:
    for found in study(convnext):
        counts = {one.name: one.specimens + one.without_heat for one in found.labels}
        assert counts == dict(zip(LABEL_ORDER, convnext.test.labels.sum(axis=0).tolist(), strict=True))
        assert [one.name for one in found.kinds] == ["kyphosis"]
        area = 6 / (2 * SIDE * SIDE)
        assert all(one.area == pytest.approx(area) for one in found.labels if one.specimens)
        assert all(0 <= one.heat.value <= 1 for one in found.labels if one.specimens)


def test_sheets_show_the_surest_the_median_and_the_missed_specimen(convnext: TrainedBackbone, tmp_path: Path) -> None:
    chosen = spread(convnext.predictions, 0)
    served = convnext.predictions.served[[1, 3, 5], 0]
    assert convnext.predictions.served[chosen, 0].tolist() == sorted(served.tolist(), reverse=True)
    messages: list[str] = []
    labels = convnext.predictions.labels.copy()
    labels[:, 3:] = 0
    some = replace(convnext, predictions=replace(convnext.predictions, labels=labels))
    drawn = draw_sheets(some, tmp_path, messages.append)
    positive = [label for label, count in zip(LABEL_ORDER, labels.sum(axis=0), strict=True) if count]
    assert drawn == [tmp_path / f"heat-{label}.png" for label in positive]
    assert messages == [f"drawing the heat of {label}" for label in positive]
    assert set(tmp_path.iterdir()) == set(drawn)
