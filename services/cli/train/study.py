"""`xray train study`: the paper's protocol, several seeds and each input, for the tables of `xray train evaluate`.

    xray train study --config small
    xray train evaluate training/runs/small training/runs/small/study/* --data training/runs/small/data --out evaluation

Nothing is exported. Stopped at any point, the same command goes on where it ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from services.cli.train.group import one_line_errors
from services.cli.train.models import RUNS, known
from training.datasets.inputs import INPUTS, Input
from training.evaluation.run import CONSENSUS
from training.experiments.centres import study_centres
from training.experiments.seeds import judge_bodies, study_heads, take_bodies, train_bodies
from training.models.build import BACKBONES
from training.train.hardware import keep_freed_memory
from training.train.run import TrainingData, TrainingRun, make_data

app = typer.Typer(add_completion=False)
_console = Console(stderr=True)


def _one_input(value: str) -> str:
    if value not in INPUTS:
        msg = f"{value!r} is not one of {', '.join(INPUTS)}"
        raise typer.BadParameter(msg)
    return value


@app.command()
def study(
    *,
    config: Annotated[str, typer.Option(help="Configuration to train; its training set is made once.")] = "small",
    folder: Annotated[Path, typer.Option(help="Where runs and training sets lie.")] = RUNS,
    seeds: Annotated[int, typer.Option(min=1, help="How many; the paper has 5.")] = 5,
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            parser=_one_input,
            metavar="DV|LAT|MV",
            default_factory=lambda: list(INPUTS),
            help="DV, LAT or MV (both); may be repeated.",
        ),
    ],
    heads_only: Annotated[
        bool,
        typer.Option(
            "--heads-only",
            help="Train the configuration once; then, for each seed and input, only its heads: minutes, not days.",
        ),
    ] = False,
    bodies: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --heads-only: take the bodies from this model repository instead of training them.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
) -> None:
    """Train both backbones for every seed on DV alone, on LAT alone and on both views."""
    configuration = known(config)
    torch.set_num_threads(threads)
    keep_freed_memory()
    chosen: list[Input] = [which for which in INPUTS if which in inputs]
    with one_line_errors(_console, "stopped; the same command goes on from here"):
        data = make_data(configuration, folder, _console)
        run = TrainingRun(configuration, folder / config, folder)
        if heads_only:
            if bodies is None:
                train_bodies(run, data, _console)
            else:
                take_bodies(run, bodies)
                judge_bodies(run, data, _console)
            study_heads(run, data, range(1, seeds + 1), chosen, _console)
            if configuration.input in chosen:
                study_centres(run, data, _console)
        else:
            _study_whole(run, data, range(1, seeds + 1), chosen)


def _study_whole(run: TrainingRun, data: TrainingData, seeds: range, inputs: Iterable[Input]) -> None:
    for seed, which in product(seeds, inputs):
        configuration = replace(run.configuration, seed=seed, input=which)
        one = TrainingRun(configuration, run.folder / "study" / f"{which}-{seed}", run.runs)
        if (one.folder / f"predictions-{CONSENSUS}.parquet").exists():
            continue
        _console.rule(f"seed {seed} of {len(seeds)}, {which}")
        one.conclude(data, {name: one.train(name, data, _console)[1] for name in BACKBONES})


if __name__ == "__main__":
    app()
