"""The thirteen labels of a phenotype call, in their one fixed order, and the hierarchy above them.

Paper section 4: level 1 is abnormal or not, level 2 the affected part, level 3 the kind of abnormality.
"""

from collections.abc import Collection
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
"""Level-2 labels to which a level-3 label can belong, from the 53 observations (Limbs and Skull are not modelled)."""


def parents_of(label: str) -> tuple[str, ...]:
    """Return the labels of which at least one must be abnormal if this one is; none for level 1."""
    if label in LEVEL2:
        return LABEL_ORDER[:1]
    return PARENTS.get(label, ())


def contradiction(abnormal: Collection[str], normal: Collection[str]) -> str | None:
    """Return the contradiction in one animal's labels, or None: one is abnormal while all above it are normal."""
    for label in sorted(abnormal, key=LABEL_ORDER.index):
        above = parents_of(label)
        if label in normal or LABEL_ORDER[0] in normal:
            return f"{label} cannot be abnormal while {label if label in normal else LABEL_ORDER[0]} is normal"
        if above and all(parent in normal for parent in above):
            return f"{label} cannot be abnormal while {' and '.join(above)} {'are' if len(above) > 1 else 'is'} normal"
    return None
