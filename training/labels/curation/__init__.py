"""Turns observation records into labels of specimens."""

from training.labels.curation.decide import Curation
from training.labels.curation.specimen import Exclusion, LabelSet, SpecimenLabels

__all__ = ["Curation", "Exclusion", "LabelSet", "SpecimenLabels"]
