"""`xray calls export`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.cli.output import errors
from services.common.atomic import atomic
from services.common.errors import Fatal, Rejected
from services.common.labels import CALL_LABELS
from services.common.settings import Settings, load
from services.ledger.database import ledger
from services.ledger.queries import StoredCall, stored_calls

Writer = Callable[[Path, Iterable[StoredCall]], None]
FORMATS: Final = (".parquet", ".csv")


def export(
    *,
    file: Annotated[Path, typer.Argument(help="Where to write; its ending decides: .parquet or .csv.", dir_okay=False)],
    history: Annotated[bool, typer.Option("--history", help="All calls, superseded ones too.")] = False,
    centre: Annotated[str | None, typer.Option(help="Only this centre's.")] = None,
) -> None:
    """Write the current call of every specimen to one file.

    **Parquet**: one row a call, a column for each label and its probability, the models and views that it rests on.

    **CSV**: rows in IMPC's manner, one a specimen and label, with the MP terms and the parameters that an abnormal
    label can stand for.

    The file is that of one moment, in the order of the specimens: the same ledger gives the same bytes. It appears
    when it is whole, and replaces an older one.

    Examples:

        xray calls export calls.parquet
        xray calls export calls.csv --centre "MRC Harwell" --history
    """
    write = _writer(file)
    with (
        ledger(load(Settings)) as connection,
        stored_calls(connection, history=history, centre=centre) as (number, calls),
        atomic(file) as part,
    ):
        write(part, _watched(number, calls))
    size = file.stat().st_size / 1e6
    errors().print(f"{number:,} calls in {file}, {size:,.1f} MB", soft_wrap=True, markup=False)


def _writer(file: Path) -> Writer:
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
        msg = f"Parquet needs {error.name}, which is not installed; run `make setup`, or export .csv"
        raise Fatal(msg) from error
    return write_parquet


def _watched(number: int, calls: Iterator[StoredCall]) -> Iterator[StoredCall]:
    """Pass the calls on and move a bar; raises Rejected(`labels_unknown`) for a call of other labels."""
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TextColumn("calls"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=errors(), transient=True) as progress:
        task = progress.add_task("", total=number)
        for stored in calls:
            if stored.call.labels != CALL_LABELS:
                labels = ", ".join(stored.call.labels)
                raise Rejected("labels_unknown", f"call {stored.call.call_id} is about other labels: {labels}")
            yield stored
            progress.advance(task)
