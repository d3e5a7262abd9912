"""`xray train refresh`: train new versions from new labels, and promote or refuse them with figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.options import duration
from services.cli.output import JsonOption, print_json
from services.cli.train.models import AcceleratorOption, ThreadsOption
from services.cli.train.progress import FAILED, ConsoleReporter, reporting
from training.train.configuration import RUNS

if TYPE_CHECKING:
    from services.common.settings import Settings
    from training.datasets.collect.dataset import Dataset
    from training.refresh.job import RefreshOutcome, RefreshRequest
    from training.train.hardware import Hardware

HELP: Final = """Train the serving models further, compare, and promote only models proven no worse.

Only one refresh runs at a time. After a kill at any point the next one continues. The current models keep serving until
one record on models.active names the new versions. Exit code 0: promoted, held back by --no-promote, or nothing new;
1: refused, or another refresh is running.

Examples:

    xray train refresh

    xray train refresh --labels labels --no-promote

    xray train refresh --watch --every 7d --after-labels 200
"""
FOLDER: Final = RUNS / "refresh"
_STOPPED: Final = "stopped; the same command continues from here, and the current models keep serving"

LabelsOption = Annotated[
    list[Path] | None,
    typer.Option("--labels", exists=True, help="Label set or its folder; of several the last takes precedence."),
]
DatasetOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Train on this dataset instead of collecting one.")
]
FolderOption = Annotated[Path, typer.Option(help="Folder of datasets and runs; keep it between runs.")]
WatchOption = Annotated[bool, typer.Option("--watch", help="Keep running, and refresh whenever it is due.")]
EveryOption = Annotated[str, typer.Option(help="With --watch: interval between refreshes, such as 12h or 7d.")]
AfterLabelsOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="With --watch: also refresh after N new reviews.")
]
NoPromoteOption = Annotated[
    bool, typer.Option("--no-promote", help="Stop before the promotion, once the versions are loaded and checked.")
]
AucMarginOption = Annotated[float, typer.Option(min=0, max=0.5, help="No level's mean AUC may be worse by this much.")]
SensitivityMarginOption = Annotated[
    float, typer.Option(min=0, max=0.5, help="Level 1's sensitivity may not be worse by this much.")
]
LeastSpecimensOption = Annotated[int, typer.Option(min=2, help="Evaluation specimens needed to decide.")]
LeastAbnormalOption = Annotated[int, typer.Option(min=1, help="Abnormal ones needed, and as many normal ones.")]
TrustLabelsOption = Annotated[
    bool, typer.Option("--trust-labels", help="Train on labels although they contradict the serving models.")
]

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command("refresh", help=HELP)
def command(
    *,
    labels: LabelsOption = None,
    dataset: DatasetOption = None,
    folder: FolderOption = FOLDER,
    watching: WatchOption = False,
    every: EveryOption = "7d",
    after_labels: AfterLabelsOption = None,
    no_promote: NoPromoteOption = False,
    auc_margin: AucMarginOption = 0.01,
    sensitivity_margin: SensitivityMarginOption = 0.03,
    least_specimens: LeastSpecimensOption = 100,
    least_abnormal: LeastAbnormalOption = 20,
    trust_labels: TrustLabelsOption = False,
    threads: ThreadsOption = 2,
    accelerator: AcceleratorOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Refresh once, or whenever it is due; a test compares the default margins and counts with `GateRules`."""
    from services.common.settings import Settings, load
    from training.refresh.journal import GateRules

    settings = load(Settings)
    rules = GateRules(
        auc_margin=auc_margin,
        sensitivity_margin=sensitivity_margin,
        least_specimens=least_specimens,
        least_abnormal=least_abnormal,
        trust_labels=trust_labels,
    )
    with reporting(_STOPPED) as report:
        from training.refresh.job import RefreshRequest
        from training.refresh.schedule import Schedule, watch
        from training.train.hardware import Hardware, prepare_process

        prepare_process(threads)
        gather = partial(_dataset, settings, folder, labels or [], dataset, report)
        request = RefreshRequest(folder / "runs", rules, promote=not no_promote, gather=gather)
        once = partial(_refresh_once, settings, request, Hardware(accelerator), threads, report)
        if watching:
            schedule = Schedule(duration(every), after_labels)
            watch(schedule, settings, lambda: _print(once(), as_json=as_json), report.message)
        _print(outcome := once(), as_json=as_json)
    if outcome.ending in {"refused", "overtaken"}:
        raise typer.Exit(FAILED)


def _dataset(
    settings: Settings, folder: Path, labels: list[Path], dataset: Path | None, report: ConsoleReporter
) -> Dataset:
    from training.datasets.collect.collect import collect
    from training.datasets.collect.dataset import Dataset

    if dataset is not None:
        return Dataset.read(dataset)
    return collect(folder / "datasets", settings=settings, label_sets=labels, progress=_thinned(report))


def _thinned(report: ConsoleReporter) -> Callable[[str, int, int], None]:
    """Show bars, and without a terminal a line for every 500 specimens."""

    def on_progress(what: str, done: int, total: int) -> None:
        report.progress(what, done, total)
        if not report.console.is_terminal and (done == total or done % 500 == 0):
            report.message(f"{what}: {done} of {total}")

    return on_progress


def _refresh_once(
    settings: Settings, request: RefreshRequest, hardware: Hardware, threads: int, report: ConsoleReporter
) -> RefreshOutcome:
    from services.common.store import ObjectStore
    from services.registry.bucket import repository_of
    from training.refresh.job import refresh
    from training.refresh.run import RefreshContext
    from training.refresh.schedule import leased

    with leased(settings) as lease:
        store, repository = ObjectStore(settings), repository_of(settings)
        return refresh(RefreshContext(settings, store, repository, lease, hardware, threads, report), request)


def _print(outcome: RefreshOutcome, *, as_json: bool) -> None:
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
