"""Keywords whose values can be ordered: which way a change goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, Literal

from deploy.schemas.compatibility.normal import Schema

Direction = Literal["narrowed", "widened"]


def _least(before: float | None, after: float | None) -> Direction:
    return "narrowed" if after is not None and (before is None or after > before) else "widened"


def _most(before: float | None, after: float | None) -> Direction:
    return "narrowed" if after is not None and (before is None or after < before) else "widened"


LIMITS: Final[dict[str, Callable[[float | None, float | None], Direction]]] = {
    "minimum": _least,
    "exclusiveMinimum": _least,
    "minLength": _least,
    "minItems": _least,
    "minProperties": _least,
    "maximum": _most,
    "exclusiveMaximum": _most,
    "maxLength": _most,
    "maxItems": _most,
    "maxProperties": _most,
}
"""By keyword, the direction of a change from one value to another; None is no limit. The values differ."""


def allowed(schema: Schema, keyword: str) -> frozenset[str] | None:
    """Return the values of `type` or `enum` as JSON texts, None when all are allowed; a number may be an integer."""
    value = schema.get(keyword)
    if value is None:
        return None
    values = {json.dumps(one) for one in (value if isinstance(value, list) else [value])}
    if keyword == "type" and '"number"' in values:
        values.add('"integer"')
    return frozenset(values)
