"""Several seeds and inputs on one trained body: its features of each input are computed once, heads are trained anew.

What it leaves out is the chance in the body's own training; the deviations over seeds are those of the heads alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from torch import nn

from services.common.errors import Rejected
from services.registry.repository import FILE
from training.datasets.inputs import Input
from training.datasets.store import Subset
from training.evaluation.evaluate import EvaluatedBackbone, judge_logits
from training.evaluation.run import CONSENSUS, write_predictions
from training.export.repository import read_cards
from training.export.weights import read_backbone
from training.models.build import BACKBONES, build_backbone
from training.train.checkpoint import FINAL, logits_of, path_of, read_weights, stored_features, write_final
from training.train.heads import Features, fit_heads
from training.train.loop import weights_digest
from training.train.run import OTHERS, TrainingData, TrainingRun

_LAST_FILE: Final = f"predictions-{CONSENSUS}.parquet"


def train_bodies(run: TrainingRun, data: TrainingData, console: Console) -> None:
    """Train the run, or take its weights."""
    if not (run.folder / _LAST_FILE).exists():
        run.conclude(data, {name: run.train(name, data, console)[1] for name in BACKBONES})


def take_bodies(run: TrainingRun, repository: Path) -> None:
    """Take the weights of the newest version of each model in a repository.

    Raises Rejected: `no_models`, the reasons of `read_backbone`, or `other_weights` if the run has others already.
    """
    backbones = {name: _newest(repository / name, name, run.configuration.size) for name in BACKBONES}
    for name, backbone in backbones.items():
        if not path_of(run.folder / name, FINAL).exists():
            write_final(run.folder / name, backbone)
        elif weights_digest(body_of(run, name)) != weights_digest(backbone):
            words = f"{run.folder} has trained a {name} of its own, not that of {repository}: name another --folder"
            raise Rejected("other_weights", words)


def _newest(model: Path, name: str, size: str) -> nn.Module:
    # A card outlives its version; a folder without a card is half a version.
    cards = {version: card for version, card in read_cards(model / FILE).items() if (model / str(version)).is_dir()}
    if not cards:
        raise Rejected("no_models", f"{model} holds no version: name another repository, or train the bodies")
    newest = max(cards)
    return read_backbone(model / str(newest), name, size, sha256=cards[newest].weights_sha256)


def judge_bodies(run: TrainingRun, data: TrainingData, console: Console) -> None:
    """Write the predictions of taken weights, with their own heads, into the run's folder, as training would."""
    if (run.folder / _LAST_FILE).exists():
        return
    parts = data.subsets(run.configuration)
    judged = {}
    for name in BACKBONES:
        features = features_by_part(run, name, run.configuration.input, parts, console)
        judged[name] = _judged(body_of(run, name), features, parts)
    write_predictions(run.folder, data.store, judged, run.configuration, data.unseen)


def study_heads(run: TrainingRun, data: TrainingData, seeds: range, inputs: Iterable[Input], console: Console) -> None:
    """Write predictions of each seed and input into `study/INPUT-SEED`, with heads on the run's bodies.

    Those of the run's own seed and input lie in its own folder.
    """
    for which in inputs:
        missing = [seed for seed in seeds if not (_folder(run, which, seed) / _LAST_FILE).exists()]
        if which == run.configuration.input and run.configuration.seed in missing:
            missing.remove(run.configuration.seed)
        if not missing:
            continue
        console.rule(f"{which}, seeds {', '.join(map(str, missing))}")
        parts = data.subsets(replace(run.configuration, input=which))
        bodies = {name: features_by_part(run, name, which, parts, console) for name in BACKBONES}
        for seed in missing:
            judged = {}
            for name, features in bodies.items():
                backbone = with_new_heads(run, name, features["train"], features["validation"], seed=seed)
                judged[name] = _judged(backbone, features, parts)
            folder = _folder(run, which, seed)
            folder.mkdir(parents=True, exist_ok=True)
            write_predictions(
                folder, data.store, judged, replace(run.configuration, seed=seed, input=which), data.unseen
            )


def _folder(run: TrainingRun, which: Input, seed: int) -> Path:
    return run.folder / "study" / f"{which}-{seed}"


def body_of(run: TrainingRun, name: str) -> nn.Module:
    """The trained network of a run; raises FileNotFoundError if it has none."""
    backbone = build_backbone(name, run.configuration.size)
    backbone.load_state_dict(read_weights(run.folder / name, FINAL))
    return backbone


def features_by_part(
    run: TrainingRun, name: str, which: Input, parts: Mapping[str, Subset], console: Console
) -> dict[str, Features]:
    """What the run's body makes of each part, kept in the run's folder."""
    backbone = body_of(run, name)
    weights = weights_digest(backbone)[:12]
    folder = run.folder / "features"
    folder.mkdir(exist_ok=True)
    found = {}
    for part, subset in parts.items():
        console.print(f"{name}: features of {len(subset)} {part} specimens, {which}")
        found[part] = stored_features(folder / f"{name}-{weights}-{which}-{part}.npy", backbone, subset)
    return found


def with_new_heads(run: TrainingRun, name: str, train: Features, validation: Features, *, seed: int) -> nn.Module:
    """The run's body with heads that were trained anew, by the rules of its plan."""
    backbone = body_of(run, name)
    torch.manual_seed(seed)
    fresh = build_backbone(name, run.configuration.size)
    fit_heads(backbone, fresh, train, validation, seed=seed, rules=run.configuration.plan(name).rules)
    return backbone


def _judged(backbone: nn.Module, features: dict[str, Features], parts: dict[str, Subset]) -> EvaluatedBackbone:
    logits = {part: logits_of(backbone, of_part) for part, of_part in features.items()}
    others = {other: logits[other] for other in OTHERS}
    return judge_logits(logits["validation"], logits["test"], parts["validation"], parts["test"], others)
