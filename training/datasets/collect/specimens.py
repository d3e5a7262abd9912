"""Specimens with tensors: called ones from the ledger, and simulated ones from training sets."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.common.errors import Rejected
from services.common.events import PhenotypeCall
from services.common.preprocessing import TENSOR_SIDE, VERSION
from services.ledger.database import Connection
from services.ledger.queries import stored_calls
from training.datasets.check import check_folder
from training.datasets.recipe import Recipe, part_of
from training.datasets.store import RECIPE, Images, SetFolder, StoredSpecimen

Load = Callable[[], Images]


@dataclass(frozen=True)
class SpecimenTensor:
    """A specimen and the reference to its tensor.

    `tensor_key` is its key in object storage, None for a simulated one, whose pixels `load` reads; `tensor_sha256` is
    the digest of the stored file, or of the simulated pixels. `part` is train, validation or test.
    """

    specimen: str
    centre: str
    part: str
    tensor_sha256: str
    images: tuple[str, ...]
    tensor_key: str | None = None
    call_id: str | None = None
    load: Load | None = None


@dataclass(frozen=True)
class SimulatedTensors:
    """A simulated training set: specimens with tensors, the labels of all, and the ids that intake rejected."""

    digest: str
    specimens: tuple[SpecimenTensor, ...]
    labels: dict[str, tuple[int, ...]]
    refused: tuple[str, ...]


def called_specimens(connection: Connection) -> Iterator[SpecimenTensor | str]:
    """Yield every specimen with a current call; only its id if its tensor is from another preprocessing version."""
    with stored_calls(connection, history=False, centre=None) as (_, calls):
        for stored in calls:
            call = stored.call
            yield _called(call) if call.preprocessing_version == VERSION else call.biological_sample_id


def simulated_specimens(folder: Path) -> SimulatedTensors:
    """Read a simulated training set, as `xray train models` writes it to `RUN/data`.

    Raises Rejected `no_training_set`, `other_preprocessing` and what `training.datasets.check` raises.
    """
    file = folder / RECIPE
    if not file.is_file():
        raise Rejected("no_training_set", f"{folder} holds no training set: name the folder `data` of a training run")
    recipe = Recipe(**json.loads(file.read_text(encoding="utf-8")))
    if (recipe.preprocessing_version, recipe.side) != (VERSION, TENSOR_SIDE):
        message = f"{folder} has preprocessing version {recipe.preprocessing_version}, not {VERSION}: make it again"
        raise Rejected("other_preprocessing", message)
    check_folder(folder, recipe)
    store = SetFolder(folder, recipe)
    entries = store.entries()
    return SimulatedTensors(
        store.digest(),
        tuple(_simulated(store, entry) for entry in entries if entry.digest),
        {entry.specimen: entry.labels for entry in entries},
        tuple(entry.specimen for entry in entries if entry.refused),
    )


def _called(call: PhenotypeCall) -> SpecimenTensor:
    return SpecimenTensor(
        specimen=call.biological_sample_id,
        centre=call.centre,
        part=part_of(call.biological_sample_id),
        tensor_sha256=call.tensor_sha256,
        images=tuple(view.image_sha256 for view in call.views),
        tensor_key=call.tensor_key,
        call_id=call.call_id,
    )


def _simulated(store: SetFolder, entry: StoredSpecimen) -> SpecimenTensor:
    def load() -> Images:
        image = np.array(store.images[entry.index])
        if hashlib.sha256(image.tobytes()).hexdigest() != entry.digest:
            raise Rejected(
                "tensor_differs", f"the tensor of {entry.specimen} in {store.folder} is not the original one"
            )
        return image

    part = store.part(entry)
    return SpecimenTensor(
        specimen=entry.specimen,
        centre=entry.centre,
        # The balanced specimens are test specimens too, with rarer findings.
        part="test" if part == "balanced" else part,
        tensor_sha256=entry.digest,
        images=tuple(image for _, image, _ in entry.sources),
        load=load,
    )
