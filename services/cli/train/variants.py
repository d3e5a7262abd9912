"""`xray train variants`: the contribution of each step beyond the paper's protocol, as a table.

    xray train variants --config small --bodies model_repository --out docs/results/variants.csv

It needs a run's training set and bodies. The heads are retrained for each variant and seed, half a minute each, and
each result is stored in the run's folder: an interrupted command continues after the last one.
"""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.train.models import RunsOption, ThreadsOption, find_configuration
from services.cli.train.progress import reporting
from training.train.configuration import RUNS

app = typer.Typer(add_completion=False)


@app.command()
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


if __name__ == "__main__":
    app()
