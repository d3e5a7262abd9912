"""The whole way of a study, on a training set that was made before: train, judge, predictions, report; then again."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from training.data.bone_truth import CHANNELS, SIDE
from training.data.recipe import Recipe
from training.data.split import part_of
from training.data.store import Entry, Pictures, SetFolder
from training.evaluation.parquet import load
from training.fit.plan import CONFIGURATIONS
from training.phantom.centres import CENTRES, UNSEEN_CENTRES
from training.phantom.specimen import make_specimen
from training.run import UNSEEN_SPECIMENS
from training.study import app

pytestmark = pytest.mark.integration

SPECIMENS = 500
TINY = replace(
    CONFIGURATIONS["demo"],
    name="tiny",
    specimens=SPECIMENS,
    convnext=replace(CONFIGURATIONS["demo"].convnext, epochs=1),
    cae=replace(CONFIGURATIONS["demo"].cae, epochs=1),
)


def _fill(folder: Path, recipe: Recipe) -> None:
    """A set that is done: true labels, pictures of noise, and of most specimens none, because training them is slow."""
    store = SetFolder(folder, recipe)
    random = np.random.default_rng(0)
    shapes = (224, 224, 3), (2, 448, 448), (2, len(CHANNELS), SIDE, SIDE)
    counts: Counter[tuple[str, int, int]] = Counter()
    for index in range(recipe.specimens):
        specimen = make_specimen(recipe.first_seed + index, centres=UNSEEN_CENTRES if recipe.unseen else CENTRES)
        labels = (specimen.level1, *specimen.call)
        part = part_of(specimen.biological_sample_id)
        seen = [(part, column, label) for column, label in enumerate(labels) if column == 0 or labels[0]]
        wanted = not specimen.abnormal_elsewhere and any(counts[one] < 2 for one in seen)
        pictures = Pictures(*(random.integers(0, 256, size=shape, dtype=np.uint8) for shape in shapes))
        refused = "" if wanted else "blank"
        digest = hashlib.sha256(pictures.tensor.tobytes()).hexdigest() if wanted else ""
        entry = Entry(index, specimen.biological_sample_id, specimen.centre, labels, digest, refused)
        store.add(entry, pictures if wanted else None)
        counts.update(seen if wanted else ())


def test_study_trains_judges_and_does_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONFIGURATIONS, "tiny", TINY)
    _fill(tmp_path / "tiny" / "data", Recipe(specimens=SPECIMENS, first_seed=TINY.first_seed))
    unseen = Recipe(specimens=UNSEEN_SPECIMENS, first_seed=TINY.first_seed, unseen=True)
    _fill(tmp_path / "tiny" / "data-unseen", unseen)
    command = ["--config", "tiny", "--folder", str(tmp_path), "--seeds", "1", "--input", "LAT"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    run = tmp_path / "tiny" / "study" / "LAT-1"
    files = {file.name: file.stat().st_mtime_ns for file in run.glob("predictions-*.parquet")}
    assert sorted(files) == [f"predictions-{name}.parquet" for name in ("cae", "consensus", "convnext")]
    predictions = load(run / "predictions-convnext.parquet")
    assert (predictions.origin.input, predictions.origin.seed) == ("LAT", 1)
    assert set(predictions.centres) & set(UNSEEN_CENTRES)
    assert set(predictions.centres) & set(CENTRES)
    assert CliRunner().invoke(app, command).exit_code == 0
    assert files == {file.name: file.stat().st_mtime_ns for file in run.glob("predictions-*.parquet")}
