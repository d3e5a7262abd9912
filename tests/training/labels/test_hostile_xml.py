"""Hostile submissions are refused quickly."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.common.errors import Rejected
from training.labels.sources import read

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HEAD = '<centreProcedureSet><centre centreID="J"><experiment><specimenID>a</specimenID><procedure>'
TAIL = "</procedure></experiment></centre></centreProcedureSet>"
PARAMETER = '<simpleParameter parameterID="IMPC_XRY_056_001"><value>{}</value></simpleParameter>'

FORBIDDEN = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>{HEAD}{PARAMETER.format("&l9;")}{TAIL}',
    "external entity": f'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>{HEAD}{PARAMETER.format("&f;")}{TAIL}',
    "external document type": f'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">{HEAD}{TAIL}',
    "parameter entity": f'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;]>{HEAD}{TAIL}',
    "default attribute": f'<!DOCTYPE x [<!ATTLIST centre centreID CDATA "J">]>{HEAD}{TAIL}',
}


@contextmanager
def frugal(seconds: float, megabytes: float) -> Iterator[None]:
    """Fail if the block uses too much processor time or Python memory."""
    tracemalloc.start()
    started = time.process_time()  # others may be using the machine
    try:
        yield
        taken = time.process_time() - started
        peak = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    assert taken < seconds
    assert peak < megabytes


def refused(path: Path) -> str:
    with pytest.raises(Rejected) as refusal, frugal(5, 32):
        for _ in read(path):
            pass
    assert str(path) in refusal.value.message
    return refusal.value.reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_document_types_and_entities_are_refused(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / "hostile.xml"
    path.write_bytes(FORBIDDEN[name].encode(encoding))
    assert refused(path) == "xml_forbidden"


def test_a_hundred_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.write(HEAD.encode())
        file.truncate(100 * 2**20)
    assert refused(path) == "xml_too_large"


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.xml"
    path.write_text(HEAD + "<a>" * 1_000_000, encoding="utf-8")
    assert refused(path) == "not_a_submission"


def test_an_endless_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "value.xml"
    path.write_text(HEAD + PARAMETER.format("x" * 5_000_000) + TAIL, encoding="utf-8")
    assert refused(path) == "not_a_submission"


def test_an_endless_experiment_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "values.xml"
    path.write_text(HEAD + PARAMETER.format("no") * 11_000 + TAIL, encoding="utf-8")
    assert refused(path) == "not_a_submission"


@pytest.mark.parametrize("where", ["<procedure>", "</experiment>"])
def test_many_animals_of_one_experiment_do_not_multiply_without_end(tmp_path: Path, where: str) -> None:
    path = tmp_path / "animals.xml"
    text = HEAD + PARAMETER.format("no") * 50 + TAIL
    path.write_text(text.replace(where, "<specimenID>b</specimenID>" * 20_000 + where), encoding="utf-8")
    assert refused(path) == "not_a_submission"


def test_a_long_valid_submission_is_read_as_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "long.xml"
    one = HEAD.removeprefix('<centreProcedureSet><centre centreID="J">') + PARAMETER.format("no") * 50
    one += TAIL.removesuffix("</centre></centreProcedureSet>")
    path.write_text(
        '<centreProcedureSet><centre centreID="J">' + one * 400 + "</centre></centreProcedureSet>", encoding="utf-8"
    )
    with frugal(20, 8):
        assert sum(1 for _ in read(path)) == 20_000
