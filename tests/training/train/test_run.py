from dataclasses import replace

import pytest

from training.datasets.recipe import Recipe
from training.simulation.specimen import SimulatedSpecimen
from training.train.configuration import CONFIGURATIONS, Configuration
from training.train.run import training_recipe, unseen_recipe


def specimens(recipe: Recipe) -> list[SimulatedSpecimen]:
    return [recipe.specimen(index) for index in range(recipe.specimens)]


def seeds(recipe: Recipe) -> range:
    return range(recipe.first_seed, recipe.first_seed + recipe.specimens)


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=lambda one: one.name)
def test_mice_of_unseen_centres_are_not_in_the_training_set(configuration: Configuration) -> None:
    assert not set(seeds(training_recipe(configuration))) & set(seeds(unseen_recipe(configuration)))
    fewer = replace(configuration, specimens=60, balanced=20)
    learnt, unseen = specimens(training_recipe(fewer)), specimens(unseen_recipe(fewer))
    assert [one.seed for one in learnt] == list(seeds(training_recipe(fewer)))
    assert not {one.seed for one in learnt} & {one.seed for one in unseen}
    assert not {one.biological_sample_id for one in learnt} & {one.biological_sample_id for one in unseen}
    assert not {one.centre for one in learnt} & {one.centre for one in unseen}
