"""`xray soak`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.output import JsonOption, console, errors, print_json, table
from services.common.environment import stack_folder, work_folder

if TYPE_CHECKING:
    from services.bench.soak import Sample, SoakOptions, SoakResult

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_FOLDER: Final = work_folder() / ".demo"
_PLAIN_MICE: Final = 95
_TROUBLED_MICE: Final = 5
_SIDE: Final = 400


@app.command()
def soak(
    *,
    specimens: Annotated[int, typer.Option(min=20, help="How many specimens to send.")] = 50_000,
    folder: Annotated[
        Path,
        typer.Option(
            help="Images, logs and samples.", show_default=".demo of the clone, else of the current directory"
        ),
    ] = _FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Send many specimens through the whole local system and watch the memory and disk of every process.

    Copies of 100 simulated mice go through real servers and one process per service, at most 1,000 specimens ahead of
    their calls. The images have 400 pixels; 5 of the mice have several images, some of them defective or late. A sample
    is written to `soak.csv` in the folder every 15 seconds. At the end, the ledger must hold exactly what the first
    copy of every mouse gave, times the number of copies; exit code 1 if it does not.

    50,000 specimens take about 80 minutes on two cores and 6 GB of disk. Run `xray stack down --clear` afterwards to
    free it.

    Examples:

        xray soak
        xray soak --specimens 1000 --json | jq .exact
    """
    from services.bench.soak import SoakOptions
    from services.demo.cohort import CohortRequest

    plain = CohortRequest(_PLAIN_MICE, seed=3, side=_SIDE, simple=True)
    options = SoakOptions(specimens, (plain, CohortRequest(_TROUBLED_MICE, seed=4, side=_SIDE)), folder, stack_folder())
    result = _run(options)
    if as_json:
        print_json(_payload(result))
    else:
        console().print(table(f"{specimens} specimens", ("what", "first", "last", "largest"), _rows(result)))
        typer.echo(f"Ledger: {'exactly as expected' if result.exact else 'NOT as expected'}: {result.found}")
        typer.echo(f"Samples: {folder / 'soak.csv'}")
    if not result.exact:
        typer.echo(f"xray: expected {result.expected}", err=True)
        raise typer.Exit(1)


def _run(options: SoakOptions) -> SoakResult:
    from services.bench.soak import SampleFile, run
    from services.cli.progress import LongProgress

    options.folder.mkdir(parents=True, exist_ok=True)
    with LongProgress() as progress, SampleFile(options.folder / "soak.csv") as file:
        task = progress.add_task("specimens called", total=None)

        def show(sample: Sample) -> None:
            file.write(sample)
            progress.update(task, completed=sample.called, total=sample.called + options.specimens - sample.announced)
            progress.line(f"{sample.announced} of {options.specimens} announced, {sample.called} called")

        return run(options, lambda message: errors().print(message, markup=False), show)


def _payload(result: SoakResult) -> dict[str, object]:
    from dataclasses import asdict

    last = result.samples[-1]
    return {
        "exact": result.exact,
        "expected": asdict(result.expected),
        "found": asdict(result.found),
        "seconds": last.seconds,
        "resident_bytes": last.resident_bytes,
        "disk_bytes": last.disk_bytes,
    }


def _rows(result: SoakResult) -> Iterator[tuple[str, str, str, str]]:
    first, last = result.samples[0], result.samples[-1]
    for name in last.resident_bytes:
        sizes = [one.resident_bytes[name] for one in result.samples]
        yield f"memory of {name}", _megabytes(sizes[0]), _megabytes(sizes[-1]), _megabytes(max(sizes))
    for name in last.disk_bytes:
        grown = (last.disk_bytes[name] - first.disk_bytes[name]) / max(1, last.announced - first.announced)
        yield (
            f"disk of {name}",
            f"{first.disk_bytes[name] / 1e6:.0f} MB",
            f"{last.disk_bytes[name] / 1e6:.0f} MB",
            (f"{grown / 1e3:.1f} kB per specimen"),
        )
    yield "specimens per second", "", "", f"{last.announced / last.seconds:.1f}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
