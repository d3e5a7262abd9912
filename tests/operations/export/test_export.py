"""`xray calls export` on a real ledger."""

import csv
import hashlib
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from services.cli.main import app
from services.common.events import PhenotypeCall
from services.common.labels import LABEL_ORDER
from services.ledger.database import Connection
from services.ledger.queries import stored_calls
from services.ledger.writer import Ledger
from tests.ledger.examples import call, records

pytestmark = pytest.mark.integration

Export = Callable[..., str]


@pytest.fixture
def export(dsn: str, tmp_path: Path) -> Export:
    def run(file: str, *options: str, exit_code: int = 0) -> str:
        arguments = ["calls", "export", str(tmp_path / file), *options]
        answer = CliRunner().invoke(app, arguments, env={"XRAY_POSTGRES_DSN": dsn}, catch_exceptions=False)
        assert answer.exit_code == exit_code, answer.output
        assert answer.stdout == ""
        return answer.stderr

    return run


def write(ledger: Ledger, *calls: PhenotypeCall) -> None:
    ledger.write(records(calls))


def test_only_the_current_calls_unless_history_is_asked_for(ledger: Ledger, export: Export, tmp_path: Path) -> None:
    ranks = [(1, 2, 9), (1, 3, 1), (2, 2, 1), (2, 2, 2)]
    calls = [call("m1", revision=r, generation=g, activation=a) for g, r, a in ranks]
    random.Random(5).shuffle(calls)
    write(ledger, *calls, call("m2", centre="TCP"))
    export("calls.parquet")
    rows = parquet.read_table(tmp_path / "calls.parquet").to_pylist()
    kept = [(row["biological_sample_id"], row["preprocessing_generation"], row["activation"]) for row in rows]
    assert kept == [("m1", 2, 2), ("m2", 1, 1)]
    assert "5 calls" in export("history.parquet", "--history")
    rows = parquet.read_table(tmp_path / "history.parquet").to_pylist()
    assert [row["current"] for row in rows] == [False, False, False, True, True]
    assert "1 calls" in export("tcp.parquet", "--history", "--centre", "TCP")


def test_a_row_of_parquet_holds_the_call(ledger: Ledger, export: Export, tmp_path: Path) -> None:
    one = call("m1 \N{MOUSE}", uncertain=("Spine", "Abnormal"))
    write(ledger, one)
    export("calls.parquet")
    (row,) = parquet.read_table(tmp_path / "calls.parquet").to_pylist()
    assert [row[name] for name in ("biological_sample_id", "abnormal", "spine", "ribcage", "whole_body", "other")] == [
        "m1 \N{MOUSE}",
        True,
        True,
        False,
        False,
        False,
    ]
    assert (row["p_abnormal"], row["p_spine"], row["p_whole_body"], row["p_other"]) == (0.9, 0.8, 0.3, 0.1)
    assert row["uncertain"] == ["Spine", "Abnormal"]
    assert [(output["model"], output["version"], output["level1"]) for output in row["models"]] == [
        ("convnext", 3, 0.9),
        ("cae", 3, 0.9),
    ]
    assert [view["view_key"] for view in row["views"]] == [view.view_key for view in one.views]
    assert (row["announced_at"], row["produced_at"]) == (one.announced_at, one.produced_at)


def test_rows_in_the_format_of_impc_name_the_terms_of_abnormal_labels(
    ledger: Ledger, export: Export, tmp_path: Path
) -> None:
    write(ledger, call("m,1", vector=(0, 1, 1, *(0,) * 8, 1, 0)))
    export("calls.csv")
    rows = list(csv.DictReader((tmp_path / "calls.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == list(LABEL_ORDER)
    assert {row["biological_sample_id"] for row in rows} == {"m,1"}
    abnormal = {row["label"]: row for row in rows if row["category"] == "abnormal"}
    assert list(abnormal) == ["Abnormal", "Spine", "Whole-body", "Joints"]
    joints = abnormal["Joints"]
    assert (joints["mp_term_id"], joints["mp_term_name"]) == ("MP:0002932", "abnormal joint morphology")
    assert joints["parameter_stable_id"] == "IMPC_XRY_027_001"
    assert "MP:0000161" in abnormal["Spine"]["mp_term_id"].split(";")
    assert all(not row["mp_term_id"] for row in rows if row["category"] == "normal")
    assert [row["uncertain"] for row in rows if row["label"] in {"Spine", "Ribcage"}] == ["false", "true"]
    assert (rows[2]["level"], rows[2]["probability"], rows[2]["models"]) == ("2", "0.8", "convnext 3;cae 3")


@pytest.mark.parametrize("file", ["calls.parquet", "calls.csv"])
def test_the_same_ledger_gives_the_same_bytes(ledger: Ledger, export: Export, tmp_path: Path, file: str) -> None:
    write(ledger, *(call(f"m{number}", revision=2 + number % 3) for number in range(40)))

    def digest() -> str:
        export(file)
        return hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()

    first = digest()
    assert digest() == first
    assert [path.name for path in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize(("file", "rows"), [("calls.parquet", 0), ("calls.csv", 1)])
@pytest.mark.usefixtures("ledger")
def test_an_empty_ledger_gives_an_empty_file(export: Export, tmp_path: Path, file: str, rows: int) -> None:
    assert "0 calls" in export(file)
    path = tmp_path / file
    found = parquet.read_table(path).num_rows if file.endswith("parquet") else len(path.read_text().splitlines())
    assert found == rows


def test_a_failed_export_keeps_the_older_file(ledger: Ledger, export: Export, tmp_path: Path) -> None:
    write(ledger, call("m1"))
    export("calls.csv")
    before = (tmp_path / "calls.csv").read_bytes()
    write(ledger, call("m2", labels=tuple("abcdefghijklm")))
    answer = CliRunner().invoke(app, ["calls", "export", str(tmp_path / "calls.csv")], env=dsn_of(ledger))
    assert "labels_unknown" in str(answer.exception)
    assert (tmp_path / "calls.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


def dsn_of(ledger: Ledger) -> dict[str, str]:
    return {"XRAY_POSTGRES_DSN": ledger._dsn}


def test_calls_recorded_meanwhile_are_left_out(ledger: Ledger, reader: Connection) -> None:
    write(ledger, *(call(f"m{number}") for number in range(1200)))
    with stored_calls(reader, history=True, centre=None) as (number, calls):
        first = next(calls)
        write(ledger, call("m5", revision=3), call("zzz"))
        rest = list(calls)
    assert number == 1200 == len(rest) + 1
    assert all(one.current for one in (first, *rest))


def test_memory_is_bounded_whatever_the_number_of_calls(ledger: Ledger, reader: Connection) -> None:
    write(ledger, *(call(f"m{number}") for number in range(6000)))
    tracemalloc.start()
    with stored_calls(reader, history=True, centre=None) as (_, calls):
        count = sum(1 for _ in calls)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 6000
    assert peak < 12e6  # all rows at once would be about 50 MB
