"""`xray bench`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.output import JsonOption, console, errors, print_json, seconds, table
from services.common.environment import stack_folder, work_folder

if TYPE_CHECKING:
    from services.bench.run import BenchResult, PipelineFigures

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_FOLDER: Final = work_folder() / ".demo"
_DIFFERENT_MICE: Final = 40


@app.command()
def bench(
    *,
    specimens: Annotated[
        int, typer.Option(min=20, help="Specimens at full load; half as many are sent at half load.")
    ] = 200,
    side: Annotated[int, typer.Option(min=300, max=3000, help="Longer side of the images in pixels.")] = 1400,
    folder: Annotated[
        Path, typer.Option(help="Images and logs.", show_default=".demo of the clone, else of the current directory")
    ] = _FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Compare the whole pipeline with a bare loop on the same images and models, in one run.

    The bare loop decodes, checks and fuses one DV and one LAT image per specimen and runs both models in ONNX Runtime,
    in one process that stores nothing. The pipeline runs with real servers and one process per service. Its rate is
    measured from the first published event to the last row in PostgreSQL. Its latency, from a specimen's last image to
    its call in the ledger, is measured at half that rate. Images are rendered and uploaded before the clock starts.

    Run it on an otherwise idle machine, with no other services on the same stack.

    Examples:

        xray bench
        xray bench --specimens 400 --json | jq .ratio
    """
    from dataclasses import asdict

    from services.bench.run import BenchOptions, run
    from services.demo.cohort import CohortRequest

    count = min(_DIFFERENT_MICE, specimens)
    options = BenchOptions(
        specimens // count * count, CohortRequest(count, seed=2, side=side, simple=True), folder, stack_folder()
    )
    progress = errors()
    figures = run(options, lambda message: progress.print(message, markup=False))
    if as_json:
        ratios = {"ratio": figures.ratio, "ratio_threads": figures.ratio_threads}
        print_json(asdict(figures) | {"pipeline_rate": figures.pipeline.rate, "bare_rate": figures.bare.rate} | ratios)
        return
    title = f"{figures.specimens} specimens on {figures.cores} cores"
    console().print(table(title, ("what", "measured"), _rows(figures)))
    console().print(table("Services at full load", ("service", "peak memory#", "CPU#"), _services(figures.pipeline)))


def _rows(figures: BenchResult) -> Iterator[tuple[str, str]]:
    bare, pipeline = figures.bare, figures.pipeline
    yield "bare loop", f"{bare.rate:.2f} specimens/s, {bare.resident_bytes / 1e6:.0f} MB"
    yield f"bare loop, images on {figures.cores} threads", f"{figures.bare_threads.rate:.2f} specimens/s"
    yield "pipeline, event to row", f"{pipeline.rate:.2f} specimens/s"
    yield "ratio to the bare loop", f"{figures.ratio:.2f} ({figures.ratio_threads:.2f} to the loop on threads)"
    latency = f"p50 {seconds(pipeline.latency_p50)}, p99 {seconds(pipeline.latency_p99)} of {pipeline.latency_of}"
    yield f"last image to row, at {pipeline.half_load_rate:.2f} specimens/s", latency
    if pipeline.called != bare.specimens:
        yield "CAUTION", f"the pipeline called {pipeline.called}, the bare loop {bare.specimens} specimens"


def _services(pipeline: PipelineFigures) -> Iterator[tuple[str, str, str]]:
    for name, size in pipeline.resident_bytes.items():
        yield name, f"{size / 1e6:.0f} MB", f"{pipeline.cpu_seconds[name]:.1f} s"
