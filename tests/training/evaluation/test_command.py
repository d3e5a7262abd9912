import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from services.cli.train.evaluate import app
from tests.training.evaluation.cohort import origin, predictions
from training.evaluation.parquet import save
from training.evaluation.summary import HEADER

PNG = b"\x89PNG\r\n\x1a\n"


def _run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("predictions")
    paths = []
    for number, (model, views, seed) in enumerate(
        [("convnext", "MV", 1), ("convnext", "MV", 2), ("convnext", "MV", 3), ("convnext", "DV", 1)]
    ):
        made = predictions(1.5, specimens=200, noise_seed=number, origin=origin(model, views, seed))
        paths.append(folder / f"{number}.parquet")
        save(made, paths[-1])
    return paths


@pytest.fixture(scope="module")
def report(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "made" / "here"
    code, output = _run(*files, "--out", out)
    assert code == 0, output
    assert "convnext small MV level 1: 0." in output
    return out


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_folder_holds_a_report_a_table_and_every_figure_that_the_report_shows(report: Path) -> None:
    content = _content(report)
    text = content["report.md"].decode()
    shown = set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text))
    assert shown == {name for name in content if name.endswith(".png")}
    assert shown == {
        "level-means.png", "inputs.png", "abstention.png", "roc.png", "reliability.png", "centres.png", "severity.png",
        "confusion.png",
    }  # fmt: skip
    assert all(content[name].startswith(PNG) and len(content[name]) < 200_000 for name in shown)
    assert set(content) == shown | {"report.md", "auc.csv"}


def test_the_report_shows_our_results_next_to_the_papers_and_states_that_the_data_differ(report: Path) -> None:
    text = (report / "report.md").read_text(encoding="utf-8")
    assert "**The data differ.**" in text
    assert "convnext, ours (3 seeds) | convnext, paper" in text
    row = re.search(
        r"^\| Spine \| 100 \| 0\.\d{3} ± 0\.\d{3} \(0\.\d{3} to [01]\.\d{3}\) \| 0\.991 \|$", text, re.MULTILINE
    )
    assert row, text
    assert "200 test specimens of 4 centres: 100 abnormal, 100 normal." in text
    assert "WTSI (not in training)" in text
    assert "nan" not in text


def test_the_table_is_read_by_its_columns(report: Path) -> None:
    with (report / "auc.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == HEADER
    assert {(row["input"], row["seeds"]) for row in rows} == {("MV", "3"), ("DV", "1")}


def test_the_same_files_in_any_order_give_the_same_folder(files: list[Path], report: Path, tmp_path: Path) -> None:
    before = _content(report)
    code, _ = _run(*reversed(files), "--out", tmp_path)
    assert code == 0
    assert _content(tmp_path) == before


def test_pictures_of_an_earlier_report_are_removed(files: list[Path], report: Path, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("![Old](roc-old.png)\n![Far](../far.png)\n", encoding="utf-8")
    for name in ("roc-old.png", "mine.png"):
        (tmp_path / name).write_bytes(PNG)
    code, _ = _run(*files, "--out", tmp_path)
    assert code == 0
    assert set(_content(tmp_path)) == set(_content(report)) | {"mine.png"}


def test_an_interrupted_run_keeps_an_earlier_report(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.report.folder.page", stop)
    (tmp_path / "report.md").write_text("![Means](level-means.png)\n![Old](roc-old.png)\n", encoding="utf-8")
    for name in ("level-means.png", "roc-old.png"):
        (tmp_path / name).write_bytes(PNG)
    before = _content(tmp_path)
    code, _ = _run(files[3], "--out", tmp_path)
    assert code == 130
    assert _content(tmp_path) == before


def test_unknown_severity_and_missing_labels_are_left_out_of_the_report(tmp_path: Path) -> None:
    made = predictions(specimens=200)
    known = made.known.copy()
    known[::7, 4] = False
    known[3, 0] = False
    save(replace(made, known=known, severity=np.full(200, np.nan)), tmp_path / "p.parquet")
    code, output = _run(tmp_path / "p.parquet", "--out", tmp_path / "out")
    assert code == 0, output
    assert not list((tmp_path / "out").glob("severity*"))
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "1 not scored." in text
    assert "### Severity" not in text


def test_files_that_do_not_belong_together_are_refused_and_nothing_is_written(
    files: list[Path], tmp_path: Path
) -> None:
    code, output = _run(files[0], files[0], "--out", tmp_path / "out")
    assert code == 1
    assert "two files hold convnext small MV, seed 1" in output
    assert "same_run_twice" in output
    assert not (tmp_path / "out").exists()


def test_a_label_without_positives_is_named(tmp_path: Path) -> None:
    made = predictions(specimens=60)
    labels = made.labels.copy()
    labels[:, 9] = 0
    save(replace(made, labels=labels), tmp_path / "p.parquet")
    code, output = _run(tmp_path / "p.parquet", "--out", tmp_path / "out")
    assert (code, "Shape has no positive specimen" in output) == (1, True)


def test_a_file_in_place_of_the_folder_is_reported(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    code, output = _run(files[3], "--out", tmp_path / "out")
    assert code == 1
    assert "error" in output


def test_help_teaches() -> None:
    code, output = _run("--help")
    assert code == 0
    assert "Example: xray train evaluate" in output
    assert "report.md" in output
