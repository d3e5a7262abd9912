"""`xray check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import settings_for
from services.cli.output import JsonOption, Sheet, console, errors, print_json

if TYPE_CHECKING:
    from services.operations.store_check import StoreCheck, StoreProperty

app = typer.Typer(add_completion=False)


@app.callback()
def check() -> None:
    """Prove that a server keeps the promises on which this system depends."""


@app.command("store")
def store(
    writers: Annotated[int, typer.Option(min=2, max=64, help="Clients that write at the same time.")] = 8,
    keys: Annotated[int, typer.Option(min=1, max=10_000, help="Objects that each client writes.")] = 160,
    as_json: JsonOption = False,
) -> None:
    """Prove that an object store is fit for this system, before it holds any data.

    Writes small objects below checks/ in XRAY_S3_BUCKET from several clients at the same time and deletes them again.
    It checks that a written object can be read and is listed at once by every other client, and that of several clients
    that create the same object exactly one succeeds. Exit code 1 if a property does not hold: do not use such a store.

    Examples:

        xray check store
        xray check store --writers 32 --keys 1000     # a longer check, against a cluster of several nodes
    """
    from dataclasses import asdict

    from services.common.store import ObjectStore
    from services.operations.store_check import StoreCheck

    settings = settings_for("objects")
    ObjectStore(settings).check_bucket()
    check = StoreCheck(lambda: ObjectStore(settings, connections=writers), writers=writers, keys=keys)
    properties = _watched(check)
    if as_json:
        print_json([asdict(one) | {"holds": one.holds} for one in properties])
    else:
        console().print(
            Sheet("", ("property", "holds", "trials#", "violations#", "needed because~"), map(_row, properties))
        )
        for one in properties:
            for example in one.examples:
                errors().print(f"{one.name}: {example}", markup=False)
    if not all(one.holds for one in properties):
        raise typer.Exit(1)


def _watched(check: StoreCheck) -> list[StoreProperty]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("checking the store"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors(), transient=True) as progress:
        task = progress.add_task("check", total=check.operations)
        check.on_progress = lambda done: progress.update(task, completed=done)
        return check.run()


def _row(one: StoreProperty) -> tuple[object, ...]:
    return one.name, "yes" if one.holds else "NO", one.trials, one.violations, one.why
