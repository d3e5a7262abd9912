"""Make a label set from observations.

    xray train labels SOURCE... --out FOLDER

See docs/labels.md.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services.cli.train.group import one_line_errors
from services.common.errors import Rejected
from training.labels.curation import Curation
from training.labels.report import LabelReport, write
from training.labels.report.model import ReportSource
from training.labels.sources import read
from training.labels.sources.read import fetch_stored

HELP: Final = """Make a label set from observations of the X-ray procedure.

A SOURCE is a file, or a folder of them, told by its content: documents of IMPC's Solr core `experiment` (a response
saved as JSON, or one document a line), a centre's XML submission, or CSV with the columns of Solr. With --stored, what
`xray push --dcc` and `xray backfill` kept in object storage is read too, or alone.

FOLDER gets labels.csv (one row a specimen), report.json and report.md. The same sources in any order give the same
files; the SHA-256 of labels.csv is the version of the label set.

Examples: xray train labels experiment.jsonl submissions/ --out labels; xray train labels --stored --out labels
"""

app = typer.Typer(add_completion=False)
_console = Console(stderr=True, highlight=False)


@app.command(help=HELP)
def labels(
    *,
    sources: Annotated[
        list[Path] | None, typer.Argument(metavar="SOURCE...", exists=True, help="Files or folders.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; made when it is not there.")],
    stored: Annotated[bool, typer.Option("--stored", help="Read what is kept in object storage.")] = False,
) -> None:
    """Read all sources, curate, write the label set, and say in a few lines what it holds."""
    if not sources and not stored:
        raise typer.BadParameter("name files or folders, or give --stored", param_hint="SOURCE")
    when_stopped = "stopped; nothing was written. The same command starts again."
    with one_line_errors(_console, when_stopped), tempfile.TemporaryDirectory() as fetched:
        kept = list(fetch_stored(Path(fetched))) if stored else []
        report = make([*(files_of(sources) if sources else []), *kept], out)
    _say(report, out)


def files_of(sources: Sequence[Path]) -> list[Path]:
    """The files meant by files and folders, hidden ones left out; raises Rejected `no_sources` when there are none."""
    files: list[Path] = []
    for source in sources:
        files += sorted(path for path in source.rglob("*") if _wanted(path, source)) if source.is_dir() else [source]
    if not files:
        raise Rejected("no_sources", f"no files in {', '.join(str(source) for source in sources)}")
    return list({path.resolve(): path for path in files}.values())


def make(files: Sequence[Path], out: Path) -> LabelReport:
    """Read the files, with a bar on a terminal, and write the label set."""
    curation = Curation()
    read_files: list[ReportSource] = []
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=_console, transient=True) as progress:
        for number, path in enumerate(files, start=1):
            task = progress.add_task(f"{number}/{len(files)} {escape(path.name)}", total=None)
            entries = _read_into(curation, path, partial(_counted, progress, task))
            read_files.append(ReportSource(file=path.name, sha256=_sha256(path), entries=entries))
            progress.remove_task(task)
        progress.add_task("curating and writing", total=None)
        return write(out, curation.finish(), read_files)


def _read_into(curation: Curation, path: Path, opener: Callable[[Path], BinaryIO]) -> int:
    entries = 0
    for item in read(path, opener):
        curation.add(item)
        entries += 1
    return entries


def _counted(progress: Progress, task: TaskID, path: Path) -> BinaryIO:
    """The opened file; what is read of it moves the bar."""
    return progress.open(path, "rb", task_id=task)


def _wanted(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _say(report: LabelReport, out: Path) -> None:
    _console.print(
        f"{report.specimens} specimens: {report.normal} normal, {report.abnormal} abnormal, "
        f"{sum(report.excluded.values())} left out"
    )
    for reason, number in report.excluded.items():
        _console.print(f"  {number} {reason}")
    skipped = sum(entry.entries for entry in report.skipped)
    if skipped or report.unreadable_values:
        _console.print(f"{skipped} entries skipped, {len(report.unreadable_values)} values not readable")
    _console.print(f"version {report.digest}")
    _console.print(f"see {escape(str(out / 'report.md'))}", soft_wrap=True)


if __name__ == "__main__":
    app()
