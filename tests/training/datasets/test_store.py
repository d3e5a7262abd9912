from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from services.common.errors import Rejected
from training.datasets.recipe import Part, Recipe, part_of
from training.datasets.store import SetFolder, SpecimenArrays, StoredSpecimen
from training.simulation.bone_truth import CHANNELS, SIDE

RECIPE = Recipe(specimens=40, first_seed=5)


def _entry(index: int, *, labels: tuple[int, ...] = (0,) * 14, refused: str = "") -> StoredSpecimen:
    return StoredSpecimen(
        index, f"mouse-{index}", "JAX", labels, f"{index:064x}", refused, (("DV", "a" * 64, "b" * 64),)
    )


def _filled(folder: Path, count: int) -> SetFolder:
    store = SetFolder(folder, RECIPE)
    for index in range(count):
        store.add(_entry(index), _pictures(index))
    return store


def _pictures(level: int) -> SpecimenArrays:
    shapes = (224, 224, 3), (2, 448, 448), (2, len(CHANNELS), SIDE, SIDE)
    return SpecimenArrays(*(np.full(shape, level, dtype=np.uint8) for shape in shapes))


def test_training_continues_where_it_stopped(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    again = SetFolder(tmp_path, RECIPE)
    assert again.missing() == list(range(3, 40))
    assert again.images[2].max() == again.views[2].max() == again.bones[2].max() == 2
    assert again.entries()[2] == _entry(2)


def test_line_cut_short_by_a_crash_is_made_again(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    lines = tmp_path / "specimens.jsonl"
    lines.write_bytes(lines.read_bytes()[:-7])
    again = SetFolder(tmp_path, RECIPE)
    assert again.missing() == list(range(2, 40))
    again.add(_entry(2), None)
    assert len(again.entries()) == 3


def test_refuses_the_folder_of_another_recipe(tmp_path: Path) -> None:
    _filled(tmp_path, 1)
    with pytest.raises(Rejected, match="choose another folder"):
        SetFolder(tmp_path, Recipe(specimens=40, first_seed=6))


def test_parts_share_no_specimen_and_cover_all(tmp_path: Path) -> None:
    store = _filled(tmp_path, 40)
    rows = [set(store.subset(part).rows.tolist()) for part in ("train", "validation", "test")]
    assert set.union(*rows) == set(range(40))
    assert sum(map(len, rows)) == 40


def test_the_part_depends_only_on_the_id_and_shares_are_70_20_10() -> None:
    parts = [part_of(str(number)) for number in range(5000)]
    assert abs(parts.count("train") / 5000 - 0.7) < 0.03
    assert abs(parts.count("validation") / 5000 - 0.2) < 0.03
    assert part_of("183808") == part_of("183808")


def test_balanced_specimens_are_for_training_and_for_a_harder_test(tmp_path: Path) -> None:
    recipe = Recipe(specimens=40, first_seed=5, balanced=30)
    store = SetFolder(tmp_path, recipe)
    for index in range(40):
        store.add(_entry(index), None)
    parts = {part: set(store.subset(part).rows.tolist()) for part in get_args(Part)}
    balanced = set(range(10, 40))
    assert parts["balanced"]
    assert parts["balanced"] <= balanced
    assert not balanced & (parts["validation"] | parts["test"])
    assert set.union(*parts.values()) == set(range(40))
    assert {part_of(f"mouse-{row}") for row in parts["balanced"]} == {"test"}


def test_the_record_population_has_more_findings_and_mostly_spines() -> None:
    recipe = Recipe(specimens=400, first_seed=5, balanced=200)
    drawn = [recipe.specimen(index) for index in range(400)]
    abnormal = [[one for one in part if one.level1] for part in (drawn[:200], drawn[200:])]
    record, balanced = (np.mean([len(one.findings) for one in part]) for part in abnormal)
    assert record > 2.3
    assert balanced < 1.8
    spines = [np.mean([one.call[1] for one in part]) for part in abnormal]
    assert spines[0] > 0.85 > spines[1]
    assert 0.4 < len(abnormal[0]) / 200 < 0.6


def test_refused_and_elsewhere_abnormal_specimens_are_left_out(tmp_path: Path) -> None:
    store = SetFolder(tmp_path, RECIPE)
    store.add(_entry(0, refused="no_animal"), None)
    store.add(_entry(1, labels=(1, *(0,) * 13)), None)
    assert not any(len(store.subset(part)) for part in ("train", "validation", "test"))
    assert store.missing() == list(range(2, 40))


def test_digest_does_not_depend_on_the_order_of_making(tmp_path: Path) -> None:
    forward, backward = SetFolder(tmp_path / "a", RECIPE), SetFolder(tmp_path / "b", RECIPE)
    for index in range(3):
        forward.add(_entry(index), None)
        backward.add(_entry(2 - index), None)
    assert forward.digest() == backward.digest()


def test_a_single_view_hides_the_other_view_and_the_blended_edges(tmp_path: Path) -> None:
    store = _filled(tmp_path, 40)
    both = store.subset("train")
    lateral = store.subset("train", "LAT")
    chosen = np.array([2, 3])
    assert (both.pictures(chosen) > 0).all()
    pictures, bones = lateral.pictures(chosen), lateral.bone_truth(chosen)
    assert bones is not None
    assert np.array_equal(pictures[..., 1], both.pictures(chosen)[..., 1])
    assert not pictures[..., [0, 2]].any()
    assert not bones[:, 0].any()
    assert (bones[:, 1] > 0).all()
    assert np.array_equal(np.concatenate(list(lateral.batches(3))), lateral.pictures(slice(None)))


@pytest.mark.parametrize(("share", "chosen"), [(1.0, [0, 1, 2, 3, 4, 5]), (0.5, [1, 3, 5]), (0.34, [2, 5]), (0.1, [])])
def test_a_share_is_spread_evenly(tmp_path: Path, share: float, chosen: list[int]) -> None:
    whole = _filled(tmp_path, 40).subset("validation")
    first = replace(whole, rows=whole.rows[:6], labels=whole.labels[:6], centres=tuple("abcdef"))
    part = first.share(share)
    assert part.rows.tolist() == [first.rows[position] for position in chosen]
    assert part.centres == tuple("abcdef"[position] for position in chosen)
    assert len(part.labels) == len(part) == len(chosen)
