"""The manifest gives the source of each specimen's tensor and its labels."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from training.datasets.make import simulate
from training.datasets.manifest import SCHEMA, write_manifest
from training.datasets.recipe import Recipe
from training.datasets.store import SetFolder

RECIPE = Recipe(specimens=2, balanced=2, first_seed=12, picture_side=500)
"""An abnormal specimen, and one that is abnormal only outside the thirteen labels and has no tensor."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SetFolder:
    made = SetFolder(tmp_path_factory.mktemp("set"), RECIPE)
    for index in range(RECIPE.specimens):
        made.add(*simulate(index, RECIPE))
    return made


@pytest.fixture(scope="module")
def path(store: SetFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("manifest") / "manifest.parquet"
    assert write_manifest(store, written) == RECIPE.specimens
    return written


def test_the_file_names_the_set_that_it_describes(store: SetFolder, path: Path) -> None:
    schema = pq.read_schema(path)
    assert schema.equals(SCHEMA)
    assert json.loads(schema.metadata[b"recipe"]) == RECIPE.as_dict()
    assert schema.metadata[b"digest"].decode() == store.digest()


def test_rows_hold_truth_and_digests(store: SetFolder, path: Path) -> None:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    assert any(row["findings"] for row in rows)
    assert any(row["tensor_sha256"] for row in rows)
    for row, entry in zip(rows, store.entries(), strict=True):
        specimen = RECIPE.specimen(row["index"])
        assert row["specimen"] == specimen.biological_sample_id
        assert row["split"] == RECIPE.part(row["index"], row["specimen"])
        assert tuple(row[f"label.{label}"] for label in LABEL_ORDER) == (specimen.level1, *specimen.call)
        assert {f["kind"]: round(f["severity"], 3) for f in row["findings"]} == {
            finding.kind: finding.severity for finding in specimen.findings
        }
        assert row["usable"] == entry.usable
        assert (row["tensor_sha256"] is None) == (not row["images"])
        if row["tensor_sha256"]:
            assert row["tensor_sha256"] == hashlib.sha256(store.images[row["index"]].tobytes()).hexdigest()
            assert {image["view"] for image in row["images"]} == {"DV", "LAT"}
            assert all(len(image["image_sha256"]) == len(image["view_sha256"]) == 64 for image in row["images"])


def test_a_set_of_another_simulator_is_refused(store: SetFolder, tmp_path: Path) -> None:
    other = SetFolder(tmp_path / "set", RECIPE)
    entry = store.entries()[0]
    other.add(dataclasses.replace(entry, labels=tuple(1 - label for label in entry.labels)), None)
    with pytest.raises(Rejected) as refusal:
        write_manifest(other, tmp_path / "manifest.parquet")
    assert refusal.value.reason == "simulator_changed"
    assert not (tmp_path / "manifest.parquet").exists()
