"""The output of a backfill without a terminal."""

from types import SimpleNamespace

import pytest

from services.cli import progress
from services.cli.backfill import report
from services.cli.backfill.report import BackfillReport


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of `BackfillReport` and its progress: it shows `now` seconds."""
    clock = SimpleNamespace(now=1000.0)
    for module in (report, progress):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_line_every_thirty_seconds_shows_the_time_left(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = BackfillReport(as_json=False)
    shown.core_started("impc_images", 0)
    for seen in (200, 400, 600):
        clock.now += 20
        shown.page_done("impc_images", 200, seen, 1600)
    assert capsys.readouterr().err == "impc_images: 400 of 1600, 10.0 per second, 2 min left\n"


def test_an_empty_first_page_after_a_long_time_has_no_rate(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = BackfillReport(as_json=False)
    shown.core_started("impc_images", 0)
    clock.now += 31
    shown.page_done("impc_images", 0, 0, 0)
    assert capsys.readouterr().err == "impc_images: 0 of 0\n"


def test_each_core_has_its_own_thirty_seconds(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    shown = BackfillReport(as_json=False)
    clock.now += 31
    shown.core_started("impc_images", 0)
    shown.page_done("impc_images", 0, 0, 0)
    assert capsys.readouterr().err == ""


def test_an_interruption_shows_how_to_continue(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), BackfillReport(as_json=False):
        raise KeyboardInterrupt
    assert "run the same command without --restart to continue from here" in capsys.readouterr().err
