"""The real path: phantom, file, intake, fuser, in worker processes."""

from pathlib import Path

import numpy as np

from services.fuser.fuse import fuse
from training.datasets.make import make_training_set
from training.datasets.recipe import Recipe
from training.simulation.centres import CENTRES

RECIPE = Recipe(specimens=4, first_seed=9)


def test_training_set_is_made_once_and_the_same_every_time(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    first = make_training_set(tmp_path / "a", RECIPE, lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 4)
    assert seen[-1] == (4, 4)
    seen.clear()
    make_training_set(tmp_path / "a", RECIPE, lambda done, total: seen.append((done, total)))
    assert seen == [(4, 4)]
    second = make_training_set(tmp_path / "b", RECIPE, lambda _done, _total: None)
    assert first.digest() == second.digest()
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.bones, second.bones)
    accepted = [entry for entry in first.entries() if entry.digest]
    assert accepted
    assert all(first.images[entry.index].std(axis=(0, 1)).min() > 1 for entry in accepted)
    for entry in accepted:
        dorsoventral, lateral = first.views[entry.index]
        assert np.array_equal(fuse([dorsoventral], [lateral]), first.images[entry.index])
        assert {view for view, _, _ in entry.sources} == {"DV", "LAT"}


def test_unseen_centres_are_not_in_training(tmp_path: Path) -> None:
    recipe = Recipe(specimens=4, first_seed=9, unseen=True)
    unseen = make_training_set(tmp_path, recipe, lambda _done, _total: None)
    centres = {entry.centre for entry in unseen.entries()}
    assert centres
    assert not centres & set(CENTRES)
