"""`xray erase` erases nothing that was not confirmed."""

import pytest
import typer
from typer.testing import CliRunner

from services.cli.erase import _confirm, app

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give an ID or --refused-before"),
        (["183808", "--refused-before", "1d"], "give an ID or --refused-before"),
        (["183808"], "--reason is needed"),
        (["183808", "--reason", " "], "--reason is needed"),
    ],
)
def test_what_is_erased_and_why_must_be_given(arguments: list[str], message: str) -> None:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(("answer", "aborted"), [("n\n", True), ("", True), ("y\n", False)])
def test_without_yes_it_asks_and_without_an_answer_it_stops(answer: str, aborted: bool) -> None:
    one = typer.Typer()

    @one.command()
    def ask() -> None:
        _confirm("erase 3 images for good", yes=False)
        typer.echo("erased")

    result = RUNNER.invoke(one, [], input=answer)
    assert ("erased" in result.output.replace("erase 3", "")) is not aborted
    assert (result.exit_code != 0) is aborted


def test_yes_asks_nothing() -> None:
    _confirm("erase 3 images for good", yes=True)
