"""A whole study on an existing training set: train, evaluate, predictions, report; then a second time."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from services.cli.train import experiments
from services.cli.train.models import app as train
from services.registry.inspect import inspect
from services.registry.repository import ModelRepository
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder, SpecimenArrays, StoredSpecimen
from training.evaluation.parquet import load
from training.experiments.variants import bone_heads_of, variants_of
from training.explain.heat import layers_of
from training.explain.run_folder import RunFolder
from training.models.registry import BACKBONES, build_backbone
from training.simulation.bone_truth import CHANNELS, SIDE
from training.simulation.centres import CENTRES, UNSEEN_CENTRES
from training.train.checkpoint import write_final
from training.train.configuration import CONFIGURATIONS
from training.train.run import TrainingRun, training_recipe, unseen_recipe

pytestmark = pytest.mark.integration

app, variants = typer.Typer(), typer.Typer()
app.command()(experiments.study)
variants.command()(experiments.variants)

SPECIMENS = 900
BALANCED = 500
TINY = replace(
    CONFIGURATIONS["small"],
    name="tiny",
    specimens=SPECIMENS,
    balanced=BALANCED,
)
CONTINUED = replace(TINY, name="tiny-on", training_set="tiny", start="tiny")
LARGER = replace(CONTINUED, name="tiny-448", side=CONFIGURATIONS["small-448"].side)
TENSOR = replace(TINY, name="tiny-tensor", size="small-tensor", training_set="tiny")


def _fill(folder: Path, recipe: Recipe) -> None:
    """A finished set: true labels, and pictures of noise. Most specimens have no pictures, because training is slow."""
    store = SetFolder(folder, recipe)
    random = np.random.default_rng(0)
    shapes = (224, 224, 3), (2, 448, 448), (2, len(CHANNELS), SIDE, SIDE)
    counts: Counter[tuple[str, int, int]] = Counter()
    for index in range(recipe.specimens):
        specimen = recipe.specimen(index)
        labels = (specimen.level1, *specimen.call)
        part = recipe.part(index, specimen.biological_sample_id)
        seen = [(part, column, label) for column, label in enumerate(labels) if column == 0 or labels[0]]
        usable = not specimen.abnormal_elsewhere and any(counts[one] < 2 for one in seen)
        pictures = SpecimenArrays(*(random.integers(0, 256, size=shape, dtype=np.uint8) for shape in shapes))
        refused = "" if usable else "blank"
        digest = hashlib.sha256(pictures.tensor.tobytes()).hexdigest() if usable else ""
        entry = StoredSpecimen(index, specimen.biological_sample_id, specimen.centre, labels, digest, refused)
        store.add(entry, pictures if usable else None)
        counts.update(seen if usable else ())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of runs whose training sets are finished."""
    folder = tmp_path_factory.mktemp("runs")
    _fill(folder / "tiny" / "data", training_recipe(TINY))
    _fill(folder / "tiny" / "data-unseen", unseen_recipe(TINY))
    with pytest.MonkeyPatch.context() as patch:
        for one in (TINY, CONTINUED, LARGER, TENSOR):
            patch.setitem(CONFIGURATIONS, one.name, one)
            for spec in BACKBONES.values():
                patch.setitem(spec.plans, one.name, replace(spec.plan("small"), epochs=1))
        yield folder


def _tiny(runs: Path, *options: str, config: str = "tiny") -> list[str]:
    return ["--config", config, "--threads", "1", "--folder", str(runs), *options]


def _link_data(runs: Path, folder: Path) -> None:
    (folder / "tiny").mkdir()
    for part in ("data", "data-unseen"):
        (folder / "tiny" / part).symlink_to(runs / "tiny" / part)


def _check_that_nothing_is_trained_over_taken_weights(folder: Path) -> None:
    final = folder / "tiny" / "convnext" / "final.ckpt"
    taken = final.read_bytes()
    refused = CliRunner().invoke(train, _tiny(folder))
    assert refused.exit_code != 0
    assert "holds weights that were taken from a model repository" in refused.output
    assert f"or remove {final}" in refused.output
    assert (final.read_bytes(), (final.parent / "last.ckpt").exists()) == (taken, False)
    heads = CliRunner().invoke(app, _tiny(folder, "--heads-only", "--seeds", "1", "--input", "MV"))
    assert heads.exit_code == 0, heads.output
    continued = TrainingRun(CONTINUED, folder / "tiny-on" / "share-0.99", folder, share=0.99)
    continued.train("convnext", continued.make_data())
    assert (continued.folder / "convnext" / "last.ckpt").exists()


def _files(run: Path) -> dict[str, int]:
    return _times(run, "predictions-*.parquet")


def _times(folder: Path, pattern: str = "*") -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.glob(pattern)}


def test_a_study_trains_evaluates_and_repeats_nothing(runs: Path) -> None:
    command = _tiny(runs, "--seeds", "1", "--input", "LAT")
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    run = runs / "tiny" / "study" / "LAT-1"
    files = _files(run)
    assert sorted(files) == [f"predictions-{name}.parquet" for name in ("cae", "consensus", "convnext")]
    predictions = load(run / "predictions-convnext.parquet")
    assert (predictions.origin.input, predictions.origin.seed) == ("LAT", 1)
    assert set(predictions.centres) & set(UNSEEN_CENTRES)
    assert set(predictions.centres) & set(CENTRES)
    balanced = load(run / "balanced" / "predictions-convnext.parquet")
    assert not set(balanced.specimens) & set(predictions.specimens)
    assert CliRunner().invoke(app, command).exit_code == 0
    assert files == _files(run)


def test_heads_only_trains_one_body_and_heads_for_each_seed_and_input(runs: Path) -> None:
    command = _tiny(runs, "--seeds", "2", "--input", "DV", "--input", "MV")
    done = CliRunner().invoke(app, [*command, "--heads-only"])
    assert done.exit_code == 0, done.output
    tiny = runs / "tiny"
    made = {path.parent.name for path in tiny.glob("study/*/predictions-cae.parquet")} - {"LAT-1"}
    assert made == {"DV-1", "DV-2", "MV-2"}
    assert (tiny / "cae" / "final.ckpt").exists()
    left_out = load(tiny / "study" / "centre-left-out" / "predictions-cae-centre-left-out.parquet")
    assert left_out.origin.baseline
    assert left_out.specimens == load(tiny / "predictions-cae.parquet").test_part().specimens
    served = [load(tiny / part / "predictions-cae.parquet").served for part in (".", "study/MV-2", "study/DV-2")]
    assert not np.array_equal(served[0], served[1])
    assert not np.array_equal(served[1], served[2])
    files = _files(tiny / "study" / "MV-2")
    assert CliRunner().invoke(app, [*command, "--heads-only"]).exit_code == 0
    assert files == _files(tiny / "study" / "MV-2")


def test_variants_lead_from_the_papers_protocol_to_what_is_served(runs: Path, tmp_path: Path) -> None:
    table = tmp_path / "variants.csv"
    command = _tiny(runs, "--seeds", "1", "--out", str(table))
    done = CliRunner().invoke(variants, command)
    assert done.exit_code == 0, done.output
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["level"] for row in rows] == ["1", "2", "3"] * (len(rows) // 3)
    for name in BACKBONES:
        each = [row["variant"] for row in rows if row["model"] == name]
        assert list(dict.fromkeys(each)) == [variant.name for variant in variants_of(bone_heads_of(name, TINY.size))]
    assert all(0 <= float(row["auc_mean"]) <= 1 for row in rows)
    assert len({row["auc_mean"] for row in rows if row["model"] == "convnext" and row["level"] == "3"}) > 3
    kept = _times(runs / "tiny" / "variants")
    assert len(kept) == len(rows) / 3
    lost, *others = kept
    (runs / "tiny" / "variants" / lost).unlink()
    before = table.read_bytes()
    assert CliRunner().invoke(variants, command).exit_code == 0
    assert table.read_bytes() == before
    after = _times(runs / "tiny" / "variants")
    assert {name: after[name] for name in others} == {name: kept[name] for name in others}
    assert after[lost] > kept[lost]


def test_models_trained_on_a_share_are_exported_to_a_separate_folder(runs: Path) -> None:
    done = CliRunner().invoke(train, _tiny(runs, "--share", "0.99", "--version", "2"))
    assert done.exit_code == 0, done.output
    own = runs / "tiny" / "share-0.99"
    learnt = json.loads((own / "metrics.json").read_text(encoding="utf-8"))["specimens"]
    data = SetFolder(runs / "tiny" / "data", training_recipe(TINY))
    assert learnt["train"] == int(len(data.subset("train")) * 0.99)
    assert learnt["test"] == len(data.subset("test"))
    for name in BACKBONES:
        card = inspect(ModelRepository(own / "model_repository"), name, 2).card
        assert card.data == "99% of 900 specimens simulated from seed 2000000000"


def test_bodies_of_a_repository_are_evaluated_unchanged_and_replace_no_others(runs: Path, tmp_path: Path) -> None:
    repository, trained = tmp_path / "repository", runs / "tiny"
    assert CliRunner().invoke(train, _tiny(runs, "--repository", str(repository))).exit_code == 0
    _link_data(runs, tmp_path)
    command = ["--heads-only", "--bodies", str(repository), "--seeds", "1", "--input", "MV"]
    done = CliRunner().invoke(app, _tiny(tmp_path, *command))
    assert done.exit_code == 0, done.output
    taken, own = (load(run / "predictions-convnext.parquet") for run in (tmp_path / "tiny", trained))
    # The repository keeps weights in 16 bits.
    np.testing.assert_allclose(taken.served, own.served, atol=0.01)
    assert not (tmp_path / "tiny" / "study" / "MV-1").exists()
    _check_that_nothing_is_trained_over_taken_weights(tmp_path)
    others = tmp_path / "tiny" / "cae"
    write_final(others, build_backbone("cae", "small"))
    kept = (others / "final.ckpt").read_bytes()
    refused = CliRunner().invoke(app, _tiny(tmp_path, *command))
    assert refused.exit_code != 0
    assert "has its own trained cae" in refused.output.replace("\n", " ")
    assert (others / "final.ckpt").read_bytes() == kept


def test_models_of_higher_resolution_continue_the_trained_ones_and_are_stored_separately(runs: Path) -> None:
    done = CliRunner().invoke(train, _tiny(runs, config="tiny-448"))
    assert done.exit_code == 0, done.output
    own = runs / "tiny-448"
    assert not (own / "data").exists()
    larger, coarse = (load(run / "predictions-cae.parquet") for run in (own, runs / "tiny"))
    assert (larger.origin.config, larger.specimens) == ("tiny-448", coarse.specimens)
    assert not np.array_equal(larger.served, coarse.served)
    for name in BACKBONES:
        assert inspect(ModelRepository(own / "model_repository"), name, 1).card.tensor_side == 448


def test_a_study_of_models_that_continue_others_finds_those(runs: Path) -> None:
    done = CliRunner().invoke(app, _tiny(runs, "--seeds", "1", "--input", "LAT", config="tiny-on"))
    assert done.exit_code == 0, done.output
    predictions = load(runs / "tiny-on" / "study" / "LAT-1" / "predictions-convnext.parquet")
    assert (predictions.origin.config, predictions.origin.input) == ("tiny-on", "LAT")


@pytest.mark.parametrize("options", [(), ("--share", "0.99")])
def test_models_to_continue_that_were_not_trained_are_named(
    runs: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    _link_data(runs, tmp_path)
    refused = CliRunner().invoke(train, _tiny(tmp_path, *options, config="tiny-on"))
    assert refused.exit_code != 0
    assert f"{tmp_path / 'tiny' / 'convnext'} holds no weights" in refused.output
    assert "first `xray train models --config tiny`" in refused.output
    assert "not_trained" in refused.output


def test_the_convnext_on_the_tensor_is_trained_on_the_specimens_of_another_and_stored_separately(runs: Path) -> None:
    before = _times(runs / "tiny" / "convnext")
    done = CliRunner().invoke(train, _tiny(runs, config="tiny-tensor"))
    assert done.exit_code == 0, done.output
    own = runs / "tiny-tensor"
    assert not (own / "data").exists()
    assert _times(runs / "tiny" / "convnext") == before
    card = inspect(ModelRepository(own / "model_repository"), "convnext", 1).card
    assert card.architecture == "convnext_atto on the fused tensor"
    predictions = load(own / "predictions-convnext.parquet")
    assert predictions.specimens == load(runs / "tiny" / "predictions-convnext.parquet").specimens
    trained = RunFolder(own).open("convnext tiny-tensor", predictions.test_part())
    assert [layer.key for layer in layers_of(trained.backbone)] == ["last-stage"]
    refused = CliRunner().invoke(variants, _tiny(runs, "--out", str(own / "variants.csv"), config="tiny-tensor"))
    assert refused.exit_code != 0
    assert "no_bone_heads" in refused.output
