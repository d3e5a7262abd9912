"""Evaluates every method of fusing the views on a training set: frozen features and one regression per label."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.common.errors import Rejected
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, Subset
from training.evaluation.evaluate import judge_logits
from training.evaluation.parquet import save
from training.evaluation.run import as_predictions, training_prevalence
from training.experiments.view_fusion import (
    CHANNELS_ONLY,
    METHODS,
    FrozenFeatures,
    LabelRegressions,
    fused_features,
    leave_centre_out_logits,
)
from training.metrics.predictions import PredictionOrigin, Predictions
from training.train.checkpoint import OnProgress

_Parts = tuple[Subset, Subset, Subset]
"""Train, validation, test."""
_Features = NDArray[np.float32]
_Prevalence = dict[str, tuple[float | None, ...]]


def study_fusion(data: Path, out: Path, config: str, on_progress: OnProgress) -> Iterator[Path]:
    """Write the predictions of each method into `out` and yield their paths; raises Rejected(`no_training_set`).

    `on_progress` receives the number of specimens whose features are computed, per method.
    """
    recipe = data / "recipe.json"
    if not recipe.exists():
        raise Rejected("no_training_set", f"{data} holds no training set")
    store = SetFolder(data, Recipe(**json.loads(recipe.read_text(encoding="utf-8"))))
    parts = store.subset("train"), store.subset("validation"), store.subset("test")
    network, total = FrozenFeatures(), sum(map(len, parts))
    out.mkdir(parents=True, exist_ok=True)
    for name, method in METHODS.items():
        count = _Counter(partial(on_progress, name), total)
        features = [fused_features(network, part, method, count.add) for part in parts]
        for predictions in _evaluate(store, parts, features, name, config):
            path = out / f"predictions-{predictions.origin.model}.parquet"
            save(predictions, path)
            yield path


class _Counter:
    """Sums up the specimens that are done."""

    def __init__(self, on_done: Callable[[int, int], None], total: int) -> None:
        self._on_done, self._total, self._done = on_done, total, 0

    def add(self, specimens: int) -> None:
        self._done += specimens
        self._on_done(self._done, self._total)


def _evaluate(
    store: SetFolder, parts: _Parts, features: Sequence[_Features], name: str, config: str
) -> Iterator[Predictions]:
    """Predictions from all training specimens; without a fusion also from those of other centres only."""
    train = parts[0]
    model = LabelRegressions(features[0], train.labels)
    logits = [torch.from_numpy(model.logits(each)) for each in features[1:]]
    yield _predictions(store, logits, name, config, training_prevalence(train))
    if name == CHANNELS_ONLY:
        pairs = list(zip(features, parts, strict=True))
        logits = [torch.from_numpy(leave_centre_out_logits(pairs[0], pair)) for pair in pairs[1:]]
        yield _predictions(store, logits, f"{name}-centre-left-out", config, {})


def _predictions(
    store: SetFolder, logits: Sequence[Tensor], name: str, config: str, prevalence: _Prevalence
) -> Predictions:
    judged = judge_logits(logits[0], logits[1], store.subset("validation"), store.subset("test"))
    origin = PredictionOrigin(
        model=name,
        config=config,
        input="MV",
        seed=1,
        thresholds=judged.thresholds,
        training_prevalence=prevalence,
        baseline=True,
    )
    return as_predictions(origin, judged, store)
