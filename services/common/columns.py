"""Checks the columns of a table that a person wrote."""

from collections.abc import Collection, Sequence
from pathlib import Path

from services.common.errors import Fatal


def check_columns(path: Path, found: Collection[str], required: Sequence[str], optional: Sequence[str]) -> None:
    """Raise Fatal that names missing and unknown columns."""
    missing = [column for column in required if column not in found]
    unknown = [column for column in found if column not in (*required, *optional)]
    if missing or unknown:
        faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(unknown)}"] * bool(unknown)
        columns_are = f"required are {', '.join(required)}, optional are {', '.join(optional)}"
        msg = f"{path} {' and '.join(faults)}; {columns_are}"
        raise Fatal(msg)
