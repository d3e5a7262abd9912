"""What `xray push --wait` prints of the outcomes, and its exit code."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.push.report import PushReport
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.outcomes import ImageOutcome, State
from services.ingest.push.upload import PushResult
from tests.ledger.examples import rejection, sha256


def outcome(state: State) -> ImageOutcome:
    image = PushImage(LocalFile(Path(f"{state}.png")), "7", "JAX", "IMPC_XRY_034_001")
    refused = rejection("7", words="contrast is too low") if state == "rejected" else None
    return ImageOutcome(PushResult(image, "pushed", sha256(state)), state, "what happened", refused)


def reported(*states: State) -> PushReport:
    report = PushReport(as_json=False)
    report.announced = [outcome(state).result for state in states]
    return report


@pytest.mark.parametrize(
    ("states", "exit_code"),
    [
        (("called", "waiting_for_view", "close_up"), 0),
        (("called", "view_stored"), 4),
        (("at_intake",), 4),
        (("called", "parked"), 4),
        (("rejected", "at_intake"), 1),
    ],
)
def test_the_exit_code_follows_the_outcomes(states: tuple[State, ...], exit_code: int) -> None:
    report = reported(*states)
    report.outcomes(map(outcome, states))
    assert report.exit_code == exit_code


def test_each_outcome_is_a_line_and_the_counts_are_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    report = reported("called", "rejected")
    report.outcomes([outcome("called"), outcome("rejected")])
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "called called.png: what happened",
        "rejected rejected.png: contrast is too low (contrast 0.01, limit 0.05) (view_blank)",
    ]
    assert err.endswith("1 called, 1 rejected\n")


def test_ctrl_c_still_prints_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> Iterator[ImageOutcome]:
        yield outcome("called")
        raise KeyboardInterrupt

    report = reported("called", "at_intake")
    with pytest.raises(KeyboardInterrupt):
        report.outcomes(interrupted())
    assert capsys.readouterr().err.endswith("1 called\n")
