"""Small simulated sets, label sets and reviews to collect from."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np

from services.common.events import Review
from services.common.labels import LABEL_ORDER
from services.ledger.queries import ReviewRecord
from training.datasets.recipe import Part, Recipe, part_of
from training.datasets.store import SetFolder, SpecimenArrays, StoredSpecimen
from training.labels.report.write import COLUMNS
from training.simulation.bone_truth import CHANNELS, SIDE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NORMAL = (0,) * 14
SPINE = tuple(int(label in ("Abnormal", "Spine", "Shape")) for label in LABEL_ORDER)


def named(part: Part, number: int, prefix: str = "mouse") -> list[str]:
    """The first `number` names that belong to a part."""
    names = (f"{prefix}-{index}" for index in range(10_000))
    return [name for name in names if part_of(name) == part][:number]


def simulated_set(folder: Path, labels: dict[str, tuple[int, ...]], seed: int = 5) -> Path:
    """A training set of these specimens with pictures of noise."""
    store = SetFolder(folder, Recipe(specimens=len(labels), first_seed=seed))
    random = np.random.default_rng(seed)
    for index, (specimen, truth) in enumerate(labels.items()):
        tensor = random.integers(0, 255, size=(224, 224, 3), dtype=np.uint8)
        digest = sha256(tensor.tobytes()).hexdigest()
        views = np.zeros((2, 448, 448), dtype=np.uint8)
        bones = np.zeros((2, len(CHANNELS), SIDE, SIDE), dtype=np.uint8)
        entry = StoredSpecimen(index, specimen, "JAX", truth, digest, "", (("DV", "a" * 64, "b" * 64),))
        store.add(entry, SpecimenArrays(tensor, views, bones))
    return folder


def label_set(folder: Path, rows: dict[str, tuple[int | None, ...] | str]) -> Path:
    """`labels.csv` of specimens with 14 labels each, or the reason why one is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS)]
    for specimen, values in rows.items():
        labels = ("",) * 14 if isinstance(values, str) else tuple("" if one is None else str(one) for one in values)
        excluded = values if isinstance(values, str) else ""
        lines.append(",".join((specimen, "JAX", "C57BL/6N", "", excluded, *labels, "")))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def reviewed(specimen: str, who: str, hour: int, **verdicts: str) -> ReviewRecord:
    """A review, `hour` hours after noon; `Whole_body` stands for Whole-body."""
    named_verdicts = {label.replace("_", "-"): verdict for label, verdict in verdicts.items()}
    at = NOON + timedelta(hours=hour)
    values = {"biological_sample_id": specimen, "verdicts": named_verdicts, "who": who, "reviewed_at": at}
    review = Review.model_validate(values)
    return ReviewRecord(review.review_id, at, review)
