"""What one backbone said, with the names that trace it."""

from __future__ import annotations

from services.common.events import ModelOutput, Probabilities
from services.registry.triton_client import Backbone


def model_output(backbone: Backbone, probabilities: Probabilities) -> ModelOutput:
    """Return a backbone's probabilities as a call keeps them."""
    return ModelOutput(
        model=backbone.model,
        version=backbone.version,
        calibration_digest=backbone.card.calibration_digest,
        training_digest=backbone.card.training_digest,
        probabilities=probabilities,
    )
