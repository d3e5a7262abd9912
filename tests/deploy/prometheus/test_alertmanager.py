"""Alertmanager's configuration, as its container writes it from the variables."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus.server import program
from tests.deploy.compose_file import CLONE, services
from tests.deploy.dockerfile import stages
from tests.deploy.prometheus.alerts import alerts

START = CLONE / "deploy" / "alertmanager" / "start"
EMAIL = {"ALERT_EMAIL_TO": "team@example.org", "ALERT_SMTP_HOST": "smtp.example.org:587"}


def written(folder: Path, variables: dict[str, str]) -> Path:
    """Run the container's entry point; amtool must accept what it writes."""
    file = folder / "alertmanager.yml"
    defaults = dict.fromkeys(services()["alertmanager"]["environment"], "")
    subprocess.run(["sh", START, file, "true"], env={"PATH": "/usr/bin:/bin"} | defaults | variables, check=True)
    checked = subprocess.run([program("amtool"), "check-config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return file


def team(file: Path) -> dict[str, Any]:
    configuration = yaml.safe_load(file.read_text())
    found: dict[str, Any] = next(one for one in configuration["receivers"] if one["name"] == "team")
    return found


def receiver(file: Path, *labels: str) -> str:
    """Ask amtool which receiver gets an alert with these labels."""
    command: list[str | Path] = [program("amtool"), "config", "routes", "test", f"--config.file={file}", *labels]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_without_variables_alerts_are_sent_nowhere(tmp_path: Path) -> None:
    assert team(written(tmp_path, {})) == {"name": "team"}


def test_a_webhook_and_a_mailbox_receive_alerts(tmp_path: Path) -> None:
    login = {"ALERT_SMTP_USER": "xray", "ALERT_SMTP_PASSWORD": "it's: #1 {secret}"}
    found = team(written(tmp_path, EMAIL | login | {"ALERT_WEBHOOK_URL": "http://hook/?a=b&c='d'"}))
    assert found["webhook_configs"] == [{"url": "http://hook/?a=b&c='d'"}]
    (email,) = found["email_configs"]
    assert email["to"] == email["from"] == EMAIL["ALERT_EMAIL_TO"]
    assert (email["auth_username"], email["auth_password"]) == ("xray", "it's: #1 {secret}")


def test_only_the_owner_can_read_the_configuration_with_the_password(tmp_path: Path) -> None:
    assert written(tmp_path, EMAIL).stat().st_mode & 0o077 == 0


def test_a_mailbox_without_a_mail_server_is_rejected(tmp_path: Path) -> None:
    command: list[str | Path] = ["sh", START, tmp_path / "file", "true"]
    environment = {"PATH": "/usr/bin:/bin", "ALERT_EMAIL_TO": "team@example.org"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "ALERT_SMTP_HOST" in answer.stderr


@pytest.mark.parametrize(("severity", "who"), [("critical", "team"), ("warning", "team"), ("info", "page")])
def test_which_receiver_gets_which_alert(tmp_path: Path, severity: str, who: str) -> None:
    assert receiver(written(tmp_path, {}), f"severity={severity}") == who


def test_the_watchdog_goes_to_a_receiver_of_its_own(tmp_path: Path) -> None:
    assert receiver(written(tmp_path, {}), "alertname=Watchdog", "severity=info") == "watchdog"
    file = written(tmp_path, {"ALERT_WATCHDOG_URL": "https://watch.example.org/x"})
    configuration = yaml.safe_load(file.read_text())
    found = {one["name"]: one for one in configuration["receivers"]}
    assert found["watchdog"]["webhook_configs"] == [{"url": "https://watch.example.org/x"}]
    assert team(file) == {"name": "team"}
    (route,) = [one for one in configuration["route"]["routes"] if one["receiver"] == "watchdog"]
    assert route["repeat_interval"] == "5m"


def test_inhibitions_name_alerts_and_labels_that_exist(tmp_path: Path) -> None:
    rules = yaml.safe_load(written(tmp_path, {}).read_text())["inhibit_rules"]
    for rule in rules:
        matchers = " ".join([*rule["source_matchers"], *rule["target_matchers"]])
        names = [name for group in re.findall(r'alertname=~?"([^"]+)"', matchers) for name in group.split("|")]
        assert names
        assert set(names) <= set(alerts())


def test_the_container_writes_where_its_server_reads() -> None:
    container = services()["alertmanager"]
    shell, script, file, _ = container["entrypoint"]
    assert (shell, script) == ("/bin/sh", "/etc/alertmanager/start")
    assert f"--config.file={file}" in container["command"]
    assert stages()["alertmanager"].copies == {"deploy/alertmanager": "/etc/alertmanager"}
    script_variables = set(re.findall(r"ALERT_[A-Z_]+", START.read_text()))
    assert script_variables - {"ALERT_"} == set(container["environment"])
