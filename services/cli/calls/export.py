"""Writes the calls of the ledger to one Parquet or CSV file, with a progress bar."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.cli.options import require_known, settings_for
from services.cli.output import errors
from services.common.atomic import atomic
from services.common.environment import install_command
from services.common.errors import Fatal, Rejected
from services.common.labels import CALL_LABELS
from services.ledger.database import ledger
from services.ledger.queries import StoredCall, known_centres, stored_calls

CallWriter = Callable[[Path, Iterable[StoredCall]], None]
FORMATS: Final = (".parquet", ".csv")


def write_file(file: Path, *, history: bool, centre: str | None, since: datetime | None, abnormal: bool) -> None:
    """Write the calls that match.

    Raises typer.BadParameter for a file that cannot be written or a centre that the ledger has never seen, Fatal when
    a library is missing, Rejected(`labels_unknown`) for a call with other labels.
    """
    write = _writer(file)
    with ledger(settings_for("postgres")) as connection:
        if centre is not None:
            require_known(centre, known_centres(connection), "centre", "--centre")
        with (
            stored_calls(connection, history=history, centre=centre, since=since, abnormal_only=abnormal) as (n, calls),
            atomic(file) as part,
        ):
            write(part, _with_progress(n, calls))
    size = file.stat().st_size / 1e6
    errors().print(f"{n:,} calls in {file}, {size:,.1f} MB", soft_wrap=True, markup=False)


def _writer(file: Path) -> CallWriter:
    if file.suffix not in FORMATS:
        message = f"{file.name!r} must end with .parquet or .csv"
        raise typer.BadParameter(message, param_hint="FILE")
    if not file.absolute().parent.is_dir():
        message = f"there is no folder {file.parent}"
        raise typer.BadParameter(message, param_hint="FILE")
    if file.suffix == ".csv":
        from services.operations.export.impc import write_csv

        return write_csv
    try:
        from services.operations.export.parquet import write_parquet
    except ModuleNotFoundError as error:
        msg = f"Parquet needs {error.name}, which is not installed; run `{install_command('export')}`, or export .csv"
        raise Fatal(msg) from error
    return write_parquet


def _with_progress(number: int, calls: Iterator[StoredCall]) -> Iterator[StoredCall]:
    """Pass the calls on and move a bar; raises Rejected(`labels_unknown`) for a call with other labels."""
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TextColumn("calls"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=errors(), transient=True) as progress:
        task = progress.add_task("", total=number)
        for stored in calls:
            if stored.call.labels != CALL_LABELS:
                labels = ", ".join(stored.call.labels)
                raise Rejected("labels_unknown", f"call {stored.call.call_id} has other labels: {labels}")
            yield stored
            progress.advance(task)
