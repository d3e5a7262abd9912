"""The alert rules, checked with Prometheus' own tools and compared with the services that they watch."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus.server import program
from services.common.topology import SERVICES
from tests.deploy.compose_file import CLONE, services
from tests.deploy.prometheus.alerts import RULES, alerts

TESTS = sorted(Path(__file__).parent.glob("*.test.yml"))


def promtool(*arguments: str | Path) -> str:
    answer = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False, cwd=CLONE)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_prometheus_accepts_its_configuration_and_finds_the_rules() -> None:
    output = promtool("check", "config", "--lint-fatal", CLONE / "deploy" / "prometheus" / "prometheus.yml")
    assert output.count("rules found") == len(RULES)


def test_prometheus_accepts_the_relabelling_that_the_docs_give_for_kubernetes(tmp_path: Path) -> None:
    """Only the relabelling is checked: Debian's Prometheus is built without discovery on Kubernetes."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (CLONE / "docs" / "kubernetes.md").read_text(), re.DOTALL)
    jobs = yaml.safe_load(block)
    assert all(job.pop("kubernetes_sd_configs") for job in jobs)
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump({"scrape_configs": jobs}))
    assert "SUCCESS" in promtool("check", "config", file)


def test_the_docs_list_every_alert() -> None:
    (table,) = re.findall(r"## Alerts\n(.*?)\n## ", (CLONE / "docs" / "dashboards.md").read_text(), re.DOTALL)
    listed = re.findall(r"`(\w+)`", table.split("\n\n")[0])
    assert sorted(listed) == sorted(alerts())


@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.name)
def test_alerts_fire_when_they_should_and_only_then(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", file)


def test_every_alert_is_tested_both_firing_and_silent() -> None:
    cases = [
        case
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == set(alerts())
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == set(alerts()) - {"Watchdog"}


@pytest.mark.parametrize("name", alerts())
def test_alerts_name_the_problem_and_link_to_the_playbook(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    annotations = alert["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"{{{{ $externalLabels.docs }}}}/playbook.html#{name.lower()}"
    assert name == "Watchdog" or "{{" in annotations["summary"] + annotations["description"]


def test_runbook_links_are_absolute_and_the_address_is_a_variable() -> None:
    """The label of the address is not sent with the alerts."""
    configuration = yaml.safe_load((CLONE / "deploy" / "prometheus" / "prometheus.yml").read_text())
    assert configuration["global"]["external_labels"] == {"docs": "${DOCS_URL}"}
    assert configuration["alerting"]["alert_relabel_configs"] == [{"action": "labeldrop", "regex": "docs"}]
    assert services()["prometheus"]["environment"]["DOCS_URL"].startswith("http://")
    assert yaml.safe_load(re.sub(r"!!\S+", "", (CLONE / "mkdocs.yml").read_text()))["use_directory_urls"] is False


def test_every_scraped_service_is_missed_when_it_disappears() -> None:
    """A container that was removed has no target, so the rule must name it."""
    missed = set(re.findall(r'absent\(up\{job="services", service="(\w+)"\}\)', alerts()["ServiceDown"]["expr"]))
    configuration: dict[str, Any] = yaml.safe_load((CLONE / "deploy" / "prometheus" / "prometheus.yml").read_text())
    scraped = next(job for job in configuration["scrape_configs"] if job["job_name"] == "services")
    assert missed == set(scraped["dns_sd_configs"][0]["names"]) >= set(SERVICES)
