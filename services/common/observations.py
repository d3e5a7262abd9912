"""The 53 scored observations of the IMPC X-ray procedure and the 1x13 call that they result in.

Source: IMPReSS procedure IMPC_XRY_001; classes of levels 2 and 3 after the paper, section 3.3. The map is the data file
`label_map_53.tsv`, so that another interpretation of the paper changes one row.
"""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from services.common.errors import Rejected
from services.common.labels import CALL_LABELS, LEVEL2

TABLE_FILE: Final = "label_map_53.tsv"
FROM_TERM: Final = "(from MP term)"


@dataclass(frozen=True, slots=True)
class Observation:
    """One row of the table.

    `value_type` is CATEGORICAL, INT, FLOAT or TEXT; `normal` and `abnormal` are IMPReSS options, or a text where
    a reference range decides; `missing` lists the options that mean "not scored". `level2` and `level3` are None for
    the free ontology row, whose class follows from the Mammalian Phenotype (MP) term sent with it.
    """

    parameter_stable_id: str
    name: str
    value_type: str
    normal: str
    abnormal: str
    missing: tuple[str, ...]
    level2: str | None
    level3: str | None
    mp: tuple[str, ...]

    @property
    def in_call(self) -> bool:
        """Whether the row can set an entry of the 1x13 call (Limbs and Skull cannot)."""
        return self.level2 in LEVEL2


@cache
def table() -> tuple[Observation, ...]:
    """Return the 53 observations in the order of the data file."""
    text = resources.files(__package__).joinpath(TABLE_FILE).read_text(encoding="utf-8")
    return tuple(_observation(row) for row in csv.DictReader(text.splitlines(), delimiter="\t"))


@cache
def by_parameter() -> dict[str, Observation]:
    """Return the observations by parameter stable id."""
    return {row.parameter_stable_id: row for row in table()}


def observation(parameter_stable_id: str) -> Observation:
    """Return the row of one parameter; raises Rejected `not_an_observation` for an id outside the 53."""
    row = by_parameter().get(parameter_stable_id)
    if row is None:
        raise Rejected(
            "not_an_observation",
            f"{parameter_stable_id!r} is not one of the 53 scored X-ray observations",
            parameter_stable_id=parameter_stable_id,
        )
    return row


def call_vector(abnormal_parameter_ids: Collection[str]) -> tuple[int, ...]:
    """Return thirteen 0/1 entries in the order of CALL_LABELS: the union over all abnormal observations.

    Observations of Limbs and Skull, and the free ontology row, set none. Raises Rejected `not_an_observation`.
    """
    rows = [observation(identifier) for identifier in abnormal_parameter_ids]
    present = {label for row in rows if row.in_call for label in (row.level2, row.level3)}
    return tuple(int(label in present) for label in CALL_LABELS)


def level1(abnormal_parameter_ids: Collection[str]) -> int:
    """Return 1 if any of the 53 is abnormal, else 0. Raises Rejected `not_an_observation`."""
    return int(bool([observation(identifier) for identifier in abnormal_parameter_ids]))


def abnormal_elsewhere(abnormal_parameter_ids: Collection[str]) -> bool:
    """Return whether a specimen is abnormal only outside the thirteen labels: published, but not used for training."""
    return level1(abnormal_parameter_ids) == 1 and not any(call_vector(abnormal_parameter_ids))


def _observation(row: dict[str, str]) -> Observation:
    return Observation(
        parameter_stable_id=row["parameter_stable_id"],
        name=row["name"],
        value_type=row["value_type"],
        normal=row["normal"],
        abnormal=row["abnormal"],
        missing=_parts(row["missing"], ","),
        level2=_class(row["L2"]),
        level3=_class(row["L3"]),
        mp=_parts(row["mp"], ";"),
    )


def _class(cell: str) -> str | None:
    return None if cell == FROM_TERM else cell


def _parts(cell: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(separator) if part.strip())
