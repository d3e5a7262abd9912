from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from services.common.errors import Rejected
from tests.training.evaluation.opened.folder import EPOCHS, SPECIMENS, make_run
from training.evaluation.command import app
from training.evaluation.history.epochs import best_epoch, recorded_epochs
from training.evaluation.opened.run import RunFolder
from training.evaluation.parquet import load


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture(scope="module")
def report(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    result = CliRunner().invoke(app, [str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.integration
def test_a_run_folder_gives_a_report_that_looks_inside_the_models_whose_weights_are_there(report: Path) -> None:
    text = (report / "report.md").read_text(encoding="utf-8")
    assert re.findall("^## Inside (.*)$", text, re.MULTILINE) == ["cae small MV, seed 1"]
    for section in ("Heat on the altered bones", "Reconstruction", "Centre from the features", "Feature maps"):
        assert f"### {section}" in text
    assert re.search(r"^\| Abnormal \| 15 \| 0\.\d{3} \| 0\.\d{3} \| .* \| 0\.\d{3} \(0\.\d{3} to", text, re.MULTILINE)
    assert re.search(r"^\| kyphosis \| 15 \|", text, re.MULTILINE)
    assert "| best epoch (smallest validation loss) | 2 |" in text
    assert "| minutes of simulating them | 4.5 |" in text
    assert "| paper (other data) |  | 0.00139 ± 0.00040 | 0.9204 ± 0.0203 |" in text


@pytest.mark.integration
def test_every_picture_that_the_report_shows_is_there(report: Path) -> None:
    shown = set(re.findall(r"\]\(([^)]+\.png)\)", (report / "report.md").read_text(encoding="utf-8")))
    assert shown == {path.name for path in report.glob("*.png")}
    kinds = {re.sub(r"-(convnext|cae)-small.*", "", name) for name in shown}
    assert {"heat-spine", "heat-abnormal", "maps", "learning", "rebuilt", "rebuilt-examples", "kinds"} <= kinds


@pytest.mark.integration
def test_models_stay_closed_when_asked(run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(run), "--out", str(tmp_path), "--no-inside"])
    assert result.exit_code == 0, result.output
    assert "## Inside" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_specimens_come_in_the_order_of_the_predictions(run: Path) -> None:
    predictions = load(run / "predictions-cae.parquet")
    trained = RunFolder(run, run / "data").open("cae", predictions)
    assert np.array_equal(trained.test.labels, predictions.labels)
    assert trained.test.centres == predictions.centres
    bright = trained.test.images[trained.test.rows][:, 25, 30, 0] == 240
    assert np.array_equal(bright, predictions.labels[:, 0] == 1)


def test_a_training_set_of_other_specimens_is_refused(run: Path) -> None:
    predictions = load(run / "predictions-cae.parquet")
    other = replace(predictions, specimens=tuple(f"X{number}" for number in range(SPECIMENS)))
    with pytest.raises(Rejected, match="not those of the predictions"):
        RunFolder(run, run / "data").open("cae", other)
    with pytest.raises(Rejected, match="holds no training set"):
        RunFolder(run, run / "cae").open("cae", predictions)


def test_a_consensus_and_single_views_have_nothing_to_open(run: Path) -> None:
    folder = RunFolder(run, run / "data")
    predictions = load(run / "predictions-cae.parquet")
    assert folder.can_open(predictions)
    for change in ({"model": "consensus"}, {"model": "convnext"}, {"input": "DV"}):
        assert not folder.can_open(replace(predictions, origin=predictions.origin.model_copy(update=change)))


def test_epochs_are_read_from_the_checkpoint(run: Path, tmp_path: Path) -> None:
    assert recorded_epochs(run / "cae") == EPOCHS
    assert best_epoch(EPOCHS) == 2
    assert recorded_epochs(tmp_path) == ()


def test_a_folder_without_predictions_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path), "--out", str(tmp_path / "out")], env={"COLUMNS": "300"})
    assert result.exit_code == 1
    assert "has its training ended?" in result.output
