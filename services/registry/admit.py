"""Adds a version to the repository that serves, and admits it to Triton.

`add_version` copies a version from another repository; Triton loads it only when it is admitted. A version
receives no requests before it has answered its golden inputs correctly.
"""

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.common.errors import Fatal, Rejected, Retriable
from services.common.events import Probabilities
from services.common.settings import Settings
from services.registry.golden import Golden
from services.registry.inspect import KNOWN, PROGRAM, InspectedVersion, inspect
from services.registry.register import standing
from services.registry.repository import ModelRepository
from services.registry.triton_client import REQUEST_TENSORS, ServedModel, load, require_live

_INCOMING: Final = ".incoming-"


def add_version(source: ModelRepository, target: ModelRepository, model: str, version: int) -> bool:
    """Copy a version to a temporary folder, rename that, and add its card last; return False if it exists already.

    Its program is that of the target's versions, never the source's. Raises Rejected: the reasons of `inspect`, and
    `version_exists` (a different version has that number: a version never changes).
    """
    inspected = inspect(source, model, version)
    with target.locked():
        known = target.card_text(model, version)
        folder = target.folder(model, version)
        if known is not None and known != inspected.card_text:
            message = f"{target.root} has, or had, a different {model} version {version}: export it under a new number"
            raise Rejected("version_exists", message)
        if folder.is_dir():
            if known is not None:
                return False
            target.remove(model, version)  # an earlier attempt that stopped before its card was added
        # Name the versions before the folder exists: with a policy of the latest ones, Triton would swap one for it.
        target.serve(model, target.served(model))
        target.place(_copied(source.folder(model, version), folder, _program(target, model)), folder)
        target.put_card(model, version, inspected.card_text, inspected.card.outputs)
    return True


def _program(target: ModelRepository, model: str) -> Path | None:
    """Return the program that this model's versions run, None for a model that Triton runs without one."""
    programs = [target.folder(model, one) / PROGRAM for one in target.served(model)]
    return next((program for program in programs if program.is_file()), None)


def _copied(source: Path, target: Path, program: Path | None) -> Path:
    incoming = target.with_name(f"{_INCOMING}{target.name}")
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir()
    files = [source / name for name in sorted(KNOWN - {PROGRAM}) if (source / name).is_file()]
    for file in [*files, *([program] if program else [])]:
        _copy_to_disk(file, incoming / file.name)
    return incoming


def _copy_to_disk(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


GOLDEN_DIFFERENCE: Final = 1e-3
"""Largest difference of a probability between the real server and the training framework's graph."""


def admit(
    repository: ModelRepository,
    client: Any,
    model: str,
    version: int,
    *,
    needed: Collection[int] = (),
    allowed: float = GOLDEN_DIFFERENCE,
) -> InspectedVersion:
    """Inspect a version, load it in addition to those that serve, and check its outputs for its golden inputs.

    `client` is a Triton client, `needed` are versions that stay loaded in any case. Raises Rejected (the reasons
    of `inspect`, `load_failed`, `contract_broken`, `not_loaded`, `not_probabilities`, `golden_differs`), Retriable when
    Triton is away; Triton then keeps serving the others, also after an earlier attempt that was killed.
    """
    with repository.locked():
        inspected = inspect(repository, model, version)
        repository.clean(model, version)
        others = [one for one in repository.served(model) if one != version]
        repository.serve(model, [*others, version])
        try:
            load(client, model)
            _check_answers(client, model, version, inspected, allowed)
        except BaseException:
            if others and version not in needed:
                repository.serve(model, others)
                load(client, model)
            raise
    return inspected


def admit_all(
    settings: Settings, client: Any, repository: ModelRepository, chosen: Mapping[str, int]
) -> dict[str, str]:
    """Admit versions by model; return their pins, raise as `admit` does. Versions in the records stay loaded."""
    kept = standing(settings)
    return {
        model: admit(repository, client, model, version, needed=kept.get(model, ())).pin
        for model, version in sorted(chosen.items())
    }


def _check_answers(client: Any, model: str, version: int, inspected: InspectedVersion, allowed: float) -> None:
    try:
        backbone = ServedModel(client, model, version, inspected.pin)
        difference = inspected.golden.largest_difference(_ask(backbone, inspected.golden))
    except Fatal as error:
        raise Rejected("contract_broken", str(error)) from error
    except Retriable as error:
        require_live(client, error)
        reason = "not_probabilities" if error.kind == "no_probabilities" else "not_loaded"
        raise Rejected(reason, str(error)) from error
    if difference > allowed:
        message = (
            f"{model} version {version}: its outputs for the golden inputs differ by {difference:.2e} from those of "
            f"its export, the limit is {allowed}"
        )
        raise Rejected("golden_differs", message, difference=difference, allowed=allowed)


def _ask(backbone: ServedModel, golden: Golden) -> dict[str, Any]:
    starts = range(0, len(golden.images), REQUEST_TENSORS)
    requests = [backbone.request(list(golden.images[start : start + REQUEST_TENSORS])) for start in starts]
    answers: list[Probabilities] = [answer for request in requests for answer in request.result()]
    return {
        "level1": np.array([[answer.level1] for answer in answers]),
        "level2": np.array([answer.level2 for answer in answers]),
        "level3": np.array([answer.level3 for answer in answers]),
    }
