"""The experiments: `xray train study`, `xray train variants` and `xray train combine`.

    xray train study --config small
    xray train evaluate training/runs/small training/runs/small/study/* --data training/runs/small/data --out evaluation
    xray train variants --config small --bodies model_repository --out docs/results/variants.csv
    xray train combine RUN/data --out FOLDER

None exports a model. An interrupted `study` or `variants` continues where it stopped, `combine` starts again.
See docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.train.models import CONTINUES, RunsOption, ThreadsOption, find_configuration
from services.cli.train.progress import reporting
from training.train.configuration import RUNS

if TYPE_CHECKING:
    from training.datasets.arrays import Input
    from training.train.run import TrainingRun

InputsOption = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="DV|LAT|MV", help="DV, LAT or MV (both); may be repeated. Default: all."),
]
HeadsOnlyOption = Annotated[
    bool,
    typer.Option(
        "--heads-only",
        help="Train the configuration once, then only its heads for each seed and input: minutes, not days.",
    ),
]
BodiesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="With --heads-only: use the bodies in this model repository instead of training them."
    ),
]


def study(
    *,
    config: Annotated[str, typer.Option(help="Configuration to train; its training set is made once.")] = "small",
    folder: RunsOption = RUNS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds; the paper has 5.")] = 5,
    inputs: InputsOption = None,
    heads_only: HeadsOnlyOption = False,
    bodies: BodiesOption = None,
    threads: ThreadsOption = 2,
) -> None:
    """Train all backbones for every seed on DV alone, on LAT alone and on both views."""
    configuration = find_configuration(config)
    with reporting(CONTINUES) as report:
        from training.datasets.arrays import INPUTS
        from training.experiments.studies import study_whole
        from training.train.hardware import prepare_process
        from training.train.run import TrainingRun

        unknown = [one for one in inputs or () if one not in INPUTS]
        if unknown:
            msg = f"{unknown[0]!r} is not one of {', '.join(INPUTS)}"
            raise typer.BadParameter(msg, param_hint="--input")
        chosen = [which for which in INPUTS if not inputs or which in inputs]
        prepare_process(threads)
        run = TrainingRun(configuration, folder / config, folder, report=report)
        if heads_only:
            _study_heads(run, range(1, seeds + 1), chosen, bodies)
        else:
            study_whole(run, run.make_data(), range(1, seeds + 1), chosen)


def _study_heads(run: TrainingRun, seeds: range, inputs: Sequence[Input], bodies: Path | None) -> None:
    from training.experiments.studies import evaluate_bodies, load_bodies, study_centres, study_heads, train_bodies

    data = run.make_data()
    if bodies is None:
        train_bodies(run, data)
    else:
        load_bodies(run, bodies)
        evaluate_bodies(run, data)
    study_heads(run, data, seeds, inputs)
    if run.configuration.input in inputs:
        study_centres(run, data)


def variants(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="CSV to write.")],
    config: Annotated[str, typer.Option(help="Configuration whose bodies and training set are used.")] = "small",
    folder: RunsOption = RUNS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds per variant.")] = 5,
    bodies: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Use the bodies in this model repository instead of training them."),
    ] = None,
    threads: ThreadsOption = 2,
) -> None:
    """Train the heads by each variant of the protocol and write the contribution of each step."""
    configuration = find_configuration(config)
    with reporting("stopped; the same command continues after the last variant and seed") as report:
        from training.experiments.studies import load_bodies, train_bodies
        from training.experiments.variants import check_bone_heads, study_variants, write_table
        from training.train.hardware import prepare_process
        from training.train.run import TrainingRun

        prepare_process(threads)
        check_bone_heads(configuration.size)
        run = TrainingRun(configuration, folder / config, folder, report=report)
        data = run.make_data()
        if bodies is None:
            train_bodies(run, data)
        else:
            load_bodies(run, bodies)
        results, specimens = study_variants(run, data, range(1, seeds + 1))
        write_table(out, results, specimens)


def combine(
    data: Annotated[Path, typer.Argument(metavar="DATA", exists=True, file_okay=False, help="A training set.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; created if missing.")],
    config: Annotated[
        str, typer.Option(metavar="NAME", help="Runs with the same NAME share a table of the report.")
    ] = "small",
) -> None:
    """Evaluate the paper's other methods of fusing the views on a training set.

    DATA is the training set of a run (RUN/data). For each method (averaging, min-max
    projection, principal components, gradients, and the bare channels) the fused
    images go through the frozen front end and one logistic regression per label.
    FOLDER receives predictions-NAME.parquet for each, for xray train evaluate.

    Example: xray train combine training/runs/small/data --out training/runs/combined
    """
    with reporting("stopped; the same command starts again.") as report:
        from training.experiments.fusion_study import study_fusion

        for path in study_fusion(data, out, config, report.progress):
            report.message(f"wrote {path}")
