"""What a listing of a specimen's objects means."""

from services.assembler.members import MOST_OBJECTS, read_set
from services.common.events.animal import Animal, AnimalFacts
from services.common.events.base import View
from services.common.events.specimen import MOST_VIEWS
from services.common.keys import animal_key, flags_key, view_key, withdrawal_key
from tests.ledger.examples import sha256


def views(which: View, number: int, centre: str = "JAX") -> list[str]:
    return [view_key("p1", "m", centre, which, sha256(f"{which} {name}")) for name in range(number)]


def test_as_many_views_as_allowed_are_a_set() -> None:
    found = read_set([*views("DV", MOST_VIEWS), *views("LAT", MOST_VIEWS)], "p1")
    assert found.complete
    assert (found.withheld, found.revision, len(found.views)) == (None, 2 * MOST_VIEWS, 2 * MOST_VIEWS)


def test_a_specimen_with_too_many_views_is_held_until_some_are_withdrawn() -> None:
    keys = [*views("DV", 1), *views("LAT", MOST_VIEWS + 1)]
    found = read_set(keys, "p1")
    assert (found.withheld, found.revision) == ("too_many_views", MOST_VIEWS + 2)
    assert f"{MOST_VIEWS + 1} views" in found.explanation
    fewer = read_set([*keys, withdrawal_key("m", "JAX", "LAT", sha256("LAT 3"))], "p1")
    assert fewer.complete
    assert (fewer.withheld, fewer.revision, len(fewer.views)) == (None, MOST_VIEWS + 3, MOST_VIEWS + 1)


def test_a_listing_without_an_end_is_held_whatever_is_in_it() -> None:
    keys = [*views("DV", 1), *views("LAT", MOST_OBJECTS - 1)]
    withdrawn = [withdrawal_key("m", "JAX", "LAT", sha256(f"LAT {name}")) for name in range(MOST_OBJECTS - 1)]
    assert read_set(keys, "p1") == read_set([keys[0], *withdrawn], "p1")
    assert (read_set(keys, "p1").withheld, read_set(keys, "p1").revision) == ("too_many_views", MOST_OBJECTS)


def test_the_order_of_a_listing_does_not_matter() -> None:
    keys = [*views("DV", 2), *views("LAT", 2), withdrawal_key("m", "JAX", "DV", sha256("DV 0"))]
    assert read_set(keys, "p1") == read_set(keys[::-1], "p1")


def test_the_same_file_of_two_centres_is_a_conflict() -> None:
    found = read_set([*views("DV", 1), *views("LAT", 1), *views("LAT", 1, centre="TCP")], "p1")
    assert (found.withheld, found.revision, found.centre) == ("centres_conflict", 3, "JAX")


def test_the_centre_is_that_of_the_views_that_count() -> None:
    keys = [*views("DV", 1), *views("LAT", 1, centre="TCP"), *views("DV", 1, centre="TCP")]
    found = read_set([*keys, withdrawal_key("m", "JAX", "DV", sha256("DV 0"))], "p1")
    assert (found.withheld, found.centre, found.complete) == (None, "TCP", True)


def test_views_of_another_version_do_not_count() -> None:
    keys = [*views("DV", 1), view_key("p2", "m", "TCP", "LAT", sha256("x"))]
    found = read_set(keys, "p1")
    assert (found.withheld, found.revision, found.complete, found.centre) == (None, 1, False, "JAX")


def test_withdrawals_alone_are_nothing_to_publish() -> None:
    found = read_set([withdrawal_key("m", "JAX", "LAT", sha256("b"))], "p1")
    assert (found.withheld, found.revision, found.complete) == (None, 1, False)


def stated(which: View, name: int, **facts: str) -> str:
    return animal_key("m", "JAX", which, sha256(f"{which} {name}"), Animal.model_validate(facts))


def test_the_facts_are_a_function_of_the_set_whatever_the_order_and_conflicts_are_named() -> None:
    pictures = [*views("DV", 1), *views("LAT", 1)]
    said = [stated("DV", 0, sample_group="control", sex="male"), stated("LAT", 0, sample_group="control")]
    found = read_set([*pictures, *said], "p1")
    assert found.animal == AnimalFacts(sample_group="control", sex="male")
    assert found.revision == 4
    more = [*pictures, *said, stated("LAT", 0, sample_group="experimental", sex="male")]
    for keys in (more, more[::-1]):
        again = read_set(keys, "p1")
        assert again.animal == AnimalFacts(sex="male", conflicts=("sample_group",))
        assert again.revision == 5


def test_the_facts_of_a_withdrawn_picture_or_of_one_that_is_not_there_count_no_more() -> None:
    pictures = [*views("DV", 2), *views("LAT", 1)]
    said = [stated("DV", 0, sample_group="control"), stated("DV", 1, sample_group="experimental")]
    gone = withdrawal_key("m", "JAX", "DV", sha256("DV 0"))
    assert read_set([*pictures, *said, gone], "p1").animal == AnimalFacts(sample_group="experimental")
    assert read_set([*pictures, stated("LAT", 7, sex="male")], "p1").animal is None


def test_a_view_has_the_flags_that_are_stored_with_it() -> None:
    pictures = [*views("DV", 1), *views("LAT", 1)]
    flagged = [flags_key(pictures[0], ["view_uncertain"]), flags_key(pictures[0], ["orientation_uncertain"])]
    found = read_set([*pictures, *flagged, flags_key(views("LAT", 2)[1], ["mirrored_suspected"])], "p1")
    assert [view.flags for view in found.views] == [("orientation_uncertain", "view_uncertain"), ()]
    assert found.revision == 5
    assert read_set([*pictures, *flagged], "p2").revision == 0
