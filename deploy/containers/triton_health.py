"""Triton's health check: `triton_health.py URL` exits with 0 if one version of every loaded model answers.

Readiness alone proves little: a model whose Python stub has died still counts as ready, while every inference fails
(seen with Triton 2.51). One version per model is enough, because a restart would not repair a damaged version and would
interrupt the versions that make the calls. Uses only the standard library and Python 3.10, because it runs inside
Triton's image.
"""

from __future__ import annotations

import json
import math
import sys
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 8.0
_OK = 200


class Unhealthy(Exception):
    """The message names the failed request and the problem."""


def check(url: str, timeout: float = TIMEOUT_SECONDS) -> list[str]:
    """Send a blank image to every loaded model and return the names of the models, which all answered.

    Raises Unhealthy if the server cannot be reached, has no loaded model, or no version of a loaded model answers.
    """
    server = _Server(url, timeout)
    index: list[dict[str, str]] = server.ask("POST", "/v2/repository/index")
    loaded = [entry for entry in index if entry.get("state")]  # models that were never loaded have no state
    if not loaded:
        raise Unhealthy("no model is loaded")
    models = sorted({entry["name"] for entry in loaded})
    for model in models:
        _check_model(server, model, [entry for entry in loaded if entry["name"] == model])
    return models


def _check_model(server: _Server, model: str, versions: list[dict[str, str]]) -> None:
    failures = [str(entry) for entry in versions if entry["state"] != "READY"]
    for version in (entry["version"] for entry in versions if entry["state"] == "READY"):
        try:
            server.infer(model, version)
        except Unhealthy as unhealthy:
            failures.append(str(unhealthy))
        else:
            return
    raise Unhealthy(f"{model}: {'; '.join(failures)}")


class _Server:
    def __init__(self, url: str, timeout: float) -> None:
        self._address, self._timeout = urlsplit(url), timeout

    def infer(self, model: str, version: str) -> None:
        """Send a blank image to a version, in the binary form of the KServe protocol (150 kB instead of 600)."""
        path = f"/v2/models/{model}/versions/{version}"
        (tensor,) = self.ask("GET", path)["inputs"]
        if tensor["datatype"] != "UINT8":
            raise Unhealthy(f"{model} takes {tensor['datatype']}, not UINT8")
        shape = [max(int(side), 1) for side in tensor["shape"]]
        blank = bytes(math.prod(shape))
        described = {"name": tensor["name"], "datatype": "UINT8", "shape": shape}
        header = json.dumps({"inputs": [described | {"parameters": {"binary_data_size": len(blank)}}]}).encode()
        sizes = {"Inference-Header-Content-Length": str(len(header)), "Content-Type": "application/octet-stream"}
        self.ask("POST", f"{path}/infer", header + blank, sizes)

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Any:
        connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=self._timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, HTTPException) as error:
            raise Unhealthy(f"{path}: {error!r}") from error
        finally:
            connection.close()
        if answer.status != _OK:
            raise Unhealthy(f"{path} answers {answer.status}: {text[:1000]!r}")
        return json.loads(text)


def main(arguments: list[str]) -> int:
    """Check the server at the one given URL; the reason for a failure goes to standard error."""
    if len(arguments) != 1:
        sys.stderr.write("usage: triton_health.py http://HOST:PORT\n")
        return 2
    try:
        check(arguments[0])
    except Unhealthy as unhealthy:
        sys.stderr.write(f"{unhealthy}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
