"""Example inputs with the file names that the commands of README and docs use."""

import json
from pathlib import Path

from tests.ingest.push.files import write_dicom
from tests.ingest.submissions.submissions import experiment, medium, observed, submission
from tests.training.datasets.collect.making import NORMAL, SPINE, label_set, named, simulated_set

_FINDING = ("183808", "JAX", "IMPC_XRY_056_001", "no")


def write_inputs(folder: Path) -> None:
    """Write images, a manifest, submissions, reviews, observations, a label set and a simulated set."""
    for view in ("DV", "LAT"):
        write_dicom(folder / "scans" / f"183808_{view}.dcm", PatientID="183808", ViewPosition=view)
    (folder / "scans" / "manifest.csv").write_text(
        "file,biological_sample_id,parameter_stable_id\n183808_DV.dcm,183808,IMPC_XRY_034_001\n", encoding="utf-8"
    )
    media = (
        medium(f"IMPC_XRY_{code}_001", f"scans/183808_{view}.dcm") for code, view in (("034", "DV"), ("048", "LAT"))
    )
    text = submission(experiment("183808", observed("IMPC_XRY_056_001", "no"), *media))
    (folder / "submissions").mkdir()
    for path in (folder / "day.xml", folder / "submissions" / "day.xml"):
        path.write_text(text, encoding="utf-8")
    (folder / "reviews.csv").write_text("biological_sample_id,abnormal\n183808,Spine\n", encoding="utf-8")
    names = ("biological_sample_id", "phenotyping_center", "parameter_stable_id", "value")
    (folder / "extra.csv").write_text(f"{','.join(names)}\n{','.join(_FINDING)}\n", encoding="utf-8")
    document = dict(zip((*names[:3], "category"), _FINDING, strict=True))
    (folder / "experiment.jsonl").write_text(json.dumps(document) + "\n", encoding="utf-8")
    label_set(folder / "labels", {"183808": NORMAL})
    truth = dict.fromkeys([*named("train", 2), *named("test", 1)], SPINE) | {named("train", 3)[2]: NORMAL}
    simulated_set(folder / "training" / "runs" / "small" / "data", truth)
