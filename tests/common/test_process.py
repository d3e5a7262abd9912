import json
import urllib.error
import urllib.request

import pytest

from services.common.errors import Fatal
from services.common.http import Health, serve
from services.common.settings import ServiceSettings, load


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_and_metrics_answer() -> None:
    with serve("127.0.0.1", 0, Health(live=lambda: True, not_ready=lambda: "store away")) as port:
        assert get(port, "/health/live")[0] == 200
        status, body = get(port, "/health/ready")
        assert (status, json.loads(body)) == (503, {"ready": False, "why": "store away"})
        assert "xray_records_received_total" in get(port, "/metrics")[1]
        assert get(port, "/else")[0] == 404


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_BATCH_SIZE", "many")
    with pytest.raises(Fatal, match="XRAY_BATCH_SIZE"):
        load(ServiceSettings)
