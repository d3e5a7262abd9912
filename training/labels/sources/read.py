"""Reads any source. Its content, not its name, determines the format; observations may come from object storage."""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from services.common.errors import Rejected
from services.common.settings import Settings, load
from services.common.store import ObjectStore
from services.ingest.observations import PREFIX
from services.ingest.submissions import Experiment, missing_reason, read_experiments, specimen_id
from training.labels.sources.csv_rows import read_csv
from training.labels.sources.record import Item, ObservationRecord, Skipped, SourceLocation
from training.labels.sources.solr import read_solr


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
