"""Installs a candidate: exports it as a version, adds it to the repository that serves, and withdraws it if refused."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from services.common.errors import Rejected
from services.registry.admit import add_version
from services.registry.decision import decision_key
from services.registry.repository import FILE, ModelRepository
from services.registry.triton_client import load
from training.datasets.store import Subset
from training.evaluation.evaluate import EvaluatedBackbone
from training.export.graph import ParityError
from training.export.repository import read_cards
from training.export.tensorrt_rules import TensorRTRuleError
from training.export.version import VersionOrigin, export_version
from training.metrics.figures import BackboneMetrics
from training.models.output import ServedBackbone
from training.refresh.journal import Inputs
from training.refresh.start import StartingPoint


def next_version(repository: ModelRepository, models: Iterable[str]) -> int:
    """Return the number after the highest that any model has or had: cards remain after their versions are deleted."""
    known = [{*repository.versions(name), *read_cards(repository.folder(name) / FILE)} for name in models]
    return 1 + max(max(versions) for versions in known)


def export_candidate(
    judged: Mapping[str, EvaluatedBackbone],
    backbones: Mapping[str, nn.Module],
    golden: Subset,
    *,
    version: int,
    size: str,
    origins: Mapping[str, VersionOrigin],
    folder: Path,
) -> None:
    """Write all backbones as versions of one number into a separate repository; raises Rejected(`export_failed`).

    The first specimens of `golden` become the golden inputs.
    """
    for name, backbone in backbones.items():
        try:
            export_version(
                ServedBackbone(backbone, judged[name].calibration),
                judged[name],
                golden,
                name=name,
                version=version,
                size=size,
                origin=origins[name],
                repository=folder,
                # Without a program: `add_version` adds the program of the repository's other versions.
                target="onnxruntime",
            )
        except (ParityError, TensorRTRuleError) as error:
            raise Rejected("export_failed", f"{name} version {version}: {error}") from error


def install_versions(source: Path, repository: ModelRepository, versions: Mapping[str, int]) -> None:
    """Copy versions into the repository that serves; raises the errors of `add_version`."""
    for name, version in versions.items():
        add_version(ModelRepository(source), repository, name, version)


def withdraw_versions(repository: ModelRepository, client: Any, versions: Mapping[str, int]) -> None:
    """Remove refused versions from Triton and the repository; their cards stay, so that no number is used twice."""
    for name, version in versions.items():
        with repository.locked():
            served = repository.served(name)
            if version in served:
                repository.serve(name, [one for one in served if one != version])
                load(client, name)
            if repository.folder(name, version).is_dir():
                repository.remove(name, version)


def origin_of(
    start: StartingPoint, name: str, inputs: Inputs, specimens: int, figures: BackboneMetrics
) -> VersionOrigin:
    """Return the origin of a refreshed version; limits are inherited, because nothing has shown that they are lifted.

    `specimens` is the number of training specimens.
    """
    before = f"{name} version {start.versions[name]}"
    return VersionOrigin(
        training_digest=inputs.dataset_digest,
        data=f"{specimens} labelled specimens of dataset {inputs.dataset_digest[:12]}, trained further from {before}",
        description=(
            f"Refreshed from {before} by run {inputs.run}. On {figures.specimens} specimens of the fixed evaluation "
            f"set: AUC level 1 {figures.level1_auc:.3f}, level 2 {figures.level2_mean_auc:.3f}, level 3 "
            f"{figures.level3_mean_auc:.3f}. The limits are those of the version it was refreshed from."
        ),
        limits=start.cards[name].limits,
        evaluation_key=decision_key(inputs.run),
    )
