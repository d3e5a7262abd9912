"""Tables at 80 columns, in a pipe and empty; names that must be known; messages with measured values."""

import io
from datetime import UTC, datetime

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from services.cli.calls.lineage import described, explained, waiting_at_intake
from services.cli.main import app
from services.cli.options import require_known
from services.cli.output import Sheet, console, facts, table
from services.ledger.queries import CallRecord, ImageRecord, RejectionSummary, SpecimenHistory
from services.monitor.settings import MonitorSettings
from services.operations.replay import REASONS
from services.operations.statistics import next_close
from tests.ledger.examples import NOON, call, image, view

DIGEST = "0123456789abcdef" * 4


def drawn(sheet: object, width: int) -> list[str]:
    target = Console(file=io.StringIO(), width=width)
    target.print(sheet)
    assert isinstance(target.file, io.StringIO)
    return [line.rstrip() for line in target.file.getvalue().splitlines()]


def rejected(**fields: object) -> RejectionSummary:
    given = {
        "rejection_id": DIGEST, "stage": "intake", "reason": "too_dark", "words": "the animal is lost in noise",
        "biological_sample_id": "m", "centre": "JAX", "image_event_id": None, "source_topic": "xray.images",
        "source_partition": 0, "source_offset": 1, "original_bytes": 1, "produced_at": NOON, "recorded_at": NOON,
    }  # fmt: skip
    return RejectionSummary(**(given | fields))  # type: ignore[arg-type]


def sheet() -> Sheet:
    rows = [("m-1", DIGEST[:12], "a sentence of several words that may wrap", 3), ("[red]m-2", None, "", 12)]
    return table("Things", ("specimen", "id", "message~", "count#"), rows)


def test_a_table_that_fits_is_a_table_and_shows_markup_as_text() -> None:
    lines = drawn(sheet(), 80)
    assert lines[0] == "Things"
    assert any("m-1" in line and DIGEST[:12] in line and line.endswith("3") for line in lines)
    assert any("[red]m-2" in line for line in lines)


def test_only_running_text_wraps() -> None:
    lines = drawn(sheet(), 60)
    assert any(DIGEST[:12] in line for line in lines)
    assert not any("may wrap" in line and "a sentence" in line for line in lines)


def test_a_table_that_does_not_fit_becomes_lines() -> None:
    lines = drawn(sheet(), 40)
    assert f"id: {DIGEST[:12]}" in lines
    assert "count: 12" in lines
    assert "message: " not in lines


def test_an_empty_table_says_so() -> None:
    assert drawn(table("0 things", ("a",), []), 80) == ["0 things: none"]


def test_in_a_pipe_no_line_is_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(table("", ("key", "message~"), [(DIGEST, "word " * 100)]))
    assert any(DIGEST in line and line.count("word") == 100 for line in capsys.readouterr().out.splitlines())


def test_facts_are_lines_of_key_and_value() -> None:
    assert drawn(facts("Lineage", [("tensor", "a/b [c]"), ("empty", None), ("activation", 3)]), 80)[:3] == [
        "Lineage",
        "tensor: a/b [c]",
        "activation: 3",
    ]


@pytest.mark.parametrize("full", [False, True])
def test_the_page_of_a_call_breaks_no_digest_at_80_columns(full: bool) -> None:
    images = (ImageRecord("DV", NOON, 0, 0, image("m", metadata={"file_name": "0_DV.png"})),)
    one = call("m")
    history = SpecimenHistory(None, images, (view("m"),), (CallRecord(1, NOON, True, one),), ())
    lines = [line for part in described(history, full=full) for line in drawn(part, 80)]
    if full:
        assert f"call: {one.call_id}" in lines
    else:
        assert f"call: {one.call_id[:12]}" in lines
        assert not any(one.call_id[:13] in line for line in lines)


def test_an_unknown_name_is_wrong_usage_with_those_close_to_it() -> None:
    require_known("JAX", {"JAX", "TCP"}, "centre", "--centre")
    require_known(None, set(), "centre", "--centre")
    with pytest.raises(typer.BadParameter, match=r"'Jax' is unknown; did you mean JAX\?"):
        require_known("Jax", {"JAX", "TCP"}, "centre", "--centre")
    with pytest.raises(typer.BadParameter, match=r"known are JAX, TCP"):
        require_known("nowhere", {"TCP", "JAX"}, "centre", "--centre")
    with pytest.raises(typer.BadParameter, match=r"did you mean digest_mismatch"):
        require_known("digest_missmatch", REASONS, "reason code", "--reason")
    with pytest.raises(typer.BadParameter, match=r"known are none yet"):
        require_known("JAX", set(), "centre", "--centre")


def test_a_rejection_is_explained_with_measured_value_and_limit() -> None:
    details = {"score": "signal_to_noise", "value": 2.345678, "limit": 4.0, "traceback": "x", "flag": True}
    assert explained(rejected(details=details)) == "the animal is lost in noise (signal_to_noise 2.346, limit 4)"
    assert explained(rejected(words="has 9 bytes", details={"bytes": 9})) == "has 9 bytes"


def test_an_image_without_view_and_rejection_waits_at_intake() -> None:
    seen, waits, skull = image("m", "seen"), image("m", "waits"), image("m", "skull")
    refused = image("m", "refused")
    images = tuple(
        ImageRecord(kind, NOON, 0, number, event)
        for number, (kind, event) in enumerate([("DV", seen), ("DV", waits), ("other", skull), ("LAT", refused)])
    )
    rejection = rejected(image_event_id=refused.event_id)
    views = (view("m", "DV", "0", image_event_id=seen.event_id),)
    history = SpecimenHistory(None, images, views, (), (rejection,))
    assert [one.event for one in waiting_at_intake(history)] == [waits]
    page = "\n".join(line for part in described(history) for line in drawn(part, 200))
    for outcome in ("view after", "waiting at intake", "skipped", "rejected: too_dark"):
        assert outcome in page


def test_the_next_window_closes_after_its_end_and_grace() -> None:
    settings = MonitorSettings()
    closes, windows = next_close(settings).timestamp(), settings.windows()
    present = datetime.now(UTC).timestamp()
    assert present < closes <= present + windows.length
    assert (closes - windows.grace) % windows.length == 0


def test_what_is_not_a_duration_is_wrong_usage() -> None:
    answer = CliRunner().invoke(app, ["calls", "--since", "soon"], env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert "'soon' is not a duration" in answer.stderr
