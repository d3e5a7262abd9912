"""Whatever bytes a source holds, reading it gives items or a refusal that names the file."""

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.common.errors import Rejected
from tests.training.labels.making import curate
from tests.training.labels.test_centre_xml import SUBMISSION
from training.labels.report.write import labels_csv
from training.labels.sources import Item, read

STARTS = (
    SUBMISSION.encode(),
    b'{"response": {"docs": [{"parameter_stable_id": "IMPC_XRY_008_001", "specimen_id": "a", "data_point": 13.0}]}}',
    b'{"parameter_stable_id": "IMPC_XRY_056_001", "biological_sample_id": 1, "category": "no"}\n' * 2,
    b"parameter_stable_id,specimen_id,value\nIMPC_XRY_056_001,a,no\nIMPC_XRY_008_001,a,13\n",
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good source with a piece of it replaced by other bytes."""
    content = draw(st.sampled_from(STARTS))
    begin = draw(st.integers(0, len(content)))
    end = draw(st.integers(begin, min(begin + 200, len(content))))
    return content[:begin] + draw(st.binary(max_size=40)) + content[end:]


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=200), damaged()))
@example(b"\xff\xfe<\x00")
@example(b'[{"parameter_stable_id": {"a": 1}, "specimen_id": []}]')
@example(b'{"parameter_stable_id": "IMPC_XRY_008_001", "specimen_id": "a", "data_point": NaN}')
@example(b'{"parameter_stable_id": "IMPC_XRY_008_001", "specimen_id": "\\ud800", "category": "\\ud800"}')
@example(b'{"parameter_stable_id": "IMPC_XRY_008_001", "specimen_id": "a", "data_point": ' + b"9" * 5000 + b"}")
@example(b'parameter_stable_id,specimen_id,value\nIMPC_XRY_056_001,a,"' + b"x" * 200_000)
@example(b"parameter_stable_id,specimen_id,value,value\nIMPC_XRY_056_001,a,no,yes\n")
@example(b"parameter_stable_id,specimen_id,value\nIMPC_XRY_056_001,a\x00,no\n")
def test_any_bytes_give_items_or_a_refusal(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        path.write_bytes(content)
        items: list[Item] = []
        text = str(path)
        try:
            items.extend(read(path))
        except Rejected as refusal:
            text = refusal.message
        assert str(path) in text
        assert labels_csv(curate(items)).encode()
