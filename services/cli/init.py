"""`xray init`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from services.cli.options import settings_for
from services.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from services.operations.provisioning import ProvisioningStep

app = typer.Typer(add_completion=False)
_COLOURS: Final = {"created": "green", "updated": "yellow", "unchanged": "dim"}


@app.command()
def init(as_json: JsonOption = False) -> None:
    """Create what the services need: topics, bucket, tables, and the first activation of the models.

    Run it once before the first service starts, and after every upgrade. Running it again changes nothing that is
    correct. Topic policies that differ are updated; a topic with another partition count is an error (exit code 2).

    Examples:

        xray init
        XRAY_PARTITIONS=24 XRAY_REPLICATION=3 xray init     # a cluster of three brokers
    """
    from dataclasses import asdict

    from services.operations.provisioning import prepare

    settings = settings_for("kafka", "objects", "postgres")  # Triton is needed for the first activation only
    for step in prepare(settings):
        if as_json:
            print_json(asdict(step))
        else:
            _print(step)


def _print(step: ProvisioningStep) -> None:
    from rich.markup import escape

    detail = f"  [dim]{escape(step.detail)}[/]" if step.detail else ""
    console().print(f"[{_COLOURS[step.outcome]}]{step.outcome:>9}[/]  {escape(step.what)}{detail}", soft_wrap=True)
