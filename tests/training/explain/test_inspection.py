import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from services.cli.train.evaluate import app
from services.common.errors import Rejected
from tests.training.explain.folder import EPOCHS, SPECIMENS, make_run
from training.evaluation.parquet import load
from training.explain.features import draw_maps
from training.explain.inspection import InspectedModel
from training.explain.run_folder import RunFolder
from training.markdown import render
from training.plots.style import drawing
from training.report.folder import inside_text
from training.train.checkpoint import best_epoch, recorded_epochs


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
def test_a_run_folder_gives_a_report_that_inspects_the_models_whose_weights_are_present(report: Path) -> None:
    text = (report / "report.md").read_text(encoding="utf-8")
    assert re.findall("^## Inside (.*)$", text, re.MULTILINE) == ["cae small MV, seed 1"]
    for section in ("Heat on the altered bones", "Reconstruction", "Centre from the features", "Feature maps"):
        assert f"### {section}" in text
    assert re.search(r"^\| Abnormal \| 15 \| 0\.\d{3} \| 0\.\d{3} \| .* \| 0\.\d{3} \(0\.\d{3} to", text, re.MULTILINE)
    assert re.search(r"^\| kyphosis \| 15 \|", text, re.MULTILINE)
    assert "| best epoch (smallest validation loss) | 2 |" in text
    assert "| minutes of simulation | 4.5 |" in text
    assert "| paper (other data) |  | 0.00139 ± 0.00040 | 0.9204 ± 0.0203 |" in text


@pytest.mark.integration
def test_every_picture_that_the_report_shows_is_there(report: Path) -> None:
    shown = set(re.findall(r"\]\(([^)]+\.png)\)", (report / "report.md").read_text(encoding="utf-8")))
    assert shown == {path.name for path in report.glob("*.png")}
    assert {
        "heat-cae-small-mv-seed-1.png", "maps.png", "learning.png", "reconstruction.png", "kinds.png",
    } <= shown  # fmt: skip


@pytest.mark.integration
def test_models_stay_closed_when_asked(run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(run), "--out", str(tmp_path), "--no-inside"])
    assert result.exit_code == 0, result.output
    assert "## Inside" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_weights_without_a_record_of_their_training_are_marked() -> None:
    taken = InspectedModel("cae", heat=(), reconstruction=None, centre=None, epochs=(), summary=None)
    assert "keeps no record of their epochs" in render("training.report", "inside.md.j2", model=inside_text(taken))


def test_pictures_preserve_rare_colours(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    greys = np.repeat(np.linspace(0, 1, 240)[:, np.newaxis, np.newaxis], 240, axis=1).repeat(3, axis=2)
    greys[100:106, 100:106] = (1, 1, 0)
    with drawing(path, "") as axes:
        axes[0].imshow(greys)
    with Image.open(path) as picture:
        assert picture.mode == "P"
        drawn = np.asarray(picture.convert("RGB")).astype(int)
    yellow = (np.abs(drawn - (255, 255, 0)).max(axis=2) < 24).sum()
    assert yellow > 20


def test_specimens_come_in_the_order_of_the_predictions(run: Path) -> None:
    predictions = load(run / "predictions-cae.parquet")
    trained = RunFolder(run).open("cae", predictions)
    assert np.array_equal(trained.test.labels, predictions.labels)
    assert trained.test.centres == predictions.centres
    bright = trained.test.images[trained.test.rows][:, 25, 30, 0] == 240
    assert np.array_equal(bright, predictions.labels[:, 0] == 1)


def test_a_training_set_of_other_specimens_is_refused(run: Path) -> None:
    predictions = load(run / "predictions-cae.parquet")
    other = replace(predictions, specimens=tuple(f"X{number}" for number in range(SPECIMENS)))
    with pytest.raises(Rejected, match="not those of the predictions"):
        RunFolder(run).open("cae", other)
    with pytest.raises(Rejected, match="holds no training set"):
        RunFolder(run, run / "cae").open("cae", predictions)


def test_a_model_that_cannot_be_opened_is_reported_before_anything_is_written(tmp_path: Path) -> None:
    run, out = make_run(tmp_path / "demo"), tmp_path / "report"
    shutil.rmtree(run / "data")
    out.mkdir()
    old = {"report.md": b"![Old](roc-old.png)\n", "roc-old.png": b"a picture"}
    for name, data in old.items():
        (out / name).write_bytes(data)
    result = CliRunner().invoke(app, [str(run), "--out", str(out)], env={"COLUMNS": "300"})
    assert result.exit_code == 1
    assert "no_training_set" in result.output
    assert {path.name: path.read_bytes() for path in out.iterdir()} == old


def test_a_run_that_continued_another_is_opened_with_its_specimens_at_its_own_resolution(tmp_path: Path) -> None:
    run, larger = make_run(tmp_path / "small"), tmp_path / "small-448"
    shutil.copytree(run / "cae", larger / "cae")
    predictions = load(run / "predictions-cae.parquet")
    described = predictions.origin.model_copy(update={"config": "small-448"})
    trained = RunFolder(larger).open("cae", replace(predictions, origin=described))
    assert trained.test.images.shape[1:] == (448, 448, 3)
    # Pictures that are only read from disk: torch warns of them, and a warning fails the test.
    draw_maps(tmp_path / "maps.png", trained)
    assert np.array_equal(trained.test.labels, predictions.labels)
    assert RunFolder(run).open("cae", predictions).test.images.shape[1:] == (64, 64, 3)


def test_a_consensus_and_single_view_runs_have_no_model_to_open(run: Path) -> None:
    folder = RunFolder(run)
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
    assert "has its training finished?" in result.output
