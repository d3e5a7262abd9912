"""The journal survives a crash, and the table of recovery times is computed from it."""

from pathlib import Path

from services.chaos.journal import Journal, RoundResult, as_csv, as_markdown, recovery_rows
from services.chaos.run import ChaosOptions, open_rounds


def result(number: int, kind: str = "kill", recovery: float | None = 1.0, seed: int = 1) -> RoundResult:
    problems = () if recovery is not None else ("lost",)
    return RoundResult(
        seed=seed, number=number, kind=kind, detail="", seconds=2, recovery_seconds=recovery, problems=problems
    )


def test_rounds_that_failed_or_are_missing_are_played_again(tmp_path: Path) -> None:
    options = ChaosOptions(1, tmp_path / "new", 9)
    assert open_rounds(options, 2) == [0, 1]
    for one in (result(0), result(1, recovery=None), result(2), result(3, seed=2)):
        options.journal.add(one)
    with (tmp_path / "new" / "journal.jsonl").open("a") as file:
        file.write('\n{"seed": 1, "num')
    assert open_rounds(options, 5) == [1, 3, 4]
    options.journal.add(result(1))
    assert open_rounds(options, 3) == []
    assert Journal(tmp_path / "new" / "journal.jsonl").results(2).keys() == {3}


def test_the_table_has_median_95_percent_and_maximum_of_each_kind() -> None:
    rows = recovery_rows(
        [result(0, recovery=None), *(result(n, recovery=float(n)) for n in range(1, 21)), result(30, "cut", 3.0)]
    )
    assert rows == [("cut", 1, 3.0, 3.0, 3.0), ("kill", 20, 10.5, 19.0, 20.0), ("all", 21, 10.0, 19.0, 20.0)]
    assert recovery_rows([]) == []
    assert as_csv(rows).splitlines()[1] == "cut,1,3.0,3.0,3.0"
    assert as_markdown(rows).splitlines()[-1] == "| all | 21 | 10.0 | 19.0 | 20.0 |"
