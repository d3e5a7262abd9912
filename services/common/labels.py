"""The thirteen labels of a phenotype call, in their one fixed order, and the hierarchy above them.

Paper section 4: level 1 is abnormal or not, level 2 the affected part, level 3 the kind of abnormality.
"""

from __future__ import annotations

from typing import Final

LEVEL2: Final = ("Ribcage", "Spine", "Whole-body")
LEVEL3: Final = (
    "Cervical",
    "Thoracic",
    "Lumbar",
    "Caudal",
    "Morphology",
    "Shape",
    "Fusion",
    "Ribs",
    "Joints",
    "Other",
)
CALL_LABELS: Final = LEVEL2 + LEVEL3
"""Order of the 1x13 vector that `phenotype.calls` carries."""
LABEL_ORDER: Final = ("Abnormal", *CALL_LABELS)
"""Order of thresholds and calibrations: level 1, then the thirteen."""
PARENTS: Final = {
    "Cervical": ("Spine",),
    "Thoracic": ("Spine",),
    "Lumbar": ("Spine",),
    "Caudal": ("Spine",),
    "Morphology": ("Spine",),
    "Shape": ("Spine",),
    "Fusion": ("Spine", "Ribcage"),
    "Ribs": ("Ribcage",),
    "Joints": ("Whole-body",),
    "Other": ("Whole-body",),
}
"""Level-2 labels that a level-3 label can belong to, by the 53-observation table (Limbs and Skull are not modelled)."""
