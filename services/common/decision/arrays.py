"""Arrays as fields of pydantic models: JSON lists of numbers outside, read-only float64 arrays inside."""

from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

Numbers = NDArray[np.float64]
DIGITS: Final = 6
"""Significant digits kept in JSON: a tenth of what float32 outputs have, so that a snapshot stays small."""


def _read(value: Any, dimensions: int) -> Numbers:
    array = np.array(value, dtype=np.float64)
    if array.ndim != dimensions or not np.isfinite(array).all():
        msg = f"must be finite numbers in {dimensions} dimensions"
        raise ValueError(msg)
    array.setflags(write=False)
    return array


def _vector(value: Any) -> Numbers:
    return _read(value, 1)


def _matrix(value: Any) -> Numbers:
    array = _read(value, 2)
    if array.shape[0] != array.shape[1]:
        msg = f"must be square, is {list(array.shape)}"
        raise ValueError(msg)
    return array


def _rectangle(value: Any) -> Numbers:
    return _read(value, 2)


def _written(array: Numbers) -> list[Any]:
    """Return nested lists with `DIGITS` significant digits."""
    return [_written(row) if row.ndim else float(f"{row:.{DIGITS}g}") for row in array]


_WRITER: Final = PlainSerializer(_written, return_type=list[Any], when_used="json")
_LIST: Final = {"type": "array", "items": {"type": "number"}}
_LISTS: Final = {"type": "array", "items": _LIST}

Vector = Annotated[Numbers, BeforeValidator(_vector), _WRITER, WithJsonSchema(_LIST)]
"""float64 [n]."""
Matrix = Annotated[Numbers, BeforeValidator(_matrix), _WRITER, WithJsonSchema(_LISTS)]
"""float64 [n, n]."""
Table = Annotated[Numbers, BeforeValidator(_rectangle), _WRITER, WithJsonSchema(_LISTS)]
"""float64 [n, m]."""
