"""Reads any source. Its content, not its name, determines the format; observations may come from object storage.

Formats: documents of IMPC's Solr core `experiment` (a response as saved from the server, or one document per line), a
centre's XML submission, and CSV. The columns of a CSV file are the names of Solr's fields, as from Solr with wt=csv; a
hand-made file may have a column `value`.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from services.common.errors import Rejected
from services.common.settings import Settings, load
from services.common.store import ObjectStore
from services.ingest.observations import PREFIX
from services.ingest.submissions import Experiment, missing_reason, read_experiments, specimen_id
from training.labels.sources.record import (
    SPECIMEN_FIELDS,
    VALUE_FIELDS,
    Item,
    ObservationRecord,
    Skipped,
    SourceLocation,
    item_of,
)


def size_of(file: BinaryIO) -> int:
    """Size of an open file in bytes; afterwards it is positioned at its start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


MAXIMUM_RESPONSE: Final = 128 * 1024 * 1024
"""Bytes of one response, which is parsed as a whole. With one document per line only the lines are limited."""
MAXIMUM_LINE: Final = 1024 * 1024


def read_solr(file: BinaryIO, path: Path) -> Iterator[Item]:
    """Items of a JSON response, a JSON array of documents, or JSON lines; lines and documents count from 1.

    Raises Rejected `not_json`, `not_solr` or `source_too_large`, naming the file and the line.
    """
    first = next((line for line in iter(lambda: file.readline(MAXIMUM_LINE), b"") if line.strip()), b"")
    size = size_of(file)
    if _is_document(first):
        return _lines(file, path)
    if size > MAXIMUM_RESPONSE:
        advice = "fetch it in pages (start and rows) or save one document per line"
        raise Rejected("source_too_large", f"{path}: a response of more than 128 MiB; {advice}")
    return _response(file, path)


def _load(text: bytes) -> object:
    """Parse JSON, keeping numbers as the text that was sent."""
    return json.loads(text, parse_int=str, parse_float=str)


def _is_document(line: bytes) -> bool:
    try:
        document = _load(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "response" not in document


def _lines(file: BinaryIO, path: Path) -> Iterator[Item]:
    for number, line in enumerate(iter(lambda: file.readline(MAXIMUM_LINE + 1), b""), start=1):
        if len(line) > MAXIMUM_LINE:
            message = f"{path}:{number}: a line of more than 1 MiB is not an observation; remove it"
            raise Rejected("source_too_large", message)
        if line.strip():
            yield from _solr_items([_parsed(line, path, number)], path, number)


def _response(file: BinaryIO, path: Path) -> Iterator[Item]:
    content = _parsed(file.read(), path, None)
    if isinstance(content, dict):
        response = content.get("response")
        content = response.get("docs") if isinstance(response, dict) else None
    if not isinstance(content, list):
        expected = 'expected {"response": {"docs": […]}}, a list of documents, or one document per line'
        raise Rejected("not_solr", f"{path}: {expected}; query the core `experiment` with wt=json")
    yield from _solr_items(content, path, 1)


def _solr_items(documents: Iterable[object], path: Path, start: int) -> Iterator[Item]:
    for number, document in enumerate(documents, start=start):
        if not isinstance(document, dict):
            raise Rejected("not_solr", f"{path}:{number}: expected a document {{…}}, got {str(document)[:40]!r}")
        yield item_of(document, SourceLocation(path.name, number))


def _parsed(text: bytes, path: Path, line: int | None) -> object:
    try:
        return _load(text)
    except UnicodeDecodeError as error:
        location = f"{path}:{line}" if line is not None else f"{path}"
        raise Rejected("not_json", f"{location}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except json.JSONDecodeError as error:
        number = line if line is not None else error.lineno
        message = f"{path}:{number}: not JSON ({error.msg}, column {error.colno}); was the download cut off?"
        raise Rejected("not_json", message) from error
    except RecursionError as error:
        raise Rejected("not_json", f"{path}: nested too deeply to be a response of Solr") from error


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


def fetch_stored(folder: Path) -> Iterator[Path]:
    """Fetch what `xray push --dcc` and `xray backfill` stored into a folder; yield each file, in the order of the keys.

    Raises Rejected `nothing_stored`, Retriable if the store is unreachable, Fatal if it is misconfigured.
    """
    store = ObjectStore(load(Settings))
    keys = store.keys(PREFIX)
    if not keys:
        message = f"no observations below {PREFIX} of bucket {store.bucket}; see xray push --dcc and xray backfill"
        raise Rejected("nothing_stored", message)
    for key in keys:
        file = folder / PurePosixPath(key).name
        file.write_bytes(store.get(key))
        yield file


def read_xml(file: BinaryIO, path: Path) -> Iterator[Item]:
    """Items of one submission, whose schema has no strain or group; specimens of one experiment share its values.

    Raises Rejected `xml_too_large`, `xml_forbidden` (document type, entities), `not_xml` or `not_a_submission`.
    """
    for experiment in read_experiments(file, path):
        location = SourceLocation(path.name, experiment.line)
        if experiment.status and not experiment.values:
            yield Skipped("procedure_not_done", experiment.status, location)
            continue
        for external in experiment.specimens or ("",):
            yield from _items(experiment, external, location)


def _items(experiment: Experiment, external: str, location: SourceLocation) -> Iterator[Item]:
    identifier = specimen_id(None, None, experiment.centre, external)
    if identifier is None:
        yield Skipped("no_specimen", "an experiment needs a specimenID and its centre a centreID", location)
        return
    for value in experiment.values:
        here = SourceLocation(location.file, value.line)
        if not value.parameter:
            yield Skipped("no_parameter", "a parameter has no parameterID", here)
            continue
        reason = missing_reason(value.status, value.text)
        yield ObservationRecord(identifier, experiment.centre, None, None, value.parameter, value.text, reason, here)


UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks; only XML sources may be UTF-16."""


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def read(path: Path, opener: Callable[[Path], BinaryIO] = _open) -> Iterator[Item]:
    """Items of one source file, in its order; `opener` can be replaced to count the bytes read.

    Raises Rejected (`unreadable_source`, `empty_source`, and the reasons of the readers) with a message that names the
    file, the line if there is one, and how to fix it.
    """
    try:
        with opener(path) as file:
            yield from _reader(file, path)(file, path)
    except OSError as error:
        raise Rejected("unreadable_source", f"{path}: {error.strerror}") from error


def _reader(file: BinaryIO, path: Path) -> Callable[[BinaryIO, Path], Iterator[Item]]:
    start = file.read(4096)
    file.seek(0)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise Rejected("empty_source", f"{path}: the file is empty")
    if text.startswith(b"<") or start.startswith(UTF_16):
        return read_xml
    if text.startswith((b"{", b"[")):
        return read_solr
    return read_csv
