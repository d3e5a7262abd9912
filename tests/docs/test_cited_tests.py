"""Every test that a page cites as evidence exists, and every promise of docs/reliability.md cites one."""

import ast
import re
from functools import cache

import pytest

from tests.docs.reading import CLONE, PAGES

_CITED = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_PROMISE = re.compile(r"^\| (R\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
RELIABILITY = (CLONE / "docs" / "reliability.md").read_text(encoding="utf-8")
CITATIONS = sorted({(page.name, *cited) for page in PAGES for cited in _CITED.findall(page.read_text("utf-8"))})


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((CLONE / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize(("page", "file", "test"), CITATIONS, ids=lambda part: part)
def test_a_cited_test_exists(page: str, file: str, test: str) -> None:
    assert test in names_in(file), page


def test_promises_are_numbered_in_order_and_each_cites_a_test() -> None:
    promises = _PROMISE.findall(RELIABILITY)
    assert [number for number, *_ in promises] == [f"R{count}" for count in range(1, len(promises) + 1)]
    assert len(promises) == len(re.findall(r"^\| R\d+ ", RELIABILITY, re.MULTILINE)), "a row has four cells"
    assert not [number for number, _, _, evidence in promises if not _CITED.search(evidence)]
