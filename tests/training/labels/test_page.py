"""The example in docs/labels.md shows the command's real output."""

from pathlib import Path

from tests.training.labels.making import curate
from training.labels.report import write
from training.labels.sources import read

PAGE = Path(__file__).parents[3] / "docs" / "labels.md"


def test_the_example_on_the_page_is_correct(tmp_path: Path) -> None:
    sample, shown = PAGE.read_text(encoding="utf-8").split("## A sample")[1].split("```")[1:]
    source = tmp_path / "sample.csv"
    source.write_text(sample.strip() + "\n", encoding="utf-8")
    write(tmp_path / "labels", curate(read(source)), [])
    report = (tmp_path / "labels" / "report.md").read_text(encoding="utf-8")
    lines = [line.removeprefix("> ") for line in shown.splitlines() if line.startswith("> ") and line != "> […]"]
    assert len(lines) > 20
    assert [line for line in lines if line not in report.splitlines()] == []
