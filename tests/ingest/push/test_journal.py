import os
from dataclasses import replace
from pathlib import Path

from services.common.events.animal import Animal
from services.ingest.push.image import LocalFile, PushImage
from services.ingest.push.journal import UploadJournal
from tests.ingest.push.files import write_picture


def test_an_entry_survives_and_matches_only_the_same_file_and_values(tmp_path: Path) -> None:
    file = write_picture(tmp_path / "a.png")
    image = PushImage(LocalFile(file), "7", "JAX", "IMPC_XRY_034_001")
    path = tmp_path / "state" / "journal"
    with UploadJournal(path) as journal:
        assert not journal.has(image)
        journal.add(image, "e1")
    with UploadJournal(path) as journal:
        assert journal.has(image)
        assert not journal.has(replace(image, biological_sample_id="8"))
        assert not journal.has(replace(image, parameter_stable_id="IMPC_XRY_048_001"))
        assert not journal.has(replace(image, animal=Animal(sample_group="control")))
    with UploadJournal(path, again=True) as journal:
        assert not journal.has(image)
    os.utime(file, ns=(1, 1))
    assert not UploadJournal(path).has(image)


def test_a_torn_last_line_counts_as_not_done_and_damages_no_other(tmp_path: Path) -> None:
    first = PushImage(LocalFile(write_picture(tmp_path / "a.png")), "7", "JAX", "IMPC_XRY_034_001")
    second = replace(first, biological_sample_id="8")
    third = replace(first, biological_sample_id="9")
    path = tmp_path / "journal"
    with UploadJournal(path) as journal:
        journal.add(first, "e1")
        journal.add(second, "e2")
    path.write_bytes(path.read_bytes()[:-30])
    with UploadJournal(path) as journal:
        assert (journal.has(first), journal.has(second)) == (True, False)
        journal.add(third, "e3")
    assert UploadJournal(path).has(third)
