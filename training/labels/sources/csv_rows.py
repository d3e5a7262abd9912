"""CSV with the names of Solr's fields as columns (as from Solr with wt=csv), or hand-made with a column `value`."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from services.common.errors import Rejected
from training.labels.sources.record import SPECIMEN_FIELDS, VALUE_FIELDS, Item, Skipped, SourceLocation, item_of

DELIMITERS: Final = ",;\t"
MAXIMUM_HEADER: Final = 64 * 1024
"""Characters."""


def read_csv(file: BinaryIO, path: Path) -> Iterator[Item]:
    """Items of a UTF-8 CSV file with a header line, separated by comma, semicolon or tab.

    Raises Rejected `not_csv` (missing columns, not UTF-8, a stray quote), naming the line.
    """
    line = 1
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            header = text.readline(MAXIMUM_HEADER)
            delimiter = max(DELIMITERS, key=header.count)
            columns = next(csv.reader([header], delimiter=delimiter), [])
            _check(columns, path)
            rows = csv.reader(text, delimiter=delimiter, strict=True)
            for row in rows:
                line = rows.line_num + 1
                yield from _row_items(columns, row, SourceLocation(path.name, line))
    except UnicodeDecodeError as error:
        message = f"{path}:{line}: not UTF-8 after this line; a source must be XML, JSON, or CSV in UTF-8"
        raise Rejected("not_csv", message) from error
    except csv.Error as error:
        raise Rejected("not_csv", f"{path}:{line}: {error} after this line; fix its quotes") from error


def _check(columns: list[str], path: Path) -> None:
    for names in (("parameter_stable_id",), SPECIMEN_FIELDS, VALUE_FIELDS):
        if not set(names) & set(columns):
            needed = names[0] if len(names) == 1 else f"one of {', '.join(names)}"
            found = ", ".join(columns)[:200] or "nothing"
            raise Rejected("not_csv", f"{path}:1: no column {needed}; the header has {found}")


def _row_items(columns: list[str], row: list[str], location: SourceLocation) -> Iterator[Item]:
    if not row:
        return
    if len(row) != len(columns):
        message = f"{len(row)} cells under a header of {len(columns)}"
        yield Skipped("wrong_number_of_cells", message, location)
        return
    yield item_of(dict(zip(columns, row, strict=True)), location)
