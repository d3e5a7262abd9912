"""Documents of IMPC's Solr core `experiment`: a response as saved from the server, or one document per line."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from services.common.errors import Rejected
from training.labels.sources.record import Item, SourceLocation, item_of


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
            yield from _items([_parsed(line, path, number)], path, number)


def _response(file: BinaryIO, path: Path) -> Iterator[Item]:
    content = _parsed(file.read(), path, None)
    if isinstance(content, dict):
        response = content.get("response")
        content = response.get("docs") if isinstance(response, dict) else None
    if not isinstance(content, list):
        expected = 'expected {"response": {"docs": […]}}, a list of documents, or one document per line'
        raise Rejected("not_solr", f"{path}: {expected}; query the core `experiment` with wt=json")
    yield from _items(content, path, 1)


def _items(documents: Iterable[object], path: Path, start: int) -> Iterator[Item]:
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
