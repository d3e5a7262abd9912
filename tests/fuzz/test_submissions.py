"""XML submissions of centres: each is planned, with images whose events are valid or refused, or has a reason."""

from pathlib import Path
from random import Random
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import pytest

from services.common.errors import Rejected
from services.common.topics import IMAGES
from services.ingest.dcc.content import DccSubmission
from services.ingest.dcc.plan import MediaLookup, read_submission, skip_shared
from services.ingest.dcc.receipts import SubmissionReceipts
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.upload import _event
from tests.fuzz.harness import ACCEPTED, TIMEOUT, run
from tests.fuzz.hostile_json import HOSTILE_TEXT, changed_bytes
from tests.fuzz.oracle import check_accepted
from tests.ingest.submissions.submissions import experiment, medium, observed, submission
from training.labels.sources.read import read

pytestmark = pytest.mark.timeout(TIMEOUT)
REASONS: Final = {"xml_too_large", "xml_forbidden", "not_xml", "not_a_submission", "centre_unknown"}
LABEL_REASONS: Final = {*REASONS, "empty_source", "not_json", "not_solr", "source_too_large", "not_csv"}
URIS: Final = (
    *("a.dcm", "sub/a.dcm", "file:///a.dcm", "ftp://host/sub/a.dcm", "s3://bucket/a.dcm", "https://h.test/a.dcm?sig=1"),
    *(
        "../outside.dcm",
        "/etc/passwd",
        "sub/../../outside.dcm",
        "file:///../outside.dcm",
        "%2e%2e/outside.dcm",
        "..\\outside.dcm",
    ),
    *(
        "C:\\scans\\a.dcm",
        "s3://[/x",
        "https://a℀b/x",
        "https://[::1/x",
        "//host/a.dcm",
        "a%00.dcm",
        "sub",
        ".",
        "a" * 5000,
    ),
)
PIECES: Final = (
    *(
        b"<",
        b">",
        b"&",
        b"&amp;",
        b"&#0;",
        b"&#x1F42D;",
        b"&#xD800;",
        b"&x;",
        b"]]>",
        b"<![CDATA[",
        b"<!--",
        b"-->",
        b"<?x?>",
    ),
    *(
        b'<!DOCTYPE a [<!ENTITY x "y">]>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        b"<a:b/>",
        b'xmlns="x"',
        b"\0",
        b"\xff",
    ),
    *(
        b'<value URI="a.dcm"/>',
        b"<experiment>",
        b"</experiment>",
        b"</centre>",
        b"<centre/>",
        b"<procedure/>",
        b"<specimenID/>",
    ),
)
XML_TEXT: Final = tuple(text for text in HOSTILE_TEXT if text.isprintable())


def changed_submission(random: Random) -> bytes:
    """A submission with hostile names, texts and structure, and perhaps with some bytes changed."""

    def text() -> str:
        return escape(random.choice((*XML_TEXT, "m1", "yes", "x" * 12_000 if random.random() < 0.02 else "x")))

    def parameter() -> str:
        return random.choice(("IMPC_XRY_034_001", "IMPC_XRY_048_001", "IMPC_XRY_051_001", "IMPC_XRY_001_001", text()))

    def attribute(value: str) -> str:
        return quoteattr(value)[1:-1].replace('"', "&quot;")

    def media() -> str:
        uris = [attribute(random.choice((*URIS, *URIS, *XML_TEXT))) for _ in range(random.choice((0, 1, 2)))]
        return medium(attribute(parameter()), *uris, associations=("IMPC_XRY_035_001",) * random.choice((0, 1, 3)))

    def parts() -> list[str]:
        count = random.choice((0, 1, 2, 4, 4, 3000 if random.random() < 0.02 else 1))
        return [media() if random.random() < 0.7 else observed(attribute(parameter()), text()) for _ in range(count)]

    def animal() -> str:
        made = experiment("m1", *parts(), procedure=random.choice(("IMPC_XRY_001", "JAX_XRY_001", "IMPC_DXA_001")))
        made = made.replace("2024-05-02", attribute(random.choice(("2024-05-02", *XML_TEXT))))
        return made.replace(">m1<", f">{random.choice(('m1', 'm2', text()))}<")

    centre = attribute(random.choice(("J", "Wtsi") if random.random() < 0.9 else XML_TEXT))
    whole = submission(*(animal() for _ in range(random.choice((1, 1, 2, 5)))), centre=centre)
    if random.random() < 0.05:
        depth = random.choice((31, 40, 50_000))
        whole = whole.replace("</procedure>", "<a>" * depth + "</a>" * depth + "</procedure>", 1)
    data = whole.encode(errors="replace")
    if random.random() < 0.05:
        data = whole.replace("UTF-8", random.choice(("UTF-16", "ISO-8859-1", "UTF-7", "x"))).encode("utf-16")
    return changed_bytes(random, data, PIECES) if random.random() < 0.4 else data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A centre's folder with two images, and a file next to it that must not be sent."""
    (tmp_path / "centre" / "sub").mkdir(parents=True)
    for name in ("centre/a.dcm", "centre/sub/a.dcm", "outside.dcm"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path / "centre"


def check_planned(planned: DccSubmission, folder: Path) -> None:
    """Every image is below the folder or at an address, and its event is valid or refused by name."""
    skip_shared([planned])
    for animal in planned.animals.values():
        for image in (one.planned for one in animal.images):
            if not isinstance(image, PushImage):
                assert image.reason.isidentifier()
                continue
            if isinstance(image.source, LocalFile):
                assert image.source.path.resolve().is_relative_to(folder)
                image.source.read()
            image.source.fingerprint()
            try:
                check_accepted(IMAGES, _event(image, "bucket", "0" * 64))
            except Rejected as rejected:
                assert rejected.reason == "event_invalid"
    for receipt in SubmissionReceipts([planned]).receipts():
        assert receipt.centre


def test_submissions(folder: Path) -> None:
    path = folder / "submission.xml"

    def fetch(uri: Any) -> bytes:
        raise AssertionError(uri)

    def check(random: Random) -> str:
        path.write_bytes(changed_submission(random))
        try:
            planned = read_submission(path, MediaLookup(None, fetch))
        except Rejected as rejected:
            assert path.name in rejected.message
            rejected.message.encode()
            return rejected.reason
        check_planned(planned, folder)
        return ACCEPTED

    run("submissions", check, REASONS)


def test_sources_of_labels(folder: Path) -> None:
    path = folder / "labels.xml"

    def check(random: Random) -> str:
        path.write_bytes(changed_submission(random))
        try:
            for item in read(path):
                str(item).encode()
        except Rejected as rejected:
            return rejected.reason
        return ACCEPTED

    run("sources of labels", check, LABEL_REASONS)
