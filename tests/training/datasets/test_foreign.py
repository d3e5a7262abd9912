"""The foreign test set: its animals, its recipe, and what a training set checks."""

import json
from pathlib import Path

import pytest

from services.common.errors import Rejected
from tests.training.simulation.toy_skeleton import write_toy_skeleton
from training.datasets.foreign import CENTRES, ForeignRecipe, foreign_recipe, make_foreign_set, open_foreign_set
from training.datasets.make import refusals, simulate
from training.simulation.skeleton.specimen import FIRST_SEED


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_skeleton(tmp_path_factory.mktemp("skeleton"))


def test_controls_come_first_equally_many_per_centre_and_half_of_the_others_are_abnormal(skeleton: Path) -> None:
    recipe = foreign_recipe(skeleton, 200, 2)
    specimens = [recipe.specimen(index) for index in range(recipe.specimens)]
    controls = [one for one in specimens if one.control]
    assert specimens[:10] == controls
    assert sorted(one.centre for one in controls) == sorted(CENTRES * 2)
    assert not any(one.level1 for one in controls)
    assert 70 < sum(one.level1 for one in specimens) < 130
    assert specimens[0].seed == FIRST_SEED


def test_a_set_is_made_by_intake_and_fuser_and_opens_without_the_skeleton(skeleton: Path, tmp_path: Path) -> None:
    recipe = ForeignRecipe(2, FIRST_SEED, picture_side=500, unseen=True, skeleton="toy", controls=0, folder=skeleton)
    made = make_foreign_set(tmp_path / "set", recipe, lambda done, total: None)
    opened = open_foreign_set(tmp_path / "set")
    assert opened.recipe == recipe
    assert opened.digest() == made.digest()
    assert len(opened.entries()) == 2
    assert all(entry.digest or entry.refused for entry in opened.entries())
    assert sum(refusals(opened).values()) == sum(bool(entry.refused) for entry in opened.entries())
    lines = [json.loads(line) for line in (tmp_path / "set" / "animals.jsonl").read_text().splitlines()]
    assert [line["specimen"] for line in lines] == [entry.specimen for entry in opened.entries()]
    assert {line["sample_group"] for line in lines} == {"experimental"}
    assert str(skeleton) not in (tmp_path / "set" / "recipe.json").read_text()


def test_a_set_of_another_skeleton_is_not_extended(skeleton: Path, tmp_path: Path) -> None:
    recipe = ForeignRecipe(0, FIRST_SEED, skeleton="toy", folder=skeleton)
    make_foreign_set(tmp_path, recipe, lambda done, total: None)
    with pytest.raises(Rejected) as refused:
        make_foreign_set(tmp_path, ForeignRecipe(0, FIRST_SEED, skeleton="other", folder=skeleton), lambda *_: None)
    assert refused.value.reason == "other_recipe"


def test_a_specimen_that_is_abnormal_elsewhere_only_has_pictures(skeleton: Path) -> None:
    recipe = foreign_recipe(skeleton, 60, 0)
    index = next(n for n in range(60) if recipe.specimen(n).abnormal_elsewhere)
    entry, pictures = simulate(index, recipe)
    assert entry.labels == (1, *[0] * 13)
    assert not entry.usable
    assert pictures is not None or entry.refused
