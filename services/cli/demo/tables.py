"""The demo's account, as tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType

from services.cli.output import seconds, table
from services.common.events.summary import describe_call
from services.demo.outcome import DemoOutcome, DemoSpecimen, LabelScore, label_figures, quantile
from services.demo.submissions import ACCEPTED, GOOD

HONEST = (
    "[dim]The models are small demo weights trained on simulated mice; so are these specimens, though unseen ones. "
    "The figures say that the path works, nothing about real animals.[/]"
)


def account(outcome: DemoOutcome) -> Iterator[RenderableType]:
    """Yield everything that is shown at the end."""
    yield table(
        "Calls beside the truth",
        ("specimen", "centre", "truth", "call", "P(abnormal)#", "images#", ""),
        _calls(outcome),
    )
    yield table(
        "Agreement with the truth", ("label", "truly#", "called#", "rightly#", "agreement#", "AUC#"), _figures(outcome)
    )
    yield HONEST
    yield table(
        f"Files ({outcome.wrongly_refused} good ones refused)", ("sent as", "became", "files#"), _files(outcome)
    )
    yield table("Time", ("stage", "median#", "99 %#", "of#"), _stages(outcome))
    yield table("Parts of this run", ("part", "took#"), ((part, seconds(s)) for part, s in outcome.seconds.items()))


def _calls(outcome: DemoOutcome) -> Iterator[tuple[object, ...]]:
    for one in outcome.specimens:
        call = one.call
        words = (describe_call(call), f"{call.consensus.level1:.2f}", call.revision) if call else ("none", "", "")
        yield (one.biological_sample_id, one.submission.centre, one.submission.true_labels(), *words, _remark(one))


def _remark(one: DemoSpecimen) -> str:
    call = one.call
    if call is None:
        return f"MISSING: {_refused(one)}" if one.submission.call_expected else "incomplete, as sent"
    if call.abnormal != bool(one.submission.truth[0]):
        return "missed" if one.submission.truth[0] else "false alarm"
    return "exact" if call.vector == one.submission.truth[1:] else ""


def _refused(one: DemoSpecimen) -> str:
    """Say why good files of a specimen were refused."""
    fates = {one.fate(picture) for picture in one.submission.pictures if picture.expected in GOOD}
    return ", ".join(sorted(fate for fate in fates if fate not in {None, ACCEPTED})) or "no word of it"


def _figures(outcome: DemoOutcome) -> Iterator[tuple[object, ...]]:
    for figure in label_figures(outcome.judged):
        yield (*_counts(figure), "" if figure.auc is None else f"{figure.auc:.2f}")


def _counts(figure: LabelScore) -> tuple[object, ...]:
    return figure.label, figure.truly, figure.called, figure.rightly, f"{figure.agreement:.0%}"


def _files(outcome: DemoOutcome) -> Iterator[tuple[object, ...]]:
    for (expected, fate), count in sorted(outcome.fates.items()):
        yield expected, fate, count


def _stages(outcome: DemoOutcome) -> Iterator[tuple[object, ...]]:
    for stage, times in outcome.stages().items():
        yield stage, seconds(quantile(times, 0.5)), seconds(quantile(times, 0.99)), len(times)
