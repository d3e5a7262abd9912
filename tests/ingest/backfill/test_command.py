"""The command without Kafka and S3: dry runs and usage errors."""

import json

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from tests.ingest.backfill.documents import image_document, observation_document, serving


def test_a_dry_run_counts_and_downloads_nothing() -> None:
    images = [image_document(number) for number in range(6)]
    images[1] |= {"omero_id": -1}
    del images[2]["biological_sample_id"]
    with serving(images, [observation_document(number) for number in range(9)]) as server:
        server.faults["/solr/impc_images/select"].extend([500, "cut"])
        command = ["backfill", "--dry-run", "--solr", server.url, "--rate", "100"]
        runner = CliRunner(env={"XRAY_PRIVATE_HOSTS": "127.0.0.1"})
        answer = runner.invoke(app, [*command, "--json"], catch_exceptions=False)
        text = runner.invoke(app, [*command, "--view", "DV"], catch_exceptions=False)
        asked = set(server.requests)
    assert answer.exit_code == text.exit_code == 0
    counted = json.loads(answer.stdout)
    assert {name: counted[name] for name in counted if name != "filters"} == {
        "images": 6,
        "without_picture": 1,
        "without_biological_sample_id": 1,
        "observations": 9,
    }
    assert asked == {"/solr/impc_images/select", "/solr/experiment/select"}
    assert "at least 30 ms" in text.stdout


@pytest.mark.parametrize("option", [("--rate", "0"), ("--view", "top"), ("--only", "labels")])
def test_wrong_usage(option: tuple[str, str]) -> None:
    assert CliRunner().invoke(app, ["backfill", "--dry-run", *option]).exit_code == 2
