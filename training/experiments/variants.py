"""Ablation of the protocol: the contribution of each step beyond the paper, with heads retrained on the same body.

The body is that of the active model. A variant that leaves out the trunk or the bone heads only hides their output from
the heads. The ablation therefore measures what the heads read and how they are trained, not what the body learnt.
Each result is stored as soon as it is known, and an interrupted study continues after the last one.
"""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

import numpy as np
import torch

from services.common import atomic
from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.store import Subset
from training.evaluation.evaluate import judge_logits
from training.experiments.studies import features_by_part
from training.metrics.decisions import expected_calibration_error
from training.metrics.figures import level_means
from training.metrics.ranking import LEVELS
from training.models.heads import EVIDENCE
from training.models.registry import BACKBONES, find_backbone
from training.models.spec import RULES, TrainingRules
from training.train.heads import Features, fit_heads, logits_of
from training.train.loop import weights_digest
from training.train.run import TrainingData, TrainingRun

_EVALUATED: Final = ("train", "validation", "test")
_COLUMNS: Final = ("model", "variant", "level", "auc_mean", "auc_sd", "calibration_error", "seeds", "specimens")


@dataclass(frozen=True)
class VariantResult:
    """For one backbone, variant and seed: mean AUC of levels 1, 2, 3, and mean calibration error of the 14 labels."""

    backbone: str
    variant: str
    seed: int
    auc: tuple[float, float, float]
    calibration_error: float


class VariantResults:
    """A folder with one JSON file per result; its key is the digest of everything that determines the result."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, which is created with the first result."""
        self._folder = folder

    def get(self, key: str) -> VariantResult | None:
        """Return the result of a key, or None if it is not known yet."""
        path = self._path(key)
        if not path.exists():
            return None
        fields = json.loads(path.read_text(encoding="utf-8"))
        return VariantResult(**{**fields, "auc": tuple(fields["auc"])})

    def add(self, key: str, result: VariantResult) -> None:
        """Store a result, completely or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic.replace(self._path(key), (json.dumps(asdict(result), indent=2) + "\n").encode())

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


@dataclass(frozen=True)
class Variant:
    """One way to train the heads.

    `evidences` is the number of bone heads whose evidence they read, in the order of the features. `calibrated` is
    whether Platt's scaling is fitted, `shortcut` whether there is a linear layer that bypasses the heads.
    """

    name: str
    evidences: int
    rules: TrainingRules = RULES
    shortcut: bool = True
    calibrated: bool = True


def bone_heads_of(name: str, size: str) -> int:
    """Return how many bone heads a backbone of a size has."""
    spec = find_backbone(name)
    return spec.bone_heads(spec.size(size))


def check_bone_heads(size: str) -> None:
    """Raise Rejected(`no_bone_heads`) for a size without bone heads: most of its variants would be the same."""
    if not all(bone_heads_of(name, size) for name in BACKBONES):
        message = f"size {size} has no bone heads to leave out: choose a configuration of size small"
        raise Rejected("no_bone_heads", message)


def variants_of(bone_heads: int) -> list[Variant]:
    """Return the variants of a backbone with 1 or 2 bone heads.

    They start with the paper's protocol and add one step at a time up to the active model; alternatives that were tried
    follow.
    """
    plain = TrainingRules(conditional=False, balance="none", together=False)
    steps = [
        Variant("paper: level after level, all specimens", 0, plain, shortcut=False),
        Variant("all levels at once", 0, replace(plain, together=True), shortcut=False),
        Variant("levels 2 and 3 from abnormal specimens", 0, replace(RULES, balance="none"), shortcut=False),
        Variant("rare labels weighted", 0, shortcut=False),
        Variant("linear bypass of the heads", 0),
    ]
    whole_views = [Variant("bone heads on the whole views", 1)] if bone_heads > 1 else []
    alternatives = [
        Variant("served, but rare labels not weighted", bone_heads, replace(RULES, balance="none")),
        Variant("served, but asymmetric loss", bone_heads, replace(RULES, balance="asymmetric")),
        Variant("served, but logit adjustment", bone_heads, replace(RULES, balance="adjusted")),
        Variant("served, but not calibrated", bone_heads, calibrated=False),
    ]
    return [*steps, *whole_views, Variant("bone heads on the trunk: as served", bone_heads), *alternatives]


def study_variants(run: TrainingRun, data: TrainingData, seeds: range) -> tuple[list[VariantResult], int]:
    """Evaluate every variant of every backbone for every seed; returns the results and the number of test specimens."""
    which = run.configuration.input
    parts = {part: subset for part, subset in data.subsets(which).items() if part in _EVALUATED}
    results: list[VariantResult] = []
    for name in BACKBONES:
        features = features_by_part(run, name, which, parts)
        total = len(variants_of(bone_heads_of(name, run.configuration.size))) * len(seeds)
        for done, result in enumerate(evaluate_variants(run, name, features, parts, seeds), start=1):
            results.append(result)
            run.report.progress(f"{name}: variants", done, total)
    return results, len(parts["test"])


def write_table(path: Path, results: Sequence[VariantResult], specimens: int) -> None:
    """Write means and standard deviations over the seeds as CSV, one row per model, variant and level."""
    groups: dict[tuple[str, str], list[VariantResult]] = {}
    for result in results:
        groups.setdefault((result.backbone, result.variant), []).append(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for (backbone, variant), seeds in groups.items():
            error = f"{fmean(one.calibration_error for one in seeds):.4f}"
            for level in LEVELS:
                values = [one.auc[level - 1] for one in seeds]
                deviation = f"{stdev(values):.4f}" if len(values) > 1 else "nan"
                row = (backbone, variant, level, f"{fmean(values):.4f}", deviation, error, len(values), specimens)
                writer.writerow(row)


def evaluate_variants(
    run: TrainingRun, name: str, features: Mapping[str, Features], parts: Mapping[str, Subset], seeds: Iterable[int]
) -> Iterator[VariantResult]:
    """Train and evaluate every variant of a backbone for every seed, on the test part; stored results are reused."""
    chosen, stored = list(seeds), VariantResults(run.folder / "variants")
    weights = weights_digest(run.trained_backbone(name))
    bone_heads = bone_heads_of(name, run.configuration.size)
    for variant in variants_of(bone_heads):
        visible = {part: _hide_evidence(each, bone_heads - variant.evidences) for part, each in features.items()}
        for seed in chosen:
            key = hashlib.sha256(f"{weights} {variant} {seed}".encode()).hexdigest()[:16]
            result = stored.get(key)
            if result is None:
                result = _evaluate(run, name, variant, visible, parts, seed=seed)
                stored.add(key, result)
            yield result


def _evaluate(
    run: TrainingRun,
    name: str,
    variant: Variant,
    features: Mapping[str, Features],
    parts: Mapping[str, Subset],
    *,
    seed: int,
) -> VariantResult:
    backbone = run.trained_backbone(name)
    torch.manual_seed(seed)
    fresh: Any = run.new_backbone(name)
    if not variant.shortcut:
        fresh.shortcut = None
    fit_heads(backbone, fresh, features["train"], features["validation"], seed=seed, rules=variant.rules)
    logits = {part: logits_of(backbone, features[part]) for part in ("validation", "test")}
    validation, test = parts["validation"], parts["test"]
    judged = judge_logits(logits["validation"], logits["test"], validation, test, calibrated=variant.calibrated)
    errors = [expected_calibration_error(test.labels[:, i], judged.served[:, i]) for i in range(len(LABEL_ORDER))]
    means = level_means(test.labels, judged.given_abnormal, judged.served)
    return VariantResult(name, variant.name, seed, means, float(np.mean(errors)))


def _hide_evidence(features: Features, bone_heads: int) -> Features:
    """Return the features with the evidence of the last bone heads set to zero."""
    values = features.values.copy()
    values[:, values.shape[1] - bone_heads * EVIDENCE :] = 0
    return Features(values, features.labels)
