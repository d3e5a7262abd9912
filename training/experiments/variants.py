"""What each step beyond the paper's protocol is worth: the heads trained anew by other rules, on the same body.

The body is one, trained with all that is served; a variant that leaves out the trunk or the bone heads does not let the
heads read what these found. So a step's worth is that of what the heads are given and how they are taught, not of what
the body learnt by it.

What a variant of the heads is worth, kept on disk as soon as it is found: a stopped study goes on behind it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from services.common import atomic
from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.store import Subset
from training.evaluation.evaluate import judge_logits
from training.experiments.seeds import body_of
from training.metrics.figures import level_means
from training.metrics.reliability import expected_calibration_error
from training.models.bones import EVIDENCE
from training.models.build import build_backbone
from training.models.configuration import SIZES
from training.train.checkpoint import logits_of
from training.train.heads import Features, fit_heads
from training.train.loop import weights_digest
from training.train.rules import RULES, TrainingRules
from training.train.run import TrainingRun


@dataclass(frozen=True)
class VariantResult:
    """Of one backbone, variant and seed: mean AUC of levels 1, 2, 3, and mean calibration error of the 14 labels."""

    backbone: str
    variant: str
    seed: int
    auc: tuple[float, float, float]
    calibration_error: float


class VariantResults:
    """A folder with a JSON file for each; its key names all that the worth follows from."""

    def __init__(self, folder: Path) -> None:
        """Keep them in this folder, which is made when the first is added."""
        self._folder = folder

    def get(self, key: str) -> VariantResult | None:
        """Return the worth of this key; None if it is not known yet."""
        path = self._path(key)
        if not path.exists():
            return None
        fields = json.loads(path.read_text(encoding="utf-8"))
        return VariantResult(**{**fields, "auc": tuple(fields["auc"])})

    def add(self, key: str, worth: VariantResult) -> None:
        """Keep a worth, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic.replace(self._path(key), (json.dumps(asdict(worth), indent=2) + "\n").encode())

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


EVIDENCES: Final = {"convnext": 2, "cae": 1}
"""Bone heads of each backbone, whose evidence ends its features: on the whole views and on the trunk, or the latter."""


@dataclass(frozen=True)
class Variant:
    """One way to teach the heads.

    `evidences` is how many bone heads' evidence they read, in the order of the features; `calibrated` whether Platt's
    scaling is fitted; `shortcut` whether the linear way past the heads is there.
    """

    name: str
    evidences: int
    rules: TrainingRules = RULES
    shortcut: bool = True
    calibrated: bool = True


def check_bone_heads(size: str) -> None:
    """Raise Rejected(`no_bone_heads`) for a size that lacks the bone heads, without which most variants are one."""
    sizes = SIZES[size]
    if not (sizes.convnext.bone_width and sizes.cae.bone_width):
        words = f"size {size} has no bone heads, whose worth is asked for: take a configuration of size small"
        raise Rejected("no_bone_heads", words)


def variants_of(name: str) -> list[Variant]:
    """First the paper's protocol, then one step more each time, up to what is served; then what was tried instead."""
    every = EVIDENCES[name]
    plain = TrainingRules(conditional=False, balance="none", together=False)
    steps = [
        Variant("paper: level after level, all specimens", 0, plain, shortcut=False),
        Variant("all levels at once", 0, replace(plain, together=True), shortcut=False),
        Variant("levels 2 and 3 from abnormal specimens", 0, replace(RULES, balance="none"), shortcut=False),
        Variant("rare labels weighted", 0, shortcut=False),
        Variant("linear way past the heads", 0),
    ]
    whole = [Variant("bone heads on the whole views", 1)] if every > 1 else []
    instead = [
        Variant("served, but rare labels not weighted", every, replace(RULES, balance="none")),
        Variant("served, but asymmetric loss", every, replace(RULES, balance="asymmetric")),
        Variant("served, but logit adjustment", every, replace(RULES, balance="adjusted")),
        Variant("served, but not calibrated", every, calibrated=False),
    ]
    return [*steps, *whole, Variant("bone heads on the trunk: as served", every), *instead]


def worth_of(
    run: TrainingRun, name: str, features: Mapping[str, Features], parts: Mapping[str, Subset], seeds: Iterable[int]
) -> Iterator[VariantResult]:
    """Train and judge every variant of a backbone for every seed, on the test part, or take what is kept in the run."""
    chosen, kept = list(seeds), VariantResults(run.folder / "variants")
    weights = weights_digest(body_of(run, name))
    for variant in variants_of(name):
        read = {part: _without(of_part, EVIDENCES[name] - variant.evidences) for part, of_part in features.items()}
        for seed in chosen:
            key = hashlib.sha256(f"{weights} {variant} {seed}".encode()).hexdigest()[:16]
            worth = kept.get(key)
            if worth is None:
                means, error = _judge(run, name, variant, read, parts, seed=seed)
                worth = VariantResult(name, variant.name, seed, means, error)
                kept.add(key, worth)
            yield worth


def _judge(
    run: TrainingRun,
    name: str,
    variant: Variant,
    features: Mapping[str, Features],
    parts: Mapping[str, Subset],
    *,
    seed: int,
) -> tuple[tuple[float, float, float], float]:
    """Mean AUC of the levels and mean calibration error of the labels, on the test part."""
    backbone: Any = body_of(run, name)
    torch.manual_seed(seed)
    fresh: Any = build_backbone(name, run.configuration.size)
    if not variant.shortcut:
        fresh.shortcut = None
    fit_heads(backbone, fresh, features["train"], features["validation"], seed=seed, rules=variant.rules)
    logits = {part: logits_of(backbone, features[part]) for part in ("validation", "test")}
    validation, test = parts["validation"], parts["test"]
    judged = judge_logits(logits["validation"], logits["test"], validation, test, calibrated=variant.calibrated)
    errors = [expected_calibration_error(test.labels[:, i], judged.served[:, i]) for i in range(len(LABEL_ORDER))]
    return level_means(test.labels, judged.given_abnormal, judged.served), float(np.mean(errors))


def _without(features: Features, bone_heads: int) -> Features:
    """Features in which the last bone heads found nothing."""
    values = features.values.copy()
    values[:, values.shape[1] - bone_heads * EVIDENCE :] = 0
    return Features(values, features.labels)
