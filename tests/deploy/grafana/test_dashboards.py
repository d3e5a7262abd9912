"""The dashboards as files: generated, complete, and provisioned by the compose file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.__main__ import FOLDER, SOURCE, generated
from deploy.grafana.screen import COLUMNS
from deploy.grafana.screens import SCREENS
from tests.deploy.compose_file import CLONE, services

PROVISIONING = CLONE / "deploy" / "grafana" / "provisioning"


def test_the_committed_files_are_up_to_date() -> None:
    """`python -m deploy.grafana` writes them."""
    assert {path: path.read_text() for path in FOLDER.glob("*.json")} == generated()


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.stem)
def test_every_query_asks_the_provisioned_prometheus(path: Path) -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert SOURCE.uid in {source["uid"] for source in sources if source["type"] == SOURCE.type_val}
    for panel in queried(path):
        assert panel["datasource"] == {"type": "prometheus", "uid": SOURCE.uid}
        assert [target["refId"] for target in panel["targets"]] == list("ABC"[: len(panel["targets"])])


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.stem)
def test_panels_have_a_description_and_fit_the_grid(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in queried(path):
        assert len(panel["description"]) > 10
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.title)
def test_series_are_named_by_labels_that_their_query_keeps(screen: Any) -> None:
    for panel in screen.panels():
        for query in panel.queries:
            kept = {
                label.strip() for group in re.findall(r"by \(([^)]*)\)", query.expression) for label in group.split(",")
            }
            recorded = {"stage", "reason"} if ":xray_records_rejected:" in query.expression else set()
            assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= kept | recorded, query


def test_grafana_is_provisioned_with_sources_and_dashboards() -> None:
    volumes = services()["grafana"]["volumes"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "files.yml").read_text())["providers"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in volumes
    assert "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro" in volumes
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (FOLDER / Path(home).name).is_file()


def test_sources_name_containers_and_their_ports() -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    for source in sources:
        name, _, port = source["url"].removeprefix("http://").partition(":")
        assert any(published.endswith(f":{port}") for published in services()[name]["ports"])


def queried(path: Path) -> list[dict[str, Any]]:
    """The panels with queries: all except the headings."""
    return [panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row"]
