from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.common.errors import Rejected
from tests.training.evaluation.cohort import predictions
from training.evaluation.parquet import load, save
from training.metrics.groups import by_kind
from training.metrics.predictions import Abnormality, Predictions
from training.report.findings import find


def _with_findings(made: Predictions) -> Predictions:
    """Every third abnormal specimen has a tail kink, others a rib fusion; every tenth has both."""
    findings: list[tuple[Abnormality, ...]] = []
    for row, abnormal in enumerate(made.labels[:, 0]):
        kink, fusion = Abnormality("tail_kink", 0.5 + row / 1000), Abnormality("rib_fusion", 0.9)
        both = row % 10 == 0
        findings.append(
            (kink, fusion) if both and abnormal else ((kink,) if row % 3 else (fusion,)) if abnormal else ()
        )
    return replace(made, findings=tuple(findings))


def test_kinds_are_of_specimens_with_this_one_finding_against_all_normal_ones() -> None:
    made = _with_findings(predictions(specimens=300))
    served = made.served.copy()
    kinks = [row for row, each in enumerate(made.findings or ()) if [one.kind for one in each] == ["tail_kink"]]
    served[:, 0] = 0.2
    served[kinks, 0] = 0.9
    found = {one.kind: one for one in by_kind(replace(made, served=served))}
    kink, fusion = found["tail_kink"], found["rib_fusion"]
    assert list(found) == ["tail_kink", "rib_fusion"]
    assert kink.auc.auc.value == 1
    assert kink.auc.specimens == len(kinks) + 150
    assert kink.detectable
    assert fusion.auc.auc.value == 0.5
    assert not fusion.detectable
    assert sum(kink.specimens) == kink.auc.abnormal == len(kinks)
    low = [row for row in kinks if 0.5 + row / 1000 <= 0.6]
    assert kink.specimens == (len(low), len(kinks) - len(low), 0)
    assert [one.value for one in kink.detected[:2]] == [1, 1]
    assert [one.value for one in fusion.detected[2:]] == [0]
    assert fusion.labels_found == 0


def test_unknown_findings_give_no_kinds() -> None:
    assert by_kind(predictions(specimens=60)) == []


def test_findings_and_parts_survive_the_file(tmp_path: Path) -> None:
    made = _with_findings(predictions(specimens=40))
    made = replace(made, unseen=np.arange(40) >= 30)
    save(made, tmp_path / "p.parquet")
    read = load(tmp_path / "p.parquet")
    assert read.findings == made.findings
    assert read.unseen is not None
    assert read.unseen.tolist() == [False] * 30 + [True] * 10


@pytest.mark.parametrize(
    ("column", "values", "reason"), [("part", "train", "unknown_part"), ("findings", "kink", "wrong_type")]
)
def test_a_wrong_optional_column_is_refused(tmp_path: Path, column: str, values: str, reason: str) -> None:
    save(predictions(specimens=20), tmp_path / "p.parquet")
    table = pq.read_table(tmp_path / "p.parquet")
    pq.write_table(table.append_column(column, pa.array([values] * 20)), tmp_path / "p.parquet")
    with pytest.raises(Rejected) as refused:
        load(tmp_path / "p.parquet")
    assert refused.value.reason == reason


def test_specimens_of_unseen_centres_are_kept_out_of_the_test_part() -> None:
    made = predictions(specimens=400)
    unseen = np.array([centre == "WTSI" for centre in made.centres])
    served = made.served.copy()
    served[unseen, 0] = 0.5
    whole = replace(made, served=served, unseen=unseen)
    findings = find([whole])
    run = findings.runs[0]
    assert len(findings.test_set) == 300
    assert {row.specimens for _, rows in findings.auc for row in rows if row.level == 1} == {300}
    assert {group.name: group.in_training for group in run.centres}["WTSI"] is False
    seen, elsewhere = run.seen_and_unseen
    assert (seen.specimens, elsewhere.specimens) == (300, 100)
    assert seen.levels[0].value > 0.8
    assert elsewhere.levels[0].value == 0.5


def test_baselines_stand_in_the_table_but_not_in_detail() -> None:
    made = predictions(specimens=120)
    baseline = replace(made, origin=made.origin.model_copy(update={"model": "average", "baseline": True}))
    findings = find([baseline, made])
    assert [group.model for group, _ in findings.auc] == ["average", "convnext"]
    assert [run.name for run in findings.runs] == ["convnext small MV, seed 1"]
    assert [run.name for run in find([baseline]).runs] == ["average small MV, seed 1"]
