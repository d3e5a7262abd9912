"""The whole way of a study, on a training set that was made before: train, judge, predictions, report; then again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from training.data.bone_truth import CHANNELS, SIDE
from training.data.recipe import Recipe
from training.data.store import Entry, Pictures, SetFolder
from training.evaluation.parquet import load
from training.fit.plan import CONFIGURATIONS
from training.phantom.centres import CENTRES, UNSEEN_CENTRES
from training.run import UNSEEN_SPECIMENS
from training.study import app

pytestmark = pytest.mark.integration

SPECIMENS = 900
BALANCED = 500
TINY = replace(
    CONFIGURATIONS["small"],
    name="tiny",
    specimens=SPECIMENS,
    balanced=BALANCED,
    convnext=replace(CONFIGURATIONS["small"].convnext, epochs=1),
    cae=replace(CONFIGURATIONS["small"].cae, epochs=1),
)


def _fill(folder: Path, recipe: Recipe) -> None:
    """A set that is done: true labels, pictures of noise, and of most specimens none, because training them is slow."""
    store = SetFolder(folder, recipe)
    random = np.random.default_rng(0)
    shapes = (224, 224, 3), (2, 448, 448), (2, len(CHANNELS), SIDE, SIDE)
    counts: Counter[tuple[str, int, int]] = Counter()
    for index in range(recipe.specimens):
        specimen = recipe.specimen(index)
        labels = (specimen.level1, *specimen.call)
        part = recipe.part(index, specimen.biological_sample_id)
        seen = [(part, column, label) for column, label in enumerate(labels) if column == 0 or labels[0]]
        wanted = not specimen.abnormal_elsewhere and any(counts[one] < 2 for one in seen)
        pictures = Pictures(*(random.integers(0, 256, size=shape, dtype=np.uint8) for shape in shapes))
        refused = "" if wanted else "blank"
        digest = hashlib.sha256(pictures.tensor.tobytes()).hexdigest() if wanted else ""
        entry = Entry(index, specimen.biological_sample_id, specimen.centre, labels, digest, refused)
        store.add(entry, pictures if wanted else None)
        counts.update(seen if wanted else ())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of runs whose training sets are done."""
    folder = tmp_path_factory.mktemp("runs")
    _fill(folder / "tiny" / "data", Recipe(specimens=SPECIMENS, balanced=BALANCED, first_seed=TINY.first_seed))
    unseen = Recipe(specimens=UNSEEN_SPECIMENS, first_seed=TINY.first_seed, unseen=True)
    _fill(folder / "tiny" / "data-unseen", unseen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CONFIGURATIONS, "tiny", TINY)
        yield folder


def _files(run: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in run.glob("predictions-*.parquet")}


def test_study_trains_judges_and_does_nothing_twice(runs: Path) -> None:
    command = ["--config", "tiny", "--folder", str(runs), "--seeds", "1", "--input", "LAT"]
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
    command = ["--config", "tiny", "--folder", str(runs), "--seeds", "2", "--input", "DV", "--input", "MV"]
    done = CliRunner().invoke(app, [*command, "--heads-only"])
    assert done.exit_code == 0, done.output
    tiny = runs / "tiny"
    made = {path.parent.name for path in tiny.glob("study/*/predictions-cae.parquet")} - {"LAT-1"}
    assert made == {"DV-1", "DV-2", "MV-2"}
    assert (tiny / "cae" / "final.ckpt").exists()
    served = [load(tiny / part / "predictions-cae.parquet").served for part in (".", "study/MV-2", "study/DV-2")]
    assert not np.array_equal(served[0], served[1])
    assert not np.array_equal(served[1], served[2])
    files = _files(tiny / "study" / "MV-2")
    assert CliRunner().invoke(app, [*command, "--heads-only"]).exit_code == 0
    assert files == _files(tiny / "study" / "MV-2")
