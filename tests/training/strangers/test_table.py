"""The table of strangers keeps what is not measured again."""

import math
from pathlib import Path

import pytest

from training.metrics.ranking import Estimate
from training.strangers.table import BEGIN, END, Row, as_csv, as_markdown, merged, read_csv, update_page


def row(name: str, value: float) -> Row:
    return Row(name, "set with controls", "AUC level 1", Estimate(value, value - 0.1, value + 0.1), 300, "0.85", "0.95")


def test_rows_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "strangers.csv"
    rows = [row("own", 0.9), row("foreign", 0.5), row("empty", math.nan)]
    path.write_text(as_csv(rows), encoding="utf-8")
    found = read_csv(path)
    assert [one.row for one in found] == ["own", "foreign", "empty"]
    assert found[0].estimate == Estimate(0.9, 0.8, 1.0)
    assert math.isnan(found[2].estimate.value)
    assert read_csv(tmp_path / "missing.csv") == []


def test_a_group_that_is_measured_again_replaces_its_rows_in_place() -> None:
    old = [row("own", 0.9), row("own", 0.8), row("foreign", 0.5)]
    assert merged(old, [row("own", 0.7)]) == [row("own", 0.7), row("foreign", 0.5)]
    assert merged(old, [row("shifts", 0.6)]) == [*old, row("shifts", 0.6)]


def test_the_page_is_replaced_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "evaluation.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    update_page(page, [row("own", 0.9)])
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert as_markdown([row("own", 0.9)]) in text
    assert text.startswith("before")
    assert text.endswith("after\n")
    page.write_text("no markers", encoding="utf-8")
    with pytest.raises(ValueError, match="has no markers"):
        update_page(page, [])
