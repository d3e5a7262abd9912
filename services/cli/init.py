"""`xray init`."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.markup import escape

from services.cli.output import JsonOption, console, print_json
from services.common.settings import Settings, load
from services.operations.provisioning import ProvisioningStep, prepare

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_COLOURS = {"made": "green", "mended": "yellow", "there": "dim"}


@app.command()
def init(as_json: JsonOption = False) -> None:
    """Create what the services need: topics, bucket, tables, and the first activation of the models.

    Run it once before the first service starts, and after every upgrade; running it again changes nothing that is
    right. Policies of topics are mended; a topic with another partition count is refused (exit code 2).

    Examples:

        xray init
        XRAY_PARTITIONS=24 XRAY_REPLICATION=3 xray init     # a cluster of three brokers
    """
    for step in prepare(load(Settings)):
        if as_json:
            print_json(asdict(step))
        else:
            _print(step)


def _print(step: ProvisioningStep) -> None:
    detail = f"  [dim]{escape(step.detail)}[/]" if step.detail else ""
    console().print(f"[{_COLOURS[step.outcome]}]{step.outcome:>6}[/]  {escape(step.what)}{detail}", soft_wrap=True)
