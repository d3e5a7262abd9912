"""Markdown pages: Jinja2 templates, tables, and numbers as text."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def render(package: str, template: str, **values: Any) -> str:
    """Render a template of a package; the page ends with one newline.

    In templates, lines with only a Jinja2 statement leave no line behind. An undefined name raises UndefinedError.
    """
    environment = Environment(
        loader=PackageLoader(package, ""),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        autoescape=select_autoescape(),
    )
    return environment.get_template(template).render(**values).rstrip("\n") + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, align_right: bool = False) -> str:
    """A table with its columns to the left, or with `align_right` all but the first to the right.

    A `|` in a cell is escaped; use `escaped` for text from outside.
    """
    rule = "|---|" + "---:|" * (len(header) - 1) if align_right else _line(["---"] * len(header))
    return "\n".join([_line(header), rule, *map(_line, rows)])


def escaped(value: object) -> str:
    """Text on one line, with everything escaped that would become markup; for cells of `table` and for prose."""
    text = " ".join(str(value).split())
    return "".join(f"\\{letter}" if letter in "\\`*[]<>" else letter for letter in text)


def number(value: float | None, digits: int = 3) -> str:
    """A number with a fixed number of decimals, or `-` if there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def share(value: float) -> str:
    """A share in 0..1 as per cent."""
    return f"{100 * value:.1f} %"


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
