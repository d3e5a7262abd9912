"""What a backfill tells where there is no terminal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from services.cli.backfill import progress
from services.cli.backfill.progress import BackfillProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What `BackfillProgress` takes for the time: `now` seconds."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_line_every_thirty_seconds_says_how_long_it_takes(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    telling = BackfillProgress(as_json=False)
    telling.begin("impc_images", 0)
    for seen in (200, 400, 600):
        clock.now += 20
        telling.page("impc_images", 200, seen, 1600)
    assert capsys.readouterr().err == "impc_images: 400 of 1600, 10.0 a second, 2 min left\n"


def test_an_empty_first_page_after_a_long_time_is_told_without_a_rate(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    telling = BackfillProgress(as_json=False)
    telling.begin("impc_images", 0)
    clock.now += 31
    telling.page("impc_images", 0, 0, 0)
    assert capsys.readouterr().err == "impc_images: 0 of 0\n"


def test_a_core_has_its_own_thirty_seconds(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    telling = BackfillProgress(as_json=False)
    clock.now += 31
    telling.begin("impc_images", 0)
    telling.page("impc_images", 0, 0, 0)
    assert capsys.readouterr().err == ""


def test_an_end_before_the_end_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), BackfillProgress(as_json=False):
        raise KeyboardInterrupt
    assert "the same command without --restart goes on from here" in capsys.readouterr().err
