"""The scrape configuration of Prometheus compared with the compose file."""

from typing import Any

import yaml

from services.common.topology import SERVICES
from tests.deploy.compose_file import CLONE, services
from tests.deploy.dockerfile import stages


def test_every_service_is_scraped_where_it_listens() -> None:
    (found,) = _jobs()["services"]["dns_sd_configs"]
    assert set(found["names"]) == set(SERVICES)
    assert all(services()[name]["environment"]["XRAY_HTTP_PORT"] == str(found["port"]) for name in SERVICES)


def test_servers_are_scraped_where_they_listen() -> None:
    targets = {job: config["static_configs"][0]["targets"] for job, config in _jobs().items() if job != "services"}
    assert targets == {
        "triton": ["triton:8002"],
        "seaweedfs": ["seaweedfs:9327"],
        "kafka": ["kafka-exporter:9308"],
        "postgres": ["postgres-exporter:9187"],
        "prometheus": ["localhost:9090"],
        "alertmanager": ["alertmanager:9093"],
    }
    assert {"-metricsPort=9327", "-metricsIp=0.0.0.0"} <= set(services()["seaweedfs"]["command"])


def test_prometheus_reads_the_file_that_its_image_contains() -> None:
    prometheus = services()["prometheus"]
    assert stages()["prometheus"].copies["deploy/prometheus/prometheus.yml"] == "/etc/prometheus/"
    assert stages()["prometheus"].copies["deploy/prometheus/rules"] == "/etc/prometheus/rules"
    assert "--config.file=/etc/prometheus/prometheus.yml" in prometheus["command"]


def _jobs() -> dict[str, Any]:
    configuration = yaml.safe_load((CLONE / "deploy" / "prometheus" / "prometheus.yml").read_text())
    return {job["job_name"]: job for job in configuration["scrape_configs"]}
