"""Neither the order of records nor their repetition changes labels, digest or report."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.labels.making import curate, record, wild_types
from training.labels.report.summary import summarise
from training.labels.report.write import digest, labels_csv
from training.labels.sources import Item, Skipped, SourceLocation

VALUES = ("normal", "abnormal", "Abnormal", "yes", "no", "13", "13.0", "12", "imageOnly", "?", "MP:0000161", None)
PARAMETERS = ("001", "008", "018", "031", "054", "056", "035", "JAXLA_XRY_056_001", "HAS_XRY_056_001")

records = st.builds(
    record,
    st.sampled_from(PARAMETERS),
    st.sampled_from(VALUES),
    st.sampled_from(("a", "b", "c")),
    centre=st.sampled_from(("JAX", "ICS", None)),
    strain=st.sampled_from(("C57BL/6NJ", None)),
    group=st.sampled_from(("control", "experimental", None)),
)
skipped = st.builds(
    Skipped,
    st.sampled_from(("no_specimen", "no_parameter")),
    st.sampled_from(("one", "another")),
    st.builds(SourceLocation, st.sampled_from(("x.csv", "y.csv")), st.integers(1, 9)),
)
items = st.lists(st.one_of(records, skipped), max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.data(), items)
def test_any_order_gives_the_same_set_and_report(data: st.DataObject, given_items: list[Item]) -> None:
    shuffled = data.draw(st.permutations(given_items))
    first, second = curate(given_items), curate(shuffled)
    table = labels_csv(first)
    assert labels_csv(second) == table
    version = digest(table)
    assert summarise(first, version, []).model_dump_json() == summarise(second, version, []).model_dump_json()


@settings(max_examples=100, deadline=None)
@given(st.data(), items)
def test_a_duplicate_record_changes_no_label_and_no_conflict(data: st.DataObject, given_items: list[Item]) -> None:
    again = data.draw(st.lists(st.sampled_from(given_items), max_size=10)) if given_items else []
    first, second = curate(given_items), curate([*given_items, *again])
    assert labels_csv(first) == labels_csv(second)
    assert first.conflicts == second.conflicts


@settings(max_examples=30, deadline=None)
@given(
    st.randoms(use_true_random=False), st.lists(st.sampled_from(("12", "13", "14", "0")), min_size=115, max_size=130)
)
def test_ranges_do_not_depend_on_the_order_of_wild_types(random: Random, counts: list[str]) -> None:
    everything = [*wild_types("008", *counts), record("008", "14")]
    shuffled = list(everything)
    random.shuffle(shuffled)
    first, second = curate(everything), curate(shuffled)
    assert (first.ranges, first.specimens) == (second.ranges, second.specimens)


@settings(max_examples=150, deadline=None)
@given(items)
def test_a_specimen_to_train_on_is_coherent(given_items: list[Item]) -> None:
    for labels in curate(given_items).specimens:
        if labels.exclusion is None:
            assert labels.level1 == int(any(labels.call))
            assert all(known for entry, known in zip(labels.call, labels.scored, strict=True) if entry)
        else:
            assert not any(labels.call)
