"""Several seeds and inputs on one trained body: its features per input are computed once, and the heads are retrained.

The results do not contain the randomness of the body's own training; deviations over seeds are those of the heads only.

Leave one centre out: heads that were never trained on a specimen's centre predict it.

The body has seen all centres of the training set. Specimens of centres that no part of the network has seen are the set
`unseen`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.common.errors import Rejected
from services.registry.repository import FILE
from training.datasets.arrays import Input
from training.datasets.store import Subset
from training.evaluation.evaluate import EvaluatedBackbone, judge_logits
from training.evaluation.parquet import save
from training.evaluation.run import CONSENSUS, as_predictions
from training.export.repository import read_cards
from training.export.weights import read_backbone
from training.metrics.predictions import PredictionOrigin
from training.models.registry import BACKBONES
from training.train.checkpoint import FINAL, path_of, write_final
from training.train.heads import Features, fit_heads, logits_of, stored_features
from training.train.loop import weights_digest
from training.train.run import LEARNT, OTHERS, TrainingData, TrainingRun

_EVALUATED = ("validation", "test")


def study_centres(run: TrainingRun, data: TrainingData) -> None:
    """Write the predictions of each backbone into `study/centre-left-out`, for the run's own seed and input."""
    folder = run.folder / "study" / "centre-left-out"
    folder.mkdir(parents=True, exist_ok=True)
    which = run.configuration.input
    parts = {part: subset for part, subset in data.subsets(which).items() if part in {*LEARNT, *_EVALUATED}}
    for name in BACKBONES:
        model = f"{name}-centre-left-out"
        path = folder / f"predictions-{model}.parquet"
        if path.exists():
            continue
        logits = _left_out_logits(run, name, features_by_part(run, name, which, parts), parts)
        judged = judge_logits(logits["validation"], logits["test"], parts["validation"], parts["test"])
        origin = PredictionOrigin(
            model=model,
            config=run.configuration.name,
            input=which,
            seed=run.configuration.seed,
            thresholds=judged.thresholds,
            training_prevalence={},
            baseline=True,
        )
        save(as_predictions(origin, judged, data.store), path)


def _left_out_logits(
    run: TrainingRun, name: str, features: Mapping[str, Features], parts: Mapping[str, Subset]
) -> dict[str, Tensor]:
    """Return the logits [n, 14] of the validation and test specimens, each from heads without its centre."""
    logits = {part: torch.zeros(parts[part].labels.shape) for part in _EVALUATED}
    for centre, own in _without_each_centre(run, name, features, parts):
        run.report.message(f"{name}: without {centre}")
        for part in _EVALUATED:
            logits[part][torch.from_numpy(_at(parts[part], centre))] = own[part]
    return logits


def _without_each_centre(
    run: TrainingRun, name: str, features: Mapping[str, Features], parts: Mapping[str, Subset]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield each centre with the logits [its specimens, 14] of its validation and test specimens."""
    for centre in sorted({*parts["validation"].centres, *parts["test"].centres}):
        train, validation = (_select(features[part], ~_at(parts[part], centre)) for part in LEARNT)
        backbone = with_retrained_heads(run, name, train, validation, seed=run.configuration.seed)
        own = {part: _select(features[part], _at(parts[part], centre)) for part in _EVALUATED}
        yield centre, {part: logits_of(backbone, each) for part, each in own.items()}


def _at(subset: Subset, centre: str) -> NDArray[np.bool_]:
    rows: NDArray[np.bool_] = np.array(subset.centres) == centre
    return rows


def _select(features: Features, rows: NDArray[np.bool_]) -> Features:
    return Features(features.values[rows], features.labels[rows])


_LAST_FILE: Final = f"predictions-{CONSENSUS}.parquet"


def study_whole(run: TrainingRun, data: TrainingData, seeds: range, inputs: Iterable[Input]) -> None:
    """Train and evaluate whole backbones for each seed and input, in `study/INPUT-SEED`; finished ones are skipped."""
    for seed, which in product(seeds, inputs):
        one = _variant_of(run, which, seed)
        if not (one.folder / _LAST_FILE).exists():
            run.report.message(f"seed {seed} of {len(seeds)}, {which}")
            one.write_report(data, {name: one.train(name, data)[1] for name in BACKBONES})


def train_bodies(run: TrainingRun, data: TrainingData) -> None:
    """Train the run's backbones, unless that is done."""
    if not (run.folder / _LAST_FILE).exists():
        run.write_report(data, {name: run.train(name, data)[1] for name in BACKBONES})


def load_bodies(run: TrainingRun, repository: Path) -> None:
    """Copy the weights of the newest version of each model in a repository into the run's folder.

    Raises Rejected: `no_models`, the reasons of `read_backbone`, or `other_weights` if the run already has others.
    """
    backbones = {name: _newest(repository / name, name, run.configuration.size) for name in BACKBONES}
    for name, backbone in backbones.items():
        if not path_of(run.folder / name, FINAL).exists():
            write_final(run.folder / name, backbone)
        elif weights_digest(run.trained_backbone(name)) != weights_digest(backbone):
            message = f"{run.folder} has its own trained {name}, not that of {repository}: name another --folder"
            raise Rejected("other_weights", message)


def _newest(model: Path, name: str, size: str) -> nn.Module:
    # A card remains after its version is deleted; a folder without a card is an incomplete version.
    cards = {version: card for version, card in read_cards(model / FILE).items() if (model / str(version)).is_dir()}
    if not cards:
        raise Rejected("no_models", f"{model} holds no version: name another repository, or train the bodies")
    newest = max(cards)
    return read_backbone(model / str(newest), name, size, sha256=cards[newest].weights_sha256)


def evaluate_bodies(run: TrainingRun, data: TrainingData) -> None:
    """Write the predictions of loaded weights with their own heads into the run's folder, as training would."""
    if (run.folder / _LAST_FILE).exists():
        return
    parts = data.subsets(run.configuration.input)
    judged = {}
    for name in BACKBONES:
        features = features_by_part(run, name, run.configuration.input, parts)
        judged[name] = _judge(run.trained_backbone(name), features, parts)
    run.write_predictions(data, judged)


def study_heads(run: TrainingRun, data: TrainingData, seeds: range, inputs: Iterable[Input]) -> None:
    """Write the predictions of each seed and input into `study/INPUT-SEED`, with heads on the run's bodies.

    Those of the run's own seed and input are in its own folder.
    """
    for which in inputs:
        missing = [seed for seed in seeds if not (_variant_of(run, which, seed).folder / _LAST_FILE).exists()]
        if which == run.configuration.input and run.configuration.seed in missing:
            missing.remove(run.configuration.seed)
        if not missing:
            continue
        run.report.message(f"{which}, seeds {', '.join(map(str, missing))}")
        parts = data.subsets(which)
        bodies = {name: features_by_part(run, name, which, parts) for name in BACKBONES}
        for seed in missing:
            judged = {}
            for name, features in bodies.items():
                backbone = with_retrained_heads(run, name, features["train"], features["validation"], seed=seed)
                judged[name] = _judge(backbone, features, parts)
            _variant_of(run, which, seed).write_predictions(data, judged)


def _variant_of(run: TrainingRun, which: Input, seed: int) -> TrainingRun:
    """Return the run of another seed and input, in a folder below the run's own."""
    configuration = replace(run.configuration, seed=seed, input=which)
    return TrainingRun(configuration, run.folder / "study" / f"{which}-{seed}", run.runs, report=run.report)


def features_by_part(run: TrainingRun, name: str, which: Input, parts: Mapping[str, Subset]) -> dict[str, Features]:
    """Return the features that the run's body computes for each part; they are stored in the run's folder."""
    backbone = run.trained_backbone(name)
    weights = weights_digest(backbone)[:12]
    folder = run.folder / "features"
    folder.mkdir(exist_ok=True)
    features = {}
    for part, subset in parts.items():
        run.report.message(f"{name}: features of {len(subset)} {part} specimens, {which}")
        features[part] = stored_features(folder / f"{name}-{weights}-{which}-{part}.npy", backbone, subset)
    return features


def with_retrained_heads(run: TrainingRun, name: str, train: Features, validation: Features, *, seed: int) -> nn.Module:
    """Return the run's body with new heads, trained by the rules of its plan."""
    backbone = run.trained_backbone(name)
    torch.manual_seed(seed)
    fit_heads(backbone, run.new_backbone(name), train, validation, seed=seed, rules=run.plan(name).rules)
    return backbone


def _judge(backbone: nn.Module, features: dict[str, Features], parts: dict[str, Subset]) -> EvaluatedBackbone:
    logits = {part: logits_of(backbone, each) for part, each in features.items()}
    others = {other: logits[other] for other in OTHERS}
    return judge_logits(logits["validation"], logits["test"], parts["validation"], parts["test"], others)
