"""A version's outputs for validation specimens, from which the decision of any set that contains it is fitted.

They are stored with the version, as `validation.npz`: a set may combine versions of different trainings, and what makes
the set is the same specimens read by each of them.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.decision.fit import SetVersion, ValidationSet, fit_set
from services.common.decision.set_card import IMPC_PREVALENCE, LABELS, MemberOutputs, SetCard
from services.common.errors import Rejected

VALIDATION_FILE: Final = "validation.npz"
FEWEST_SPECIMENS: Final = 50
"""Common specimens from which a set is fitted; fewer would fit noise."""
_UNREADABLE: Final = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class ValidationOutputs:
    """Outputs for n specimens, with `labels` uint8 [n, 14] of 0, 1 and 255 (missing), and `centres` [n].

    `specimens` [n] are the first 16 hexadecimal digits of the SHA-256 of each specimen's tensor.
    """

    specimens: tuple[str, ...]
    centres: tuple[str, ...]
    labels: NDArray[np.uint8]
    outputs: MemberOutputs

    def file(self) -> bytes:
        """Return the content of the file, the same bytes for the same content."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            specimens=np.array(self.specimens),
            centres=np.array(self.centres),
            labels=self.labels,
            scores=self.outputs.scores.astype(np.float32),
            # The features of one specimen are only ever compared with those of others: half precision is enough.
            features=self.outputs.features.astype(np.float16),
            unfamiliar=self.outputs.unfamiliar.astype(np.float32),
        )
        return buffer.getvalue()


def tensor_id(tensor: NDArray[np.uint8]) -> str:
    """Return the id of a specimen: the first 16 hexadecimal digits of the SHA-256 of its tensor's bytes."""
    return hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()[:16]


def read_validation(version: Path) -> ValidationOutputs:
    """Read the file of a version's folder.

    Raises Rejected `validation_missing` if the version has none (it was exported without the outputs of the decision
    layer), `validation_damaged` if it cannot be read.
    """
    path = version / VALIDATION_FILE
    if not path.exists():
        raise Rejected("validation_missing", f"{version} has no {VALIDATION_FILE}: export it with `xray train extend`")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        outputs = MemberOutputs(*(content[name].astype(np.float64) for name in ("scores", "features", "unfamiliar")))
        found = ValidationOutputs(
            tuple(map(str, content["specimens"])), tuple(map(str, content["centres"])), content["labels"], outputs
        )
        _check_shapes(found)
    except _UNREADABLE as error:
        raise Rejected("validation_damaged", f"{path} cannot be read: {error!r}") from error
    return found


def _check_shapes(found: ValidationOutputs) -> None:
    count = len(found.specimens)
    scores, features, unfamiliar = found.outputs
    shapes = [scores.shape, features.shape[:1], unfamiliar.shape, found.labels.shape, (len(found.centres),)]
    if shapes != [(count, LABELS), (count,), (count,), (count, LABELS), (count,)] or features.ndim != len("nF"):
        msg = f"its arrays have the shapes {shapes}"
        raise ValueError(msg)
    if not all(np.isfinite(values).all() for values in found.outputs):
        msg = "its outputs are not finite numbers"
        raise ValueError(msg)


def fit_versions(
    members: Mapping[SetVersion, ValidationOutputs], stated_prevalence: float = IMPC_PREVALENCE
) -> SetCard:
    """Fit the card of a set from the outputs of its members, on the specimens that all of them have.

    Raises Rejected `validation_differs` if these are too few, or labelled differently.
    """
    common = sorted(set.intersection(*(set(one.specimens) for one in members.values())))
    if len(common) < FEWEST_SPECIMENS:
        names = " and ".join(f"{version.model} {version.version}" for version in members)
        message = f"{names} have {len(common)} validation specimens in common, {FEWEST_SPECIMENS} are needed"
        raise Rejected("validation_differs", message, common=len(common))
    chosen = [_select(one, common) for one in members.values()]
    first = chosen[0]
    if any(not np.array_equal(one.labels, first.labels) or one.centres != first.centres for one in chosen):
        raise Rejected("validation_differs", "the members' validation specimens have different labels or centres")
    return fit_set(
        tuple(members), [one.outputs for one in chosen], ValidationSet(first.labels, first.centres), stated_prevalence
    )


def _select(one: ValidationOutputs, specimens: list[str]) -> ValidationOutputs:
    position = {name: index for index, name in enumerate(one.specimens)}
    rows = [position[name] for name in specimens]
    centres = tuple(one.centres[row] for row in rows)
    outputs = MemberOutputs(*(values[rows] for values in one.outputs))
    return ValidationOutputs(tuple(specimens), centres, one.labels[rows], outputs)
