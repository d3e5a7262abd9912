"""The files of a training run.

`last.ckpt` to go on from, `best.ckpt` with the weights of the best epoch, `final.ckpt` with the heads trained anew. A
`final.ckpt` without `last.ckpt` was taken from a model repository (`training.experiments.seeds`).

What the body of a trained network makes of specimens: the vector that its heads read.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from services.common.atomic import atomic
from services.common.errors import Rejected
from training.datasets.store import Subset
from training.models.serving import unit_range
from training.train.heads import Features

_BATCH: Final = 32


def features_of(backbone: nn.Module, subset: Subset) -> Features:
    """Features float32 [n, features] of a subset's specimens: what goes into the standardisation before the heads."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        kept.append(inputs[0].detach().float())

    backbone.eval()
    handle = backbone.get_submodule("standardise").register_forward_pre_hook(keep)
    try:
        with torch.inference_mode():
            for images in subset.batches(_BATCH):
                backbone(unit_range(torch.from_numpy(images)))
    finally:
        handle.remove()
    return Features(torch.cat(kept).numpy(), subset.labels)


def logits_of(backbone: Any, features: Features) -> Tensor:
    """Uncalibrated logits [n, 14] of features."""
    backbone.eval()
    with torch.inference_mode():
        logits: Tensor = backbone.classify(torch.from_numpy(features.values))
    return logits.clone()


def stored_features(path: Path, backbone: nn.Module, subset: Subset) -> Features:
    """The same, kept in a file: a second call reads it."""
    if not path.exists():
        with atomic(path) as part, part.open("wb") as file:
            np.save(file, features_of(backbone, subset).values)
    return Features(np.load(path), subset.labels)


LAST: Final = "last"
BEST: Final = "best"
FINAL: Final = "final"
_PREFIX: Final = "backbone."
_RUN, _EPOCHS = "run", "epochs"


@dataclass(frozen=True)
class Epoch:
    """One epoch's mean training loss, validation loss and mean AUROC of each level on validation specimens."""

    train_loss: float
    validation_loss: float
    auroc: tuple[float, ...]
    seconds: float


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all (Lightning's own holds it in memory twice, and may be cut)."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write beside the old file, then take its place."""
        del storage_options
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic(Path(path)) as part:
            torch.save(checkpoint, part)


def path_of(folder: Path, name: str) -> Path:
    """Path of checkpoint `LAST` or `BEST`."""
    return folder / f"{name}.ckpt"


def put_history(checkpoint: dict[str, Any], run: dict[str, Any], epochs: list[Epoch]) -> None:
    """Add what the run is and its epochs to a checkpoint."""
    checkpoint[_RUN] = run
    checkpoint[_EPOCHS] = [asdict(epoch) for epoch in epochs]


def read_history(folder: Path, run: dict[str, Any]) -> list[Epoch]:
    """Return the epochs done in a folder; raises Rejected(other_training_run) if they are of another run."""
    path = path_of(folder, LAST)
    if not path.exists():
        return []
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    found: dict[str, Any] = content[_RUN]
    differing = sorted(name for name in run.keys() | found.keys() if run.get(name) != found.get(name))
    if differing:
        words = f"{folder} holds a training run of another {', '.join(differing)}: choose another folder or remove it"
        raise Rejected("other_training_run", words, found=found, wanted=run)
    return [Epoch(**epoch) for epoch in content[_EPOCHS]]


def read_weights(folder: Path, name: str) -> dict[str, Any]:
    """Return a backbone's state from checkpoint `BEST` or `FINAL`."""
    content = torch.load(path_of(folder, name), map_location="cpu", weights_only=True)
    state: dict[str, Any] = content["state_dict"]
    return {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}


def write_final(folder: Path, backbone: nn.Module) -> None:
    """Write `final.ckpt`, whole or not at all."""
    state = {_PREFIX + key: value for key, value in backbone.state_dict().items()}
    AtomicCheckpoints().save_checkpoint({"state_dict": state}, path_of(folder, FINAL))
