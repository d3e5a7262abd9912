"""Calls as rows in the format of IMPC: one row per specimen and label, with the fields of its Solr core `experiment`.

Columns that mean the same have the same names: biological_sample_id, phenotyping_center, procedure_stable_id,
parameter_stable_id, category, mp_term_id, mp_term_name. Several values in one cell are separated by semicolons.

The IMPReSS parameters and Mammalian Phenotype (MP) terms that a label can stand for come from the label map.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from services.common.labels import CALL_LABELS, LABEL_ORDER, LEVEL2
from services.common.observations import table
from services.ledger.queries import StoredCall


@dataclass(frozen=True)
class Meaning:
    """Parameters and terms of one label, each once, in the order of the label map.

    A call gives the label, not the observation behind it, so of several terms the finding is one.
    """

    parameter_stable_ids: tuple[str, ...]
    mp_term_ids: tuple[str, ...]
    mp_term_names: tuple[str, ...]


@cache
def meanings() -> dict[str, Meaning]:
    """Return the meaning of each of the thirteen labels."""
    return {label: _meaning(label) for label in CALL_LABELS}


def _meaning(label: str) -> Meaning:
    rows = [row for row in table() if row.in_call and label in {row.level2, row.level3}]
    terms = dict(term.split(" ", 1) for row in rows for term in row.mp)
    return Meaning(tuple(row.parameter_stable_id for row in rows), tuple(terms), tuple(terms.values()))


PROCEDURE: Final = "IMPC_XRY_001"
COLUMNS: Final = (
    "biological_sample_id",
    "phenotyping_center",
    "procedure_stable_id",
    "level",
    "label",
    "category",
    "probability",
    "uncertain",
    "mp_term_id",
    "mp_term_name",
    "parameter_stable_id",
    "call_id",
    "current",
    "revision",
    "preprocessing_version",
    "activation",
    "models",
    "produced_at",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t")
_NO_MEANING: Final = Meaning((), (), ())


def write_csv(path: Path, calls: Iterable[StoredCall]) -> None:
    """Write UTF-8 CSV with a header: fourteen rows per call, level 1 and then the thirteen labels in their order.

    `category` is normal or abnormal, `probability` the consensus in [0, 1]. Only abnormal labels have terms: the
    finding is one of them. A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for stored in calls:
            writer.writerows([*map(_cell, row)] for row in _rows(stored))


def _rows(stored: StoredCall) -> Iterator[tuple[object, ...]]:
    call = stored.call
    models = ";".join(f"{output.model} {output.version}" for output in call.models)
    origin = (call.call_id, _flag(stored.current), call.revision, call.preprocessing_version, call.activation, models)
    probabilities = (call.consensus.level1, *call.consensus.level2, *call.consensus.level3)
    bits = (int(call.abnormal), *call.vector)
    for label, bit, probability in zip(LABEL_ORDER, bits, probabilities, strict=True):
        meaning = meanings().get(label, _NO_MEANING) if bit else _NO_MEANING
        yield (
            call.biological_sample_id,
            call.centre,
            PROCEDURE,
            _level(label),
            label,
            "abnormal" if bit else "normal",
            probability,
            _flag(label in call.uncertain),
            ";".join(meaning.mp_term_ids),
            ";".join(meaning.mp_term_names),
            ";".join(meaning.parameter_stable_ids),
            *origin,
            call.produced_at.isoformat(),
        )


def _cell(value: object) -> object:
    """Put an apostrophe before a text that begins like a formula, and escape what the csv module does not quote.

    Ids and names come from centres.
    """
    if not isinstance(value, str):
        return value
    text = value.replace("\r", "\\r")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _level(label: str) -> int:
    return 1 if label == LABEL_ORDER[0] else 2 if label in LEVEL2 else 3


def _flag(value: bool) -> str:
    return "true" if value else "false"
