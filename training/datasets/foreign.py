"""A foreign test set: mice with the bones of a skeleton that no training set has, through the real intake and fuser.

The first specimens are controls, equally many per centre; the others are a cohort of which half are abnormal. The
folder has the format of a training set, plus `animals.jsonl`: one line per specimen with its group and findings.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from services.common.atomic import atomic
from training.datasets.make import Progress, make_training_set
from training.datasets.recipe import Part, Recipe
from training.datasets.store import RECIPE, SetFolder
from training.simulation.skeleton.files import skeleton_digest
from training.simulation.skeleton.specimen import FIRST_SEED, SkeletonSpecimen, make_skeleton_specimen
from training.simulation.specimen import BALANCED

CENTRES: Final = ("JAX", "UC Davis", "TCP", "RBRC", "MARC")
"""Three centres whose manner training sets have, and two whose manner is unseen."""
ANIMALS: Final = "animals.jsonl"


@dataclass(frozen=True)
class ForeignRecipe(Recipe):
    """A recipe of `controls` control animals per centre, followed by a cohort; `skeleton` is the digest of its files.

    `folder` holds the skeleton; it is needed to draw specimens, not to read a set.
    """

    keeps_elsewhere: ClassVar[bool] = True
    skeleton: str = ""
    controls: int = 0
    folder: Path = field(default=Path(), compare=False)

    def is_control(self, index: int) -> bool:
        """Whether specimen `index` is a control."""
        return index < self.controls * len(CENTRES)

    def specimen(self, index: int) -> SkeletonSpecimen:
        """Draw specimen `index`; centres take turns."""
        return make_skeleton_specimen(
            self.folder,
            self.first_seed + index,
            centre=CENTRES[index % len(CENTRES)],
            prevalence=BALANCED,
            control=self.is_control(index),
        )

    def part(self, index: int, specimen: str) -> Part:
        """All specimens are for testing."""
        return "test"

    def as_dict(self) -> dict[str, int | str]:
        """Return the recipe as JSON-serialisable values, without the folder."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


def foreign_recipe(folder: Path, specimens: int, controls: int) -> ForeignRecipe:
    """The recipe of a set with the skeleton in `folder`; raises Rejected `no_skeleton`."""
    return ForeignRecipe(
        specimens=specimens + controls * len(CENTRES),
        first_seed=FIRST_SEED,
        unseen=True,
        skeleton=skeleton_digest(folder),
        controls=controls,
        folder=folder,
    )


def make_foreign_set(out: Path, recipe: ForeignRecipe, on_progress: Progress) -> SetFolder:
    """Make the specimens that `out` does not have yet, and list its animals; raises Rejected as a training set does."""
    store = make_training_set(out, recipe, on_progress)
    with atomic(out / ANIMALS) as part:
        part.write_text("".join(json.dumps(_animal(recipe, index)) + "\n" for index in range(recipe.specimens)))
    return store


def _animal(recipe: ForeignRecipe, index: int) -> dict[str, Any]:
    specimen = recipe.specimen(index)
    return {
        "index": index,
        "specimen": specimen.biological_sample_id,
        "centre": specimen.centre,
        "sample_group": "control" if specimen.control else "experimental",
        "sex": specimen.sex,
        "abnormal_elsewhere": specimen.abnormal_elsewhere,
        "findings": [asdict(finding) for finding in specimen.findings],
    }


def open_foreign_set(out: Path) -> SetFolder:
    """Open a finished set for reading; its specimens cannot be drawn again without the skeleton's folder."""
    values = json.loads((out / RECIPE).read_text(encoding="utf-8"))
    return SetFolder(out, ForeignRecipe(**values))
