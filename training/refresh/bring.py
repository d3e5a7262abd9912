"""Brings a candidate to Triton: exported as a version, added, withdrawn if refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.common.errors import Rejected
from services.registry.admit import add_version
from services.registry.control import load
from services.registry.decision import decision_key
from services.registry.repository import FILE, ModelRepository
from training.datasets.store import Subset
from training.evaluation.evaluate import EvaluatedBackbone
from training.export.graph import ParityError
from training.export.repository import read_cards
from training.export.targets import TensorRTRuleError
from training.export.version import VersionOrigin, export_version
from training.metrics.figures import BackboneMetrics
from training.models.serving import ServedBackbone
from training.refresh.inputs import Inputs
from training.refresh.start import StartingPoint
from training.train.plan import Configuration


def next_version(repository: ModelRepository, models: tuple[str, ...]) -> int:
    """Return the number after the highest that any of the models has, or had: a card outlives its version."""
    known = [{*repository.versions(name), *read_cards(repository.folder(name) / FILE)} for name in models]
    return 1 + max(max(versions) for versions in known)


def export(
    judged: Mapping[str, EvaluatedBackbone],
    backbones: Mapping[str, Any],
    golden: Subset,
    *,
    version: int,
    configuration: Configuration,
    origins: Mapping[str, VersionOrigin],
    folder: Path,
) -> None:
    """Write both backbones as one version number into a repository of their own; raises Rejected(`export_failed`).

    `golden` are the specimens whose answers are kept as golden inputs.
    """
    for name, backbone in backbones.items():
        try:
            export_version(
                ServedBackbone(backbone, judged[name].calibration),
                judged[name],
                golden,
                name=name,
                version=version,
                configuration=configuration,
                origin=origins[name],
                repository=folder,
                # Without a program: `add` gives a version the one that those beside it run.
                target="onnxruntime",
            )
        except (ParityError, TensorRTRuleError) as error:
            raise Rejected("export_failed", f"{name} version {version}: {error}") from error


def add(source: Path, repository: ModelRepository, versions: Mapping[str, int]) -> None:
    """Copy the versions into the repository that serves; raises as `add_version` does."""
    for name, version in versions.items():
        add_version(ModelRepository(source), repository, name, version)


def withdraw(repository: ModelRepository, client: Any, versions: Mapping[str, int]) -> None:
    """Take refused versions out of Triton and the repository; their cards stay, so that no number comes twice."""
    for name, version in versions.items():
        with repository.locked():
            served = repository.served(name)
            if version in served:
                repository.serve(name, [one for one in served if one != version])
                load(client, name)
            if repository.folder(name, version).is_dir():
                repository.remove(name, version)


def origin_of(start: StartingPoint, name: str, inputs: Inputs, learnt: int, figures: BackboneMetrics) -> VersionOrigin:
    """What the card of a refreshed version says; limits are inherited, since nobody has shown that they are lifted."""
    before = f"{name} version {start.versions[name]}"
    return VersionOrigin(
        training_digest=inputs.dataset_digest,
        data=f"{learnt} labelled specimens of dataset {inputs.dataset_digest[:12]}, going on from {before}",
        description=(
            f"Refreshed from {before} by run {inputs.run}. On {figures.specimens} specimens of the fixed evaluation "
            f"set: AUC level 1 {figures.level1_auc:.3f}, level 2 {figures.level2_mean_auc:.3f}, level 3 "
            f"{figures.level3_mean_auc:.3f}. The limits are those of the version it goes on from."
        ),
        limits=start.cards[name].limits,
        evaluation_key=decision_key(inputs.run),
    )
