"""Export of one trained backbone as one version in Triton's repository, and of all backbones of a training run."""

import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from services.common.labels import LABEL_ORDER
from services.common.model_card import ModelCard
from services.common.preprocessing import VERSION
from services.registry.validation import ValidationOutputs
from training.datasets.store import Subset
from training.evaluation.evaluate import EvaluatedBackbone
from training.evaluation.run import TrainingReport
from training.export.familiarity import describe
from training.export.graph import (
    GOLDEN_SPECIMENS,
    check_parity,
    export_onnx,
    extra_outputs,
    make_golden,
    sha256,
)
from training.export.repository import write_version
from training.export.targets import Target
from training.export.tensorrt_rules import check_tensorrt_rules
from training.export.weights import weights_file
from training.models.output import ServedBackbone
from training.models.registry import BACKBONES, architecture, find_backbone
from training.train.configuration import Configuration
from training.train.run import TrainingRun

_ROOT: Final = Path(__file__).resolve().parents[2]
_CODE: Final = ("services", "training")
CHANGED: Final = "+"


def code_commit() -> str:
    """Return the commit's SHA-1, followed by "+" if the code differs from it; empty outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return ""
    return commit + (CHANGED if _git("status", "--porcelain", "--untracked-files=no", "--", *_CODE) else "")


def _git(*arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)  # noqa: S603
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
"""Number of test specimens on which torch and ONNX Runtime must agree."""


@dataclass(frozen=True)
class VersionOrigin:
    """How a version was produced; the fields are those of its card, `services.common.model_card.ModelCard`."""

    training_digest: str
    data: str
    description: str
    limits: tuple[str, ...]
    evaluation_key: str = ""


def simulated_origin(
    name: str, configuration: Configuration, judged: EvaluatedBackbone, training_digest: str, *, share: float = 1
) -> VersionOrigin:
    """Return the origin of a version trained from the start on simulated mice, or on a share of them."""
    of_them = "" if share == 1 else f"{share:.0%} of "
    return VersionOrigin(
        training_digest=training_digest,
        data=f"{of_them}{configuration.specimens} specimens simulated from seed {configuration.first_seed}",
        description=_description(name, configuration.name, judged),
        limits=LIMITS,
    )


def export_version(
    model: ServedBackbone,
    judged: EvaluatedBackbone,
    test: Subset,
    *,
    name: str,
    version: int,
    size: str,
    origin: VersionOrigin,
    repository: Path,
    target: Target = "local",
    validation: ValidationOutputs | None = None,
) -> float:
    """Write graph, card and configuration; returns the largest difference between torch and ONNX Runtime.

    `size` is that of the backbone. `validation` are the outputs of a `DescribedBackbone`, with which a set that
    contains the version is fitted. The first specimens of `test` become the golden inputs, and the side of their
    tensors that of the graph's input. Raises ParityError if torch and ONNX Runtime differ too much, and
    TensorRTRuleError if the graph could not be served on a GPU; it then writes nothing.
    """
    golden_images = next(test.batches(GOLDEN_SPECIMENS))
    side = golden_images.shape[1]
    file = export_onnx(model, side)
    check_tensorrt_rules(file)
    difference = check_parity(file, model, next(test.batches(_COMPARED)))
    golden = make_golden(file, golden_images)
    weights = weights_file(model.backbone, size)
    stored = b"" if validation is None else validation.file()
    card = ModelCard(
        model=name,
        version=version,
        architecture=architecture(name, size),
        preprocessing_version=VERSION,
        tensor_side=side,
        labels=LABEL_ORDER,
        uncertain_half_width=UNCERTAIN_HALF_WIDTH,
        onnx_sha256=sha256(file),
        code_commit=code_commit(),
        golden_sha256=golden.digest(),
        weights_sha256=sha256(weights),
        validation_sha256=sha256(stored) if stored else "",
        outputs=extra_outputs(file),
        **_results(judged),
        **asdict(origin),
    )
    write_version(card, file, golden, weights=weights, validation=stored or None, repository=repository, target=target)
    return difference


def _results(judged: EvaluatedBackbone) -> dict[str, Any]:
    """Return the fields of the card that the evaluation determines."""
    return {
        "thresholds": judged.thresholds,
        "consensus_weight": judged.weight,
        "calibration_digest": judged.calibration.digest(),
        "metrics": _metrics(judged),
    }


def _metrics(judged: EvaluatedBackbone) -> dict[str, float]:
    figures = judged.figures
    means = {
        "AUC level 1": figures.level1_auc,
        "AUC level 2, mean": figures.level2_mean_auc,
        "AUC level 3, mean": figures.level3_mean_auc,
    }
    labels = {f"AUC {label.label}": label.auc for label in figures.labels[1:] if label.auc is not None}
    counts = {"specimens": float(figures.specimens), "abnormal specimens": float(figures.abnormal)}
    return {name: round(value, 4) for name, value in (means | labels | counts).items()}


def _description(name: str, configuration: str, judged: EvaluatedBackbone) -> str:
    figures = judged.figures
    text = (
        f"Demo weights, trained on simulated mice only (configuration {configuration}): not for real animals. "
        f"{figures.specimens} unseen simulated specimens: AUC level 1 {figures.level1_auc:.3f}, "
        f"level 2 {figures.level2_mean_auc:.3f}, level 3 {figures.level3_mean_auc:.3f}."
    )
    note = find_backbone(name).card_note
    return f"{text} {note}" if note else text


def train_and_export(run: TrainingRun, repository: Path, version: int) -> TrainingReport:
    """Make the run's data, train, evaluate and export every backbone, and write the run's report.

    Raises the errors of `TrainingRun.train` and of `export_version`.
    """
    data = run.make_data()
    parts, digest = data.subsets(run.configuration.input), data.store.digest()
    judged = {}
    for name in BACKBONES:
        backbone, judged[name] = run.train(name, data)
        served = ServedBackbone(backbone, judged[name].calibration)
        described, outputs = describe(served, parts["train"], parts["validation"])
        difference = export_version(
            described,
            judged[name],
            parts["test"],
            name=name,
            version=version,
            size=run.configuration.size,
            origin=simulated_origin(name, run.configuration, judged[name], digest, share=run.share),
            repository=repository,
            validation=outputs,
        )
        run.report.message(f"{name}: exported, differs from ONNX Runtime by {difference:.1e}")
    return run.write_report(data, judged)
