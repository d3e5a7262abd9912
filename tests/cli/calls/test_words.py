import io

import pytest
from rich.console import Console

from services.cli.calls.lineage import described
from services.common.events.summary import describe_call, describe_review
from services.ledger.queries import CallRecord, ImageRecord, SpecimenHistory, SpecimenState, WithdrawalRecord
from tests.ledger.examples import NOON, call, call_withdrawal, image, image_withdrawal, review, view


@pytest.mark.parametrize(
    ("vector", "abnormal", "elsewhere", "words"),
    [
        ((0, 1, 0, 1, *(0,) * 9), True, False, "Spine, Cervical"),
        ((0,) * 13, False, False, "normal"),
        ((0,) * 13, True, True, "abnormal elsewhere"),
    ],
)
def test_a_call_in_words(vector: tuple[int, ...], abnormal: bool, elsewhere: bool, words: str) -> None:
    assert describe_call(call("a", vector=vector, abnormal=abnormal, abnormal_elsewhere=elsewhere)) == words


def test_the_page_of_a_specimen_shows_hostile_text_as_it_is() -> None:
    name = "[red]a[/red] ' \u2603"
    record = CallRecord(1, NOON, True, call(name))
    older = CallRecord(2, NOON, False, call(name, activation=1))
    images = (ImageRecord("DV", NOON, 0, 0, image(name, metadata={"file_name": "[bold]x"})),)
    history = SpecimenHistory(None, images, (view(name),), (record, older), ())
    console = Console(file=io.StringIO(), width=250)
    for part in described(history):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    page = console.file.getvalue()
    for text in (name, "[bold]x", "Superseded calls", "uncertain, models disagree", "view_contradicts_parameter"):
        assert text in page


def test_the_page_of_a_specimen_without_a_call_shows_why() -> None:
    lost = call_withdrawal("m", reason="centres_conflict")
    gone = WithdrawalRecord("w", NOON, image_withdrawal("m", "LAT", "b", reason="[bold]blurred"))
    state = SpecimenState("m", "JAX", "withdrawn", NOON, NOON, NOON, 2, 0, 1, 1, 0, None)
    history = SpecimenHistory(
        state, (), (), (CallRecord(1, NOON, False, call("m")),), (), withdrawals=(gone,), call_withdrawals=(lost,)
    )
    console = Console(file=io.StringIO(), width=250)
    for part in described(history):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    page = console.file.getvalue()
    for text in ("no call since", "centres_conflict", "Superseded calls", "Withdrawn images", "[bold]blurred"):
        assert text in page
    assert "Lineage" not in page


def test_a_review_in_words_names_verdicts_in_the_order_of_labels() -> None:
    said = review("1", Fusion="abnormal", Spine="abnormal", Ribs="normal", Joints="unknown")
    assert describe_review(said) == "abnormal Spine, Fusion; normal Ribs; withdrawn Joints"
