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
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from services.cli.train.progress import reporting
from services.common.errors import Rejected

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from training.labels.curation import Curation
    from training.labels.report import LabelReport
    from training.labels.report.model import ReportSource

HELP: Final = """Make a label set from observations of the X-ray procedure.

A SOURCE is a file, or a folder of files, recognised by its content: documents of IMPC's Solr core `experiment` (a
response saved as JSON, or one document per line), a centre's XML submission, or CSV with the columns of Solr. With
--stored, the files that `xray push --dcc` and `xray backfill` stored in object storage are read as well, or alone.

FOLDER receives labels.csv (one row per specimen), report.json and report.md. The same sources in any order give the
same files; the SHA-256 of labels.csv is the version of the label set.

Examples: xray train labels experiment.jsonl submissions/ --out labels; xray train labels --stored --out labels
"""

app = typer.Typer(add_completion=False)


@app.command(help=HELP)
def labels(
    *,
    sources: Annotated[
        list[Path] | None, typer.Argument(metavar="SOURCE...", exists=True, help="Files or folders.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write; created if missing.")],
    stored: Annotated[bool, typer.Option("--stored", help="Read the files in object storage.")] = False,
) -> None:
    """Read all sources, curate, write the label set, and print a summary of it."""
    if not sources and not stored:
        raise typer.BadParameter("name files or folders, or give --stored", param_hint="SOURCE")
    when_stopped = "stopped; nothing was written. The same command starts again."
    with reporting(when_stopped) as report, tempfile.TemporaryDirectory() as fetched:
        from training.labels.sources.read import fetch_stored

        kept = list(fetch_stored(Path(fetched))) if stored else []
        written = make([*(files_of(sources) if sources else []), *kept], out, report.console)
        for line in _summary(written):
            report.message(line)
        report.message(f"see {out / 'report.md'}")


def files_of(sources: Sequence[Path]) -> list[Path]:
    """Return all files of files and folders, without hidden ones; raises Rejected `no_sources` if there are none."""
    files: list[Path] = []
    for source in sources:
        files += sorted(path for path in source.rglob("*") if _is_source(path, source)) if source.is_dir() else [source]
    if not files:
        raise Rejected("no_sources", f"no files in {', '.join(str(source) for source in sources)}")
    return list({path.resolve(): path for path in files}.values())


def make(files: Sequence[Path], out: Path, console: Console) -> LabelReport:
    """Read the files, with a progress bar on a terminal, and write the label set."""
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from training.labels.curation import Curation
    from training.labels.report import write
    from training.labels.report.model import ReportSource

    curation = Curation()
    read_files: list[ReportSource] = []
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        for number, path in enumerate(files, start=1):
            task = progress.add_task(f"{number}/{len(files)} {escape(path.name)}", total=None)
            entries = _read_into(curation, path, partial(_counted, progress, task))
            read_files.append(ReportSource(file=path.name, sha256=_sha256(path), entries=entries))
            progress.remove_task(task)
        progress.add_task("curating and writing", total=None)
        return write(out, curation.finish(), read_files)


def _read_into(curation: Curation, path: Path, opener: Callable[[Path], BinaryIO]) -> int:
    from training.labels.sources import read

    entries = 0
    for item in read(path, opener):
        curation.add(item)
        entries += 1
    return entries


def _counted(progress: Progress, task: TaskID, path: Path) -> BinaryIO:
    """Open a file; reading it moves the bar."""
    return progress.open(path, "rb", task_id=task)


def _is_source(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _summary(report: LabelReport) -> list[str]:
    counts = f"{report.normal} normal, {report.abnormal} abnormal, {sum(report.excluded.values())} left out"
    lines = [f"{report.specimens} specimens: {counts}"]
    lines += [f"  {number} {reason}" for reason, number in report.excluded.items()]
    skipped = sum(entry.entries for entry in report.skipped)
    if skipped or report.unreadable_values:
        lines.append(f"{skipped} entries skipped, {len(report.unreadable_values)} values not readable")
    return [*lines, f"version {report.digest}"]


if __name__ == "__main__":
    app()
