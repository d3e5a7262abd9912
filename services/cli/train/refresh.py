"""`xray train refresh`: new labels become a better model in Triton, or a refusal with figures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console

from services.cli.options import duration
from services.cli.output import JsonOption, print_json
from services.cli.train.group import FAILED, one_line_errors
from services.cli.train.models import RUNS
from services.common.settings import Settings, load
from services.common.store import ObjectStore
from services.registry.bucket import repository_of
from training.datasets.collect.collect import collect
from training.datasets.collect.dataset import Dataset
from training.refresh.gate import GateRules
from training.refresh.job import RefreshOutcome, RefreshRequest, refresh
from training.refresh.lease import leased
from training.refresh.run import RefreshContext
from training.refresh.watch import Schedule, watch
from training.train.hardware import Accelerator, Hardware, keep_freed_memory

FOLDER: Final = RUNS / "refresh"
_STOPPED: Final = "stopped; the same command goes on from here, and what served still serves"
_RULES: Final = GateRules()

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
_console = Console(stderr=True, highlight=False)


@app.command("refresh")
def refresh_(
    *,
    labels: Annotated[
        list[Path] | None,
        typer.Option("--labels", exists=True, help="Label set, or the folder of one; of several the last counts."),
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Train on this dataset instead of collecting one.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where datasets and runs lie; keep it between runs.")] = FOLDER,
    watching: Annotated[bool, typer.Option("--watch", help="Stay, and refresh whenever it is due.")] = False,
    every: Annotated[str, typer.Option(help="With --watch: due so long after the last: 12h, 7d.")] = "7d",
    after_labels: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --watch: due after N new reviews, too.")
    ] = None,
    no_promote: Annotated[
        bool, typer.Option("--no-promote", help="Stop before the promotion; the versions are loaded and proven.")
    ] = False,
    auc_margin: Annotated[
        float, typer.Option(min=0, max=0.5, help="No level's mean AUC may be worse by this.")
    ] = _RULES.auc_margin,
    sensitivity_margin: Annotated[
        float, typer.Option(min=0, max=0.5, help="Nor level 1's sensitivity by this.")
    ] = _RULES.sensitivity_margin,
    least_specimens: Annotated[
        int, typer.Option(min=2, help="Evaluation specimens needed to decide.")
    ] = _RULES.least_specimens,
    least_abnormal: Annotated[
        int, typer.Option(min=1, help="Of them abnormal, and as many normal.")
    ] = _RULES.least_abnormal,
    trust_labels: Annotated[
        bool, typer.Option("--trust-labels", help="Train on labels although they contradict what serves.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    accelerator: Annotated[Accelerator, typer.Option(help="What trains; auto is a GPU if there is one.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train both models on from what serves, compare, and promote only what is shown not to be worse.

    One at a time; killed at any point, the next one goes on. What serves goes on serving until one record on
    models.active names the new versions. Exit code 0: promoted, held back by --no-promote, or nothing new; 1: refused,
    or another refresh is running.

    Examples:

        xray train refresh

        xray train refresh --labels labels --no-promote

        xray train refresh --watch --every 7d --after-labels 200
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    settings = load(Settings)
    rules = GateRules(
        auc_margin=auc_margin,
        sensitivity_margin=sensitivity_margin,
        least_specimens=least_specimens,
        least_abnormal=least_abnormal,
        trust_labels=trust_labels,
    )
    gather = partial(_gathered, settings, folder, labels or [], dataset)
    wish = RefreshRequest(folder / "runs", rules, promote=not no_promote, gather=gather)
    with one_line_errors(_console, _STOPPED):
        once = partial(_once, settings, wish, Hardware(accelerator), threads)
        if watching:
            watch(Schedule(duration(every), after_labels), settings, lambda: _say(once(), as_json=as_json), _console)
        outcome = once()
        _say(outcome, as_json=as_json)
    if outcome.ending in {"refused", "overtaken"}:
        raise typer.Exit(FAILED)


def _gathered(settings: Settings, folder: Path, labels: list[Path], dataset: Path | None) -> Dataset:
    if dataset is not None:
        return Dataset.read(dataset)
    return collect(folder / "datasets", settings=settings, label_sets=labels, progress=_progress)


def _progress(what: str, done: int, total: int) -> None:
    if done == total or done % 500 == 0:
        _console.print(f"{what}: {done} of {total}", soft_wrap=True)


def _once(settings: Settings, wish: RefreshRequest, hardware: Hardware, threads: int) -> RefreshOutcome:
    with leased(settings) as lease:
        repository = repository_of(settings)
        return refresh(
            RefreshContext(settings, ObjectStore(settings), repository, lease, hardware, threads, _console), wish
        )


def _say(outcome: RefreshOutcome, *, as_json: bool) -> None:
    decision = outcome.decision
    if as_json:
        facts = {"ending": outcome.ending, "activation": outcome.activation, "new": outcome.new}
        print_json(facts | {"decision": decision})
        return
    if not outcome.new:
        typer.echo(f"nothing new since run {decision.run}, which ended: {outcome.ending}")
    typer.echo(decision.summary())
    versions = " ".join(f"{model}={version}" for model, version in sorted(decision.candidate.items()))
    if outcome.ending == "promoted":
        typer.echo(f"promoted: {versions}, activation {outcome.activation}")
    elif outcome.ending == "held":
        typer.echo(
            f"held back: xray models promote {versions} --evaluation refresh/{decision.run}/decision.json --why …"
        )


if __name__ == "__main__":
    app()
