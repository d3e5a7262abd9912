"""Several seeds and inputs on one trained body: its features of each input are computed once, heads are trained anew.

What it leaves out is the chance in the body's own training; the deviations over seeds are those of the heads alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from torch import nn

from training.data.inputs import Input
from training.data.store import Subset
from training.evaluation.evaluate import Judged, judge_logits
from training.evaluation.run import CONSENSUS, write_predictions
from training.export.weights import read_backbone
from training.fit.body import logits_of, stored_features
from training.fit.checkpoint import FINAL, read_weights, write_final
from training.fit.heads import Features, fit_heads
from training.fit.loop import weights_digest
from training.models.build import BACKBONES, build_backbone
from training.run import OTHERS, Data, Run

_LAST_FILE: Final = f"predictions-{CONSENSUS}.parquet"


def train_bodies(run: Run, data: Data, console: Console) -> None:
    """Train the run, or take its weights."""
    if not (run.folder / _LAST_FILE).exists():
        run.conclude(data, {name: run.train(name, data, console)[1] for name in BACKBONES})


def take_bodies(run: Run, repository: Path) -> None:
    """Take the weights of the newest version of each model in a repository; raises Rejected if it has none."""
    for name in BACKBONES:
        versions = [int(folder.name) for folder in (repository / name).iterdir() if folder.name.isdigit()]
        backbone = read_backbone(repository / name / str(max(versions)), name, run.configuration.size)
        write_final(run.folder / name, backbone)


def study_heads(run: Run, data: Data, seeds: range, inputs: Iterable[Input], console: Console) -> None:
    """Write predictions of each seed and input into `study/INPUT-SEED`, with heads on the run's bodies.

    Where the run was trained, those of its own seed and input lie in its own folder.
    """
    trained = (run.folder / _LAST_FILE).exists()
    for which in inputs:
        missing = [seed for seed in seeds if not (_folder(run, which, seed) / _LAST_FILE).exists()]
        if trained and which == run.configuration.input and run.configuration.seed in missing:
            missing.remove(run.configuration.seed)
        if not missing:
            continue
        console.rule(f"{which}, seeds {', '.join(map(str, missing))}")
        parts = data.subsets(replace(run.configuration, input=which))
        bodies = {name: _features(run, name, which, parts, console) for name in BACKBONES}
        for seed in missing:
            judged = {name: _judged(run, name, features, parts, seed) for name, features in bodies.items()}
            folder = _folder(run, which, seed)
            folder.mkdir(parents=True, exist_ok=True)
            write_predictions(
                folder, data.store, judged, replace(run.configuration, seed=seed, input=which), data.unseen
            )


def _folder(run: Run, which: Input, seed: int) -> Path:
    return run.folder / "study" / f"{which}-{seed}"


def _body(run: Run, name: str) -> nn.Module:
    backbone = build_backbone(name, run.configuration.size)
    backbone.load_state_dict(read_weights(run.folder / name, FINAL))
    return backbone


def _features(run: Run, name: str, which: Input, parts: dict[str, Subset], console: Console) -> dict[str, Features]:
    backbone = _body(run, name)
    weights = weights_digest(backbone)[:12]
    folder = run.folder / "features"
    folder.mkdir(exist_ok=True)
    found = {}
    for part, subset in parts.items():
        console.print(f"{name}: features of {len(subset)} {part} specimens")
        found[part] = stored_features(folder / f"{name}-{weights}-{which}-{part}.npy", backbone, subset)
    return found


def _judged(run: Run, name: str, features: dict[str, Features], parts: dict[str, Subset], seed: int) -> Judged:
    backbone = _body(run, name)
    torch.manual_seed(seed)
    fresh = build_backbone(name, run.configuration.size)
    fit_heads(backbone, fresh, features["train"], features["validation"], seed)
    logits = {part: logits_of(backbone, of_part) for part, of_part in features.items()}
    others = {other: logits[other] for other in OTHERS}
    return judge_logits(logits["validation"], logits["test"], parts["validation"], parts["test"], others)
