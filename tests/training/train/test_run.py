from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from services.common.errors import Rejected
from services.common.labels import LABEL_ORDER
from tests.training.synthetic import tiny_subset
from tests.training.train.stream.tiny import PLAN, draw_tiny, tiny_multiview
from training.datasets.arrays import Input
from training.datasets.recipe import Recipe
from training.datasets.store import Subset
from training.models.spec import BackbonePlan
from training.simulation.specimen import SimulatedSpecimen
from training.train import run as module
from training.train.configuration import CONFIGURATIONS, Configuration
from training.train.loop import weights_digest
from training.train.run import OTHERS, TrainingData, TrainingRun, training_recipe, unseen_recipe
from training.train.stream.specimens import DrawSpecimen


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


class _TinyRun(TrainingRun):
    def new_backbone(self, name: str) -> nn.Module:
        del name
        return tiny_multiview()

    def plan(self, name: str) -> BackbonePlan:
        del name
        return PLAN


class _TinyData(TrainingData):
    def __init__(self) -> None:
        pass

    def subsets(self, which: Input) -> dict[str, Subset]:
        del which
        parts = ("train", "validation", "test", *OTHERS)
        return {part: tiny_subset(12, seed) for seed, part in enumerate(parts)}


def test_a_streamed_configuration_learns_from_drawn_specimens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def simulate(population: str, side: int) -> DrawSpecimen:
        asked.append((population, side))
        return draw_tiny

    monkeypatch.setattr(module, "simulator", simulate)
    monkeypatch.setattr(module, "STREAM_VALIDATION", 8)
    run = _TinyRun(CONFIGURATIONS["wide"], tmp_path, tmp_path)
    with pytest.raises(Rejected, match="holds no weights"):
        run.trained_multiview("cae")
    backbone, judged = run.train("cae", _TinyData())
    assert asked == [("wide", 224)]
    assert run.epochs["cae"] == PLAN.epochs
    assert judged.served.shape == (12, len(LABEL_ORDER))
    assert weights_digest(run.trained_multiview("cae")) == weights_digest(backbone)
    assert (tmp_path / "stream-validation.pt").exists()
