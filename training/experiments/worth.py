"""What a variant of the heads is worth, kept on disk as soon as it is found: a stopped study goes on behind it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from services.common.atomic import replace


@dataclass(frozen=True)
class Worth:
    """Of one backbone, variant and seed: mean AUC of levels 1, 2, 3, and mean calibration error of the 14 labels."""

    backbone: str
    variant: str
    seed: int
    auc: tuple[float, float, float]
    calibration_error: float


class KeptWorths:
    """A folder with a JSON file for each; its key names all that the worth follows from."""

    def __init__(self, folder: Path) -> None:
        """Keep them in this folder, which is made when the first is added."""
        self._folder = folder

    def get(self, key: str) -> Worth | None:
        """Return the worth of this key; None if it is not known yet."""
        path = self._path(key)
        if not path.exists():
            return None
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Worth(**{**fields, "auc": tuple(fields["auc"])})

    def add(self, key: str, worth: Worth) -> None:
        """Keep a worth, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        replace(self._path(key), (json.dumps(asdict(worth), indent=2) + "\n").encode())

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"
