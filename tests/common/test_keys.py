import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.common.events import SpecimenView
from services.common.events.animal import Animal
from services.common.events.base import Centre
from services.common.keys import (
    StoredAnimal,
    StoredFlags,
    StoredView,
    StoredWithdrawal,
    animal_key,
    flags_key,
    parse_specimen_key,
    safe_segment,
    specimen_prefix,
    tensor_key,
    view_key,
    withdrawal_key,
)
from tests.common.strategies import digests, specimen_ids


def is_centre(name: str) -> bool:
    try:
        TypeAdapter(Centre).validate_python(name)
    except (ValidationError, UnicodeEncodeError):
        return False
    return True


centre_names = st.text(min_size=1, max_size=64).filter(is_centre)

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


@given(specimen_ids, centre_names, digests)
def test_the_keys_of_a_specimen_can_be_read_back(specimen: str, centre: str, sha256: str) -> None:
    key = view_key("p1", specimen, centre, "LAT", sha256)
    assert parse_specimen_key(key) == StoredView("p1", centre, "LAT", sha256, key)
    withdrawn = withdrawal_key(specimen, centre, "DV", sha256)
    assert parse_specimen_key(withdrawn) == StoredWithdrawal(centre, "DV", sha256)
    assert key.startswith(specimen_prefix(specimen))
    assert withdrawn.startswith(specimen_prefix(specimen))
    flagged = flags_key(key, ["view_uncertain", "mirrored_suspected"])
    stored_flags = StoredFlags("p1", centre, "LAT", sha256, ("mirrored_suspected", "view_uncertain"))
    assert parse_specimen_key(flagged) == stored_flags
    animal = Animal(sample_group="control", sex="male", strain_accession_id="a" + ":" * 63)
    stated = animal_key(specimen, centre, "DV", sha256, animal)
    assert parse_specimen_key(stated) == StoredAnimal(centre, "DV", sha256, animal)
    assert all(one.startswith(specimen_prefix(specimen)) for one in (flagged, stated))
    assert max(len(key), len(withdrawn)) < 520
    assert max(len(flagged), len(stated)) < 1024
    assert max(len(segment) for one in (key, stated) for segment in one.split("/")) < 255


@pytest.mark.parametrize("centre", ["withdrawn", "animal", "DV", "a/b", "..", "p1"])
def test_no_centre_is_taken_for_a_withdrawal(centre: str) -> None:
    key = view_key("p1", "x", centre, "DV", "0" * 64)
    assert parse_specimen_key(key) == StoredView("p1", centre, "DV", "0" * 64, key)


@pytest.mark.parametrize(
    "key",
    [
        "views/x/p1/JAX/DV/short.png",
        "views/x/p1/JAX/PAW/" + "0" * 64 + ".png",
        "views/x/p1/JAX/DV/" + "0" * 64,
        "views/x/withdrawn/JAX/DV/" + "0" * 64 + ".png",
        "views/x/p1/.FF/DV/" + "0" * 64 + ".png",
        "views/p1/x/DV/" + "0" * 64 + ".png",
        "views/x/animal/JAX/DV/" + "0" * 64,
        "views/x/animal/JAX/DV/" + "0" * 64 + "/sex.3Drat",
        "views/x/p1/JAX/DV/" + "0" * 64 + "/sex.3Dmale",
        "views/x/withdrawn/JAX/DV/" + "0" * 64 + ".flags/view_uncertain",
    ],
)
def test_foreign_objects_under_the_prefix_are_not_read(key: str) -> None:
    assert parse_specimen_key(key) is None


@given(st.lists(digests, min_size=2, max_size=5, unique=True))
def test_the_tensor_key_does_not_depend_on_order(names: list[str]) -> None:
    views = [
        SpecimenView(view="DV" if i % 2 else "LAT", image_sha256=name, view_key=name) for i, name in enumerate(names)
    ]
    assert tensor_key("p1", 224, views) == tensor_key("p1", 224, reversed(views))
    assert tensor_key("p1", 224, views) != tensor_key("p1", 224, views[1:])
    assert tensor_key("p1", 224, views) != tensor_key("p1", 448, views)
    assert tensor_key("p1", 224, views) != tensor_key("p2", 224, views)
