"""What the backbones can do without their evidence of bones: it is set to its mean, and everything else stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.common.decision.arrays import Numbers
from services.common.decision.calibration import sigmoid
from training.export.weights import read_backbone, read_size
from training.models.heads import EVIDENCE
from training.models.output import Output, unit_range
from training.models.registry import find_backbone
from training.strangers.cohorts import Cohort
from training.strangers.systems import ServedSet

_BATCH = 16


def without_evidence(repository: Path, served: ServedSet, cohort: Cohort) -> dict[str, Numbers]:
    """Return each member's calibrated probabilities [n, 14] for a cohort, levels 2 and 3 given abnormal.

    Members whose backbones have no bone heads are left out. Raises the errors of `read_backbone`.
    """
    found = {}
    for member, parameters in zip(served.members, served.card.members, strict=True):
        version = repository / member.name / str(member.card.version)
        size = read_size(version)
        spec = find_backbone(member.name)
        evidence = EVIDENCE * spec.bone_heads(spec.size(size))
        if evidence:
            backbone = read_backbone(version, member.name, size, sha256=member.card.weights_sha256)
            logits = _logits(backbone, cohort, evidence)
            found[member.name] = sigmoid(logits * parameters.scale + parameters.shift)
    return found


def _logits(backbone: Any, cohort: Cohort, evidence: int) -> Numbers:
    """Return the logits [n, 14] with the last `evidence` features at the mean that training standardised them with."""
    backbone.eval()
    normalisation = backbone.get_submodule("standardise.0")
    each = []
    with torch.inference_mode():
        for start in range(0, len(cohort.tensors), _BATCH):
            output: Output = backbone(unit_range(torch.from_numpy(cohort.tensors[start : start + _BATCH])))
            if output.features is None:
                msg = "the backbone gives no features"
                raise ValueError(msg)
            features = output.features.clone()
            features[:, -evidence:] = normalisation.running_mean[-evidence:]
            each.append(backbone.classify(features).double().numpy())
    return np.concatenate(each)
