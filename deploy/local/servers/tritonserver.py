"""NVIDIA Triton Inference Server with its Python backend and the stack's own copy of the model repository."""

import http.client
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from deploy.local.process import Launch
from deploy.local.security import ADMIN, MODEL_CONTROL
from deploy.local.servers.base import NotReady, Server, plain_environment
from deploy.local.servers.triton_environment import triton_environment
from deploy.local.task import Task
from deploy.local.versions import TRITON
from services.common.environment import CLONE
from services.common.ports import LOOPBACK
from services.common.settings import TRITON_CONTROL_HEADER

_CONFIGURATION = "config.pbtxt"
_CARD = re.compile(r'"(card\.\d+)"')


def copy_models(source: Path, target: Path) -> list[str]:
    """Copy every model folder of `source` into `target` and return the names of all models in `target`.

    Symbolic links become files. A file is copied if it is missing or older in the target, so newer changes to the
    target, such as added versions of a model, are kept. A configuration that contains the cards of such versions is
    kept too.
    """
    target.mkdir(parents=True, exist_ok=True)
    for model in model_names(source):
        for folder, _, files in os.walk(source / model, followlinks=True):
            if Path(folder).name != "__pycache__":
                _copy_files(Path(folder), files, target / Path(folder).relative_to(source))
    return model_names(target)


def model_names(repository: Path) -> list[str]:
    """Return the sorted names of the folders that contain a model configuration."""
    return sorted(configuration.parent.name for configuration in repository.glob(f"*/{_CONFIGURATION}"))


def _copy_files(source: Path, files: list[str], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        original, copy = source / file, target / file
        if copy.exists() and (copy.stat().st_mtime >= original.stat().st_mtime or _has_more_cards(copy, original)):
            continue
        partial = target / f".{file}.partial"
        shutil.copy2(original, partial)
        partial.replace(copy)


def _has_more_cards(copy: Path, original: Path) -> bool:
    """Return whether these are configurations and the copy contains a card that the original lacks."""
    if copy.name != _CONFIGURATION:
        return False
    ours, theirs = (set(_CARD.findall(path.read_text(encoding="utf-8"))) for path in (copy, original))
    return not ours <= theirs


MODEL_REPOSITORY = CLONE / "model_repository"
_RESTRICTED = "model-repository,shared-memory,trace,logging"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (where Linux keeps POSIX shared memory)


class TritonServer(Server):
    """Triton with explicit model control; it loads every model of the stack's copy of the repository when it starts."""

    name = "triton"
    title = f"NVIDIA Triton {TRITON}"
    port_names = ("grpc", "http", "metrics")
    programs = frozenset({"tritonserver", "triton_python_backend_stub"})

    @property
    def repository(self) -> Path:
        """The copy of the repository that this server serves; new versions of models are installed here."""
        return self.home / "repository"

    def prepare(self, task: Task) -> Launch:
        """Install Triton into the cache at the first start; update the copy of the models."""
        installed = triton_environment(task)
        models = copy_models(MODEL_REPOSITORY, self.repository)
        self.clean_up()
        command = (
            str(installed.server),
            *self._options(installed.backends),
            *(f"--load-model={name}" for name in models),
        )
        return Launch(command, plain_environment(**installed.variables()), self.home)

    def check(self) -> None:
        """Check that the server and every model of its repository are ready."""
        if self._ask("GET", "/v2/health/ready")[0] != http.client.OK:
            raise NotReady("the server is not ready")
        states = {entry["name"]: entry for entry in self._index() if entry.get("state")}
        for model in model_names(self.repository):
            if states.get(model, {}).get("state") != "READY":
                reason = states.get(model, {}).get("reason", "")
                raise NotReady(f"model {model} is not ready {reason}".rstrip())

    def environment(self) -> dict[str, str]:
        """Return the three endpoints and the folder of the models."""
        port = self.ports
        return {
            "XRAY_TRITON_GRPC": f"{LOOPBACK}:{port['grpc']}",
            "XRAY_TRITON_HTTP": f"http://{LOOPBACK}:{port['http']}",
            "XRAY_TRITON_METRICS": f"http://{LOOPBACK}:{port['metrics']}/metrics",
            "XRAY_MODEL_REPOSITORY": str(self.repository),
        } | (self.credentials(ADMIN) if self.security.enabled else {})

    def credentials(self, principal: str) -> dict[str, str]:
        """Return the certificate that verifies the server, and the key of model control for those who may use it."""
        key = self.security.password("triton_control") if principal in MODEL_CONTROL else ""
        return {"XRAY_TRITON_CA_FILE": str(self.security.authority), "XRAY_TRITON_CONTROL_KEY": key}

    def clean_up(self) -> None:
        """Remove shared memory left by killed stubs."""
        for region in _SHARED_MEMORY.glob(f"{self._region_prefix()}*"):
            region.unlink(missing_ok=True)

    def _region_prefix(self) -> str:
        return f"xray_stack_{self.ports['grpc']}_"

    def _index(self) -> list[dict[str, Any]]:
        status, body = self._ask("POST", "/v2/repository/index")
        if status != http.client.OK:
            raise NotReady(f"its model index returned status {status}")
        index: list[dict[str, Any]] = json.loads(body)
        # One ready version of a model is enough to serve.
        return sorted(index, key=lambda entry: entry.get("state") == "READY")

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.ports["http"], timeout=5)
        try:
            connection.request(method, path, headers=self._control_header())
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotReady(f"{path}: {error}") from error
        finally:
            connection.close()

    def _options(self, backends: Path) -> tuple[str, ...]:
        port = self.ports
        return (
            f"--model-repository={self.repository}", f"--backend-directory={backends}",
            "--model-control-mode=explicit", "--exit-on-error=false",
            f"--backend-config=python,shm-region-prefix-name={self._region_prefix()}",
            f"--http-address={LOOPBACK}", f"--http-port={port['http']}",
            f"--grpc-address={LOOPBACK}", f"--grpc-port={port['grpc']}",
            f"--metrics-address={LOOPBACK}", f"--metrics-port={port['metrics']}",
            *self._secure_options(),
        )  # fmt: skip

    def _secure_options(self) -> tuple[str, ...]:
        """Return TLS for gRPC, and the key that everything but inference and metadata needs, over gRPC and HTTP."""
        if not self.security.enabled:
            return ()
        restricted = f"{_RESTRICTED}:{TRITON_CONTROL_HEADER}={self.security.password('triton_control')}"
        return (
            "--grpc-use-ssl=true",
            f"--grpc-server-cert={self.security.certificate(self.name)}",
            f"--grpc-server-key={self.security.key(self.name)}",
            f"--grpc-restricted-protocol={restricted}",
            f"--http-restricted-api={restricted}",
        )

    def _control_header(self) -> dict[str, str]:
        return {TRITON_CONTROL_HEADER: self.security.password("triton_control")} if self.security.enabled else {}
