import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.events import SpecimenView
from services.common.keys import parse_view_key, safe_segment, tensor_key, view_key
from tests.common.strategies import digests, specimen_ids

HOSTILE = [
    "a/b",
    "..",
    ".",
    "../../x",
    "a b",
    "ä",
    "a\u0308",
    "é",
    "x" * 512,
    "/" * 512,
    "a%2Fb",
    "~",
    "A",
    "a",
    "\u202e",
    ".2F",
    "/",
]


def test_hostile_ids_stay_distinct_and_safe() -> None:
    segments = [safe_segment(text) for text in HOSTILE]
    assert len(set(segments)) == len(HOSTILE)
    for segment in segments:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,180}", segment)
        assert segment not in {".", ".."}


@given(st.lists(specimen_ids, min_size=2, max_size=20, unique=True))
def test_different_ids_never_share_a_segment(ids: list[str]) -> None:
    assert len({safe_segment(text) for text in ids}) == len(ids)


@given(specimen_ids, digests)
def test_a_view_key_can_be_read_back(specimen: str, sha256: str) -> None:
    key = view_key("p1", specimen, "LAT", sha256)
    assert parse_view_key(key) == SpecimenView(view="LAT", image_sha256=sha256, view_key=key)
    assert len(key) < 400


@pytest.mark.parametrize(
    "key", ["views/p1/x/DV/short.png", "views/p1/x/PAW/" + "0" * 64 + ".png", "views/p1/x/DV/" + "0" * 64]
)
def test_foreign_objects_under_the_prefix_are_not_views(key: str) -> None:
    assert parse_view_key(key) is None


@given(st.lists(digests, min_size=2, max_size=5, unique=True))
def test_the_tensor_key_does_not_depend_on_order(names: list[str]) -> None:
    views = [
        SpecimenView(view="DV" if i % 2 else "LAT", image_sha256=name, view_key=name) for i, name in enumerate(names)
    ]
    assert tensor_key("p1", 224, views) == tensor_key("p1", 224, reversed(views))
    assert tensor_key("p1", 224, views) != tensor_key("p1", 224, views[1:])
    assert tensor_key("p1", 224, views) != tensor_key("p1", 448, views)
    assert tensor_key("p1", 224, views) != tensor_key("p2", 224, views)
