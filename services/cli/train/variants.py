"""`xray train variants`: what each step beyond the paper's protocol is worth, as a table.

    xray train variants --config small --bodies model_repository --out docs/results/variants.csv

Needs a run's training set and bodies; the heads are trained anew for each variant and seed, half a minute each. Each is
kept in the run's folder: a stopped command goes on behind the last.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track

from services.cli.train.group import one_line_errors
from services.cli.train.models import RUNS, known
from training.experiments.seeds import features_by_part, take_bodies, train_bodies
from training.experiments.variants import VariantResult, check_bone_heads, variants_of, worth_of
from training.models.build import BACKBONES
from training.train.hardware import keep_freed_memory
from training.train.run import TrainingRun, make_data

app = typer.Typer(add_completion=False)
_console = Console(stderr=True)
_JUDGED = ("train", "validation", "test")
_COLUMNS = ("model", "variant", "level", "auc_mean", "auc_sd", "calibration_error", "seeds", "specimens")


@app.command()
def variants(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="CSV to write.")],
    config: Annotated[str, typer.Option(help="Configuration whose bodies and training set are used.")] = "small",
    folder: Annotated[Path, typer.Option(help="Where runs and training sets lie.")] = RUNS,
    seeds: Annotated[int, typer.Option(min=1, help="How many for each variant.")] = 5,
    bodies: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Take the bodies from this model repository instead of training them."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
) -> None:
    """Train the heads by each variant of the protocol and write what each step is worth."""
    configuration = known(config)
    torch.set_num_threads(threads)
    keep_freed_memory()
    run = TrainingRun(configuration, folder / config, folder)
    with one_line_errors(_console, "stopped; the same command goes on behind the last variant and seed"):
        check_bone_heads(configuration.size)
        data = make_data(configuration, folder, _console)
        train_bodies(run, data, _console) if bodies is None else take_bodies(run, bodies)
        parts = {part: subset for part, subset in data.subsets(configuration).items() if part in _JUDGED}
        found: list[VariantResult] = []
        for name in BACKBONES:
            features = features_by_part(run, name, configuration.input, parts, _console)
            each = worth_of(run, name, features, parts, range(1, seeds + 1))
            total = len(variants_of(name)) * seeds
            found += track(each, f"{name}: variants", total=total, console=_console)
        _write(out, found, len(parts["test"]))


def _write(path: Path, found: Sequence[VariantResult], specimens: int) -> None:
    groups: dict[tuple[str, str], list[VariantResult]] = {}
    for worth in found:
        groups.setdefault((worth.backbone, worth.variant), []).append(worth)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for (backbone, variant), each in groups.items():
            error = f"{fmean(one.calibration_error for one in each):.4f}"
            for level in (1, 2, 3):
                values = [one.auc[level - 1] for one in each]
                deviation = f"{stdev(values):.4f}" if len(values) > 1 else "nan"
                row = (backbone, variant, level, f"{fmean(values):.4f}", deviation, error, len(values), specimens)
                writer.writerow(row)


if __name__ == "__main__":
    app()
