"""Which files are no submission, and what is said of them."""

from io import BytesIO
from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.ingest.submissions import read_experiments
from tests.ingest.submissions.submissions import experiment, submission


@pytest.mark.parametrize("encoding", ["x", "UTF-7", "shift_jis", "hex"])
def test_an_encoding_that_cannot_be_read_is_a_reason(encoding: str) -> None:
    data = submission(experiment("m1")).replace("UTF-8", encoding, 1).encode()
    with pytest.raises(Rejected, match=r"a\.xml:1: the declared encoding is not supported") as refusal:
        list(read_experiments(BytesIO(data), Path("a.xml")))
    assert refusal.value.reason == "not_xml"
