"""What the demo prints: its progress while it runs, and the result as tables."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from services.cli.output import seconds, table
from services.common.events.summary import describe_call
from services.demo.cohort import ACCEPTED, GOOD
from services.demo.outcome import DemoOutcome, DemoSpecimen, LabelScore, label_scores, quantile
from services.demo.sending import DemoProgress

_CAUTION = (
    "[dim]The models are small demo weights trained on simulated mice. These specimens are simulated too, though not "
    "part of any training set. The scores show that the pipeline works; they say nothing about real animals.[/]"
)


class DemoDisplay(DemoProgress):
    """Shows progress on a console: bars at the bottom, messages above them."""

    def __init__(self, console: Console) -> None:
        """Prepare the bars; they appear within `shown`."""
        super().__init__()
        self._bars = Progress(
            TextColumn("{task.description:>20}"),
            BarColumn(40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the bars on the screen."""
        with self._bars:
            yield

    def say(self, message: str) -> None:
        """Print one line."""
        self._bars.console.print(escape(message))

    def server(self, name: str, message: str) -> None:
        """Print what a server is doing."""
        self._bars.console.print(f"  [dim]{escape(name)}: {escape(message)}[/]")

    def bar(self, name: str, done: int, of: int) -> None:
        """Set a bar, which appears when it is first set."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=of)
        self._bars.update(self._tasks[name], completed=done, total=of)


def result_tables(outcome: DemoOutcome) -> Iterator[RenderableType]:
    """Yield everything that is shown at the end."""
    yield table(
        "Calls next to the truth",
        ("specimen", "centre", "truth", "call", "P(abnormal)#", "images#", ""),
        _calls(outcome),
    )
    yield table(
        "Agreement with the truth",
        ("label", "positives#", "called#", "true positives#", "agreement#", "AUC#"),
        map(_score, label_scores(outcome.called)),
    )
    yield _CAUTION
    yield table(
        f"Files ({outcome.good_files_rejected} good files rejected)",
        ("sent as", "outcome", "files#"),
        ((expected, fate, count) for (expected, fate), count in sorted(outcome.fates.items())),
    )
    yield table("Time", ("stage", "median#", "99 %#", "of#"), _stages(outcome))
    yield table("Parts of this run", ("part", "took#"), ((part, seconds(s)) for part, s in outcome.seconds.items()))


def _calls(outcome: DemoOutcome) -> Iterator[tuple[object, ...]]:
    for one in outcome.specimens:
        call, sent = one.call, one.submission
        shown = (describe_call(call), f"{call.consensus.level1:.2f}", call.revision) if call else ("none", "", "")
        yield one.biological_sample_id, sent.announced_centre, sent.true_labels(), *shown, _remark(one)


def _remark(one: DemoSpecimen) -> str:
    call = one.call
    if call is None:
        return f"MISSING: {_rejections(one)}" if one.submission.call_expected else "incomplete, as sent"
    if call.abnormal != bool(one.submission.truth[0]):
        return "missed" if one.submission.truth[0] else "false alarm"
    return "exact" if call.vector == one.submission.truth[1:] else ""


def _rejections(one: DemoSpecimen) -> str:
    """Return the reasons why good files of a specimen were rejected."""
    fates = {one.fate(picture) for picture in one.submission.pictures if picture.expected in GOOD}
    return ", ".join(sorted(fate for fate in fates if fate not in {None, ACCEPTED})) or "no rejection recorded"


def _score(score: LabelScore) -> tuple[object, ...]:
    auc = "" if score.auc is None else f"{score.auc:.2f}"
    return score.label, score.positives, score.called, score.true_positives, f"{score.agreement:.0%}", auc


def _stages(outcome: DemoOutcome) -> Iterator[tuple[object, ...]]:
    for stage, times in outcome.stages().items():
        yield stage, seconds(quantile(times, 0.5)), seconds(quantile(times, 0.99)), len(times)
