"""CSV files that people write: manifests, reviews and sources of labels."""

import csv
import io
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import pytest

from services.common.errors import Fatal, Rejected
from services.common.topics import IMAGES, REVIEWS
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.manifest import read_manifest
from services.ingest.push.upload import _event
from services.operations.reviews import ReviewLine, compose, read_lines
from tests.fuzz.harness import ACCEPTED, TIMEOUT, run
from tests.fuzz.hostile_json import HOSTILE_TEXT, changed_bytes
from tests.fuzz.oracle import EVENT_REASONS, check_accepted
from training.labels.sources.read import read

T = TypeVar("T")
pytestmark = pytest.mark.timeout(TIMEOUT)
PIECES: Final = (
    b'"',
    b'""',
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\x1a",
    b"\xef\xbb\xbf",
    b"=1+1",
    b",,,,",
)
MANIFEST: Final = ("file", "biological_sample_id", "parameter_stable_id", "increment", "acquired_at", "sha256")
REVIEW: Final = ("biological_sample_id", "abnormal", "normal", "unknown", "who", "note", "reviewed_at")
LABELS: Final = (
    "parameter_stable_id",
    "biological_sample_id",
    "phenotyping_center",
    "external_sample_id",
    "category",
    "parameter_status",
)
CELLS: Final = {
    "file": ("a.png", "b.png", "sub/c.png"),
    "biological_sample_id": ("183808", "183809"),
    "parameter_stable_id": ("IMPC_XRY_034_001", "IMPC_XRY_048_001"),
    "acquired_at": ("", "2024-05-31T12:00:00+00:00", "2024-05-31"),
    "sha256": ("", "0" * 64),
    "abnormal": ("", "Spine", "Ribs, Spine", "abnormal"),
    "normal": ("", "Ribs", "Abnormal"),
    "unknown": ("", "Fusion"),
    "reviewed_at": ("", "2026-05-31T12:00:00+00:00"),
}
"""Good cells; other columns take any text."""


def changed_table(random: Random, columns: tuple[str, ...], hostile: float) -> bytes:
    """A table of the columns with a share of hostile cells, and perhaps other columns or changed bytes."""
    names = list(columns)
    if random.random() < 0.15:
        name = random.choice((random.choice(names), random.choice(HOSTILE_TEXT), "more"))
        names.insert(random.randint(0, len(names)), name)
    if random.random() < 0.1:
        del names[random.randrange(len(names))]

    def cell(name: str) -> str:
        if random.random() < hostile:
            return random.choice(
                (*HOSTILE_TEXT, "x" * 140_000 if random.random() < 0.02 else "x", 'a"b', "a\nb", "a,b")
            )
        return random.choice(CELLS.get(name, ("", "x")))

    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=random.choice(",,,;\t"), quoting=random.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    )
    writer.writerow(names)
    for _ in range(random.choice((0, 1, 2, 2, 40))):
        row = [cell(name) for name in names]
        writer.writerow(
            row if random.random() < 0.95 else row[: random.randint(0, len(row))] + ["more"] * random.choice((0, 9))
        )
    data = text.getvalue().encode(errors=random.choice(("replace", "surrogatepass")))
    return changed_bytes(random, data, PIECES) if random.random() < 0.25 else data


def test_manifests(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"

    def check(random: Random) -> str:
        path.write_bytes(changed_table(random, MANIFEST, 0.03))
        try:
            rows = read_manifest(path).rows
        except Fatal as fatal:
            assert path.name in str(fatal)
            return "fatal"
        for row in rows:
            planned = PushImage(
                LocalFile(row.path),
                row.biological_sample_id,
                "JAX",
                row.parameter_stable_id,
                row.increment,
                row.acquired_at,
                row.sha256,
            )
            with_reason(planned.source.read, {"file_unreadable"})
            with_reason(planned.source.fingerprint, {"file_unreadable"})
            if event := with_reason(partial(_event, planned, "bucket", "0" * 64), {"event_invalid", "digest_mismatch"}):
                check_accepted(IMAGES, event)
        return ACCEPTED

    run("manifests", check, {"fatal"})


def with_reason(action: Callable[[], T], reasons: Collection[str]) -> T | None:
    """Return what the action returns, or None if it refuses with one of these reasons."""
    try:
        return action()
    except Rejected as rejected:
        assert rejected.reason in reasons
        rejected.message.encode()
        return None


def test_reviews(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    of_lines = {"wrong_number_of_cells", "time_invalid"}
    of_reviews = {"label_unknown", "label_twice", "no_verdict", "review_from_the_future", *EVENT_REASONS}

    def composed(line: ReviewLine) -> str:
        review = compose(
            line.specimen, line.verdict_labels, who=line.who, note=line.note, reviewed_at=line.reviewed_at, call_id=None
        )
        check_accepted(REVIEWS, review)
        return ACCEPTED

    def check(random: Random) -> str:
        path.write_bytes(changed_table(random, REVIEW, 0.05))
        try:
            lines = read_lines(path, "A. Curator")
        except Fatal as fatal:
            assert path.name in str(fatal)
            return "fatal"
        for line in lines:
            if isinstance(line, ReviewLine):
                with_reason(partial(composed, line), of_reviews)
            else:
                assert line.error.reason in of_lines
        return ACCEPTED

    run("reviews", check, {"fatal"})


def test_tables_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"

    def check(random: Random) -> str:
        path.write_bytes(changed_table(random, LABELS, 0.05))
        try:
            for item in read(path):
                str(item).encode()
        except Rejected as rejected:
            assert path.name in rejected.message
            return rejected.reason
        return ACCEPTED

    run("tables of labels", check, {"not_csv", "empty_source", "not_xml", "not_a_submission", "not_json", "not_solr"})
