import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from rich.text import Text

from services.cli.options import duration, moment_or_age
from services.cli.output import console, errors, facts, moment, print_json, seconds, table, visible


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("1.5h", timedelta(hours=1.5)),
        ("2d", timedelta(2)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1 hour", "1e9d", "9999999999w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        duration(text)


def test_since_takes_a_time_or_an_age() -> None:
    assert moment_or_age("2024-05-31T12:00:00+00:00") == datetime(2024, 5, 31, 12, tzinfo=UTC)
    assert moment_or_age("2024-05-31").tzinfo is not None
    assert abs(datetime.now(UTC) - timedelta(hours=1) - moment_or_age("1h")) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("length", "words"), [(0.0854, "85 ms"), (12.34, "12.3 s"), (240, "4 min"), (12_600, "3.5 h"), (200_000, "2 d")]
)
def test_lengths_of_time_for_people(length: float, words: str) -> None:
    assert seconds(length) == words


def test_json_holds_times_and_paths(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": datetime(2024, 5, 31, tzinfo=UTC), "file": Path("a/ä")})
    assert capsys.readouterr().out == '{"at": "2024-05-31T00:00:00Z", "file": "a/ä"}\n'
    assert moment(None) == ""


ATTACK = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202eevil"


def test_no_field_commands_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    console().print(table("centres", ("centre", "why~"), [(ATTACK, ATTACK)]))
    console().print(facts("", [("centre", ATTACK)]))
    console().print(Text(ATTACK))
    errors().print(f"[bold]{ATTACK}[/]", soft_wrap=True)
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert r"\x1b]0;owned" in text
        assert not set(text) & set("\x1b\x07\x9b\u202e")


def test_json_keeps_its_meaning_and_shows_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"centre": ATTACK})
    text = capsys.readouterr().out
    assert json.loads(text) == {"centre": ATTACK}
    assert not set(text) & set("\x1b\x07\x9b\u202e")


def test_an_error_message_is_shown_escaped() -> None:
    assert visible(f"bad centre {ATTACK}\n") == r"bad centre \x1b[2J\x1b]0;owned\x07 \x9b31m \u202eevil" + "\n"
