"""Reads a label set written by `xray train labels`."""

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.errors import Rejected
from services.common.labels import CALL_LABELS
from training.labels.curation.specimen import Exclusion
from training.labels.report.write import COLUMNS

FILE: Final = "labels.csv"
_VALUES: Final[dict[str, int | None]] = {"": None, "0": 0, "1": 1}


@dataclass(frozen=True)
class CuratedLabels:
    """Labels of one specimen: 14 of 0, 1 or None in the order of `LABEL_ORDER`, and why it is excluded, or empty."""

    labels: tuple[int | None, ...]
    exclusion: str


@dataclass(frozen=True)
class LabelFile:
    """A label set; `digest` is the SHA-256 of its file."""

    digest: str
    specimens: Mapping[str, CuratedLabels]


def read_label_set(path: Path) -> LabelFile:
    """Read a `labels.csv`, or the one in a folder.

    Raises Rejected `no_label_set` or `label_set_invalid`, naming the line.
    """
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise Rejected("no_label_set", f"{file} does not exist: make it with `xray train labels`")
    content = file.read_bytes()
    specimens: dict[str, CuratedLabels] = {}
    try:
        rows = csv.DictReader(io.StringIO(content.decode()), strict=True)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise _invalid(file, 1, "the columns are not those of `xray train labels`")
        for row in rows:
            specimen = row[COLUMNS[0]]
            if specimen in specimens:
                raise _invalid(file, rows.line_num, f"specimen {specimen} occurs twice")
            specimens[specimen] = _labels(file, rows.line_num, row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(file, len(specimens) + 2, str(error)) from None
    return LabelFile(hashlib.sha256(content).hexdigest(), specimens)


def _labels(file: Path, line: int, row: Mapping[str, str | None]) -> CuratedLabels:
    values = [row["level1"], *(row[label] for label in CALL_LABELS)]
    exclusion = row["excluded"] or ""
    if None in row or None in row.values():
        raise _invalid(file, line, "the number of cells differs from the number of columns")
    if exclusion not in {"", *Exclusion}:
        raise _invalid(file, line, f"excluded is {exclusion!r}")
    wrong = [value for value in values if value not in _VALUES]
    if wrong:
        raise _invalid(file, line, f"a label is {wrong[0]!r}, not 0, 1 or empty")
    return CuratedLabels(tuple(_VALUES[value or ""] for value in values), exclusion)


def _invalid(file: Path, line: int, what: str) -> Rejected:
    return Rejected("label_set_invalid", f"{file}:{line}: {what}: make it again with `xray train labels`", line=line)
