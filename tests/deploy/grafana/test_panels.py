"""Every panel's query on a real Prometheus that scraped a real run of the whole system."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.grafana.__main__ import FOLDER
from deploy.grafana.observed import ObservedRun, observed
from deploy.local.stack import Stack
from deploy.prometheus.server import QueryRefused, Series
from services.common.topology import SERVICES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def targets() -> list[Any]:
    """Every query of the committed files, with a readable id."""
    return [
        pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")
        for path in sorted(FOLDER.glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", [])
    ]


@pytest.fixture(scope="module")
def run(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedRun]:
    with observed(stack, tmp_path_factory.mktemp("observed"), specimens=10, times=2) as seen:
        yield seen


@pytest.mark.parametrize("expression", targets())
def test_no_panel_is_empty(run: ObservedRun, expression: str) -> None:
    assert finite(run.over(expression)), expression


def test_prometheus_reached_everything(run: ObservedRun) -> None:
    up = {series.labels.get("service", series.labels["job"]) for series in run.prometheus.now("up == 1")}
    assert up == {*SERVICES, "triton", "seaweedfs"}


def test_the_rules_watched_the_same_run(run: ObservedRun) -> None:
    """A healthy system fires no alert; Triton was down too briefly to fire one."""
    firing = run.over(
        'ALERTS{alertstate="firing", alertname!="DiskFilling", alertname!="DiskAlmostFull", alertname!="Watchdog"}'
    )
    assert not finite(firing), firing


def test_a_wrong_expression_is_rejected(run: ObservedRun) -> None:
    with pytest.raises(QueryRefused, match="parse error"):
        run.over("sum by (stage (xray_ready)")


def finite(found: list[Series]) -> list[Series]:
    """The series with at least one value; 0 / 0 is not a value."""
    return [series for series in found if any(math.isfinite(value) for _, value in series.points)]
