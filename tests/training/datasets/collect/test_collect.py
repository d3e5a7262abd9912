"""Datasets from simulated sets and label sets, without servers; tests/integration/test_reviews.py has the servers."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from tests.training.datasets.collect.making import NORMAL, SPINE, label_set, named, simulated_set
from training.datasets.collect.collect import collect
from training.datasets.collect.dataset import FILES, Dataset

TRAIN, VALIDATION, TEST = named("train", 4), named("validation", 2), named("test", 3)
FIRST = {name: SPINE if number % 2 else NORMAL for number, name in enumerate([*TRAIN, *VALIDATION, *TEST[:2]])}


def _collect(out: Path, *sets: Path, labels: Path | None = None, grow: bool = False) -> Dataset:
    chosen = [labels] if labels else []
    return collect(out, settings=None, sets=sets, label_sets=chosen, grow_evaluation=grow, progress=lambda *_: None)


def _bytes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_inputs_give_the_same_digest_and_bytes(tmp_path: Path) -> None:
    source = simulated_set(tmp_path / "set", FIRST)
    one, other = (_collect(tmp_path / name, source, grow=True) for name in ("a", "b"))
    assert one.digest == other.digest
    assert _bytes(one.folder) == _bytes(other.folder)
    assert set(FILES) <= set(_bytes(one.folder))
    written = (one.folder / "images.npy").stat().st_mtime_ns
    assert _collect(tmp_path / "a", source).folder == one.folder
    assert (one.folder / "images.npy").stat().st_mtime_ns == written


def test_training_reads_parts_with_their_labels_and_pictures(tmp_path: Path) -> None:
    dataset = _collect(tmp_path / "out", simulated_set(tmp_path / "set", FIRST), grow=True)
    subsets = {"train": dataset.subset("train"), "validation": dataset.subset("validation")}
    names = {part: {dataset.specimens[row] for row in subset.rows.tolist()} for part, subset in subsets.items()}
    assert names == {"train": set(TRAIN), "validation": set(VALIDATION)}
    judged = dataset.evaluation()
    assert {dataset.specimens[row] for row in judged.rows.tolist()} == set(TEST[:2])
    for subset in (*subsets.values(), judged):
        truth = [FIRST[dataset.specimens[row]] for row in subset.rows.tolist()]
        assert subset.labels.tolist() == [list(labels) for labels in truth]
        digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in subset.pictures(slice(None))]
        table = pq.read_table(dataset.folder / "manifest.parquet").column("tensor_sha256").to_pylist()
        assert digests == [table[row] for row in subset.rows.tolist()]


def test_a_label_set_overrules_what_was_simulated_label_by_label(tmp_path: Path) -> None:
    curated = label_set(tmp_path / "labels", {TRAIN[0]: (1, None, 1, *[None] * 11)})
    source = simulated_set(tmp_path / "set", FIRST)
    dataset = _collect(tmp_path / "out", source, labels=curated, grow=True)
    row = dataset.specimens.index(TRAIN[0])
    # The simulated value of Ribcage is used where the label set has none.
    assert dataset.labels[row].tolist()[:4] == [1, 0, 1, 0]
    assert dataset.description.conflicts == {"sets disagree": 2}


def test_a_specimen_never_changes_its_part_and_new_test_specimens_wait_for_the_option(tmp_path: Path) -> None:
    first = simulated_set(tmp_path / "first", FIRST)
    second = simulated_set(tmp_path / "second", {TEST[2]: SPINE, **dict.fromkeys(named("train", 6)[4:], SPINE)}, seed=6)
    before = _collect(tmp_path / "out", first, grow=True)
    after = _collect(tmp_path / "out", first, second)
    grown = _collect(tmp_path / "out", first, second, grow=True)
    sides = [dict(zip(one.specimens, one.parts, strict=True)) for one in (before, after, grown)]
    assert sides[0].items() <= sides[1].items() == sides[2].items()
    assert len({before.digest, after.digest, grown.digest}) == 3
    judged = [{one.specimens[row] for row in one.evaluation().rows.tolist()} for one in (before, after, grown)]
    assert judged == [set(TEST[:2]), set(TEST[:2]), set(TEST)]
    counts = [one.description.evaluation for one in (before, after, grown)]
    assert [(one.generation, one.waiting) for one in counts] == [(1, 0), (1, 1), (2, 0)]


def test_without_an_evaluation_set_nothing_can_be_judged(tmp_path: Path) -> None:
    source = simulated_set(tmp_path / "set", FIRST)
    with pytest.raises(Rejected, match="run once with --grow-evaluation"):
        _collect(tmp_path / "out", source)
    untested = simulated_set(tmp_path / "untested", dict.fromkeys(TRAIN, SPINE))
    with pytest.raises(Rejected, match="no labelled specimen is in the test part"):
        _collect(tmp_path / "other", untested, grow=True)


def test_models_are_evaluated_on_the_complete_evaluation_set_or_not_at_all(tmp_path: Path) -> None:
    _collect(tmp_path / "out", simulated_set(tmp_path / "set", FIRST), grow=True)
    smaller = {name: labels for name, labels in FIRST.items() if name != TEST[0]}
    with pytest.raises(Rejected, match=f"1 specimens of the evaluation set have no tensor here, such as {TEST[0]}"):
        _collect(tmp_path / "out", simulated_set(tmp_path / "smaller", smaller))


def test_unusable_specimens_are_left_out_and_counted(tmp_path: Path) -> None:
    more = named("train", 6)[4:]
    source = simulated_set(tmp_path / "set", {**FIRST, more[0]: (1, *[0] * 13), more[1]: NORMAL})
    curated = label_set(tmp_path / "labels", {more[1]: "identity_conflict", "nobody": SPINE})
    dataset = _collect(tmp_path / "out", source, labels=curated, grow=True)
    assert dataset.description.left_out == {"abnormal_elsewhere": 1, "identity_conflict": 1, "no_tensor": 1}
    assert not set(more) & set(dataset.specimens)
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert f"| identity_conflict | 1 | the id stands for several mice | {more[1]} |" in report


def test_a_changed_tensor_excludes_only_its_specimen(tmp_path: Path) -> None:
    source = simulated_set(tmp_path / "set", FIRST)
    images = np.load(source / "images.npy", mmap_mode="r+")
    images[0, 0, 0, 0] ^= 1
    images.flush()
    dataset = _collect(tmp_path / "out", source, grow=True)
    assert dataset.description.left_out == {"tensor_differs": 1}
    assert len(dataset.specimens) == len(FIRST) - 1


def test_files_left_by_a_killed_run_are_removed_and_made_again(tmp_path: Path) -> None:
    source = simulated_set(tmp_path / "set", FIRST)
    out = tmp_path / "out"
    whole = _collect(out, source, grow=True)
    left = out / ".unfinished-abc"
    shutil.move(whole.folder, left)
    (left / "dataset.json").unlink()
    again = _collect(out, source)
    assert again.digest == whole.digest
    assert not left.exists()


@pytest.mark.parametrize("name", FILES)
def test_an_incomplete_dataset_is_not_read(tmp_path: Path, name: str) -> None:
    folder = _collect(tmp_path / "out", simulated_set(tmp_path / "set", FIRST), grow=True).folder
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    with pytest.raises(Rejected, match=f"no complete dataset, without {name}"):
        Dataset.read(folder)
    if name != "evaluation.parquet":
        (folder / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(Rejected) as refused:
            Dataset.read(folder)
        assert refused.value.reason == "dataset_damaged"


def test_labels_have_the_order_that_models_have(tmp_path: Path) -> None:
    dataset = _collect(tmp_path / "out", simulated_set(tmp_path / "set", FIRST), grow=True)
    spine = dataset.labels[dataset.specimens.index(TRAIN[1])]
    assert [label for label, value in zip(LABEL_ORDER, spine, strict=True) if value] == ["Abnormal", "Spine", "Shape"]
