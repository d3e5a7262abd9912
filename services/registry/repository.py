"""The folder from which Triton serves: `<model>/config.pbtxt` and `<model>/<version>/`, never anything outside it.

`config.pbtxt`: which versions of a model Triton serves, and the card of each (one file for all versions).
"""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2

from services.common.atomic import replace
from services.common.errors import Fatal, Rejected
from services.common.model_card import card_parameter

FILE: Final = "config.pbtxt"
HEADER: Final = "# Written by this project's programs; field reference: Triton's model_config.proto.\n"


def read_configuration(path: Path) -> model_config_pb2.ModelConfig:
    """Parse a `config.pbtxt`; raises `google.protobuf.text_format.ParseError` if it is not one."""
    return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


def write_configuration(path: Path, configuration: model_config_pb2.ModelConfig) -> None:
    """Replace the file as a whole: whoever reads it sees the old one or the new one."""
    replace(path, (HEADER + text_format.MessageToString(configuration, as_utf8=True)).encode())


_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RETIRED: Final = ".retired-"
BYTECODE: Final = "__pycache__"
"""Where the Python of Triton's backend keeps a compiled program, whatever its environment says."""


class ModelRepository:
    """What is in the folder, and which versions Triton is told to serve."""

    def __init__(self, root: Path | str) -> None:
        """Look at the folder; raises Fatal when it is not there."""
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            msg = f"no model repository at {root}: set XRAY_MODEL_REPOSITORY to the folder that Triton serves from"
            raise Fatal(msg)

    def models(self) -> list[str]:
        """Return the names of all models, sorted."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{FILE}"))

    def folder(self, model: str, version: int | None = None) -> Path:
        """Return where a model or one version of it lies, there or not.

        Raises Rejected(`path_escapes`) for a name that is none, and for a folder that is a link.
        """
        path = self.root / model / ("" if version is None else str(version))
        if not _NAME.fullmatch(model) or path.resolve() != path:
            raise Rejected("path_escapes", f"{model!r} {version or ''} does not lie in the model repository itself")
        return path

    def versions(self, model: str) -> list[int]:
        """Return the versions that have a folder, in order."""
        return sorted(int(path.name) for path in self.folder(model).iterdir() if path.is_dir() and path.name.isdigit())

    def served(self, model: str) -> list[int]:
        """Return the versions that Triton is told to load, in order."""
        policy = self._configuration(model).version_policy
        if policy.HasField("specific"):
            return sorted(policy.specific.versions)
        versions = self.versions(model)
        return versions if policy.HasField("all") else versions[-max(1, policy.latest.num_versions) :]

    def serve(self, model: str, versions: Iterable[int]) -> None:
        """Tell Triton to load exactly these versions, at the next load of the model."""
        configuration = self._configuration(model)
        _name_versions(configuration, versions)
        self._configure(model, configuration)

    def require_served(self, chosen: Mapping[str, int]) -> None:
        """Raise Rejected(`retired_meanwhile`) unless Triton is told to load each of these versions."""
        for model, version in chosen.items():
            if version not in self.served(model):
                raise Rejected("retired_meanwhile", f"{model} version {version} was retired a moment ago: try again")

    def card_text(self, model: str, version: int) -> str | None:
        """Return the card of a version as it stands in the configuration; its bytes are what a record pins."""
        parameters = self._configuration(model).parameters
        name = card_parameter(version)
        return str(parameters[name].string_value) if name in parameters else None

    def put_card(self, model: str, version: int, text: str) -> None:
        """Add a version's card; the versions that are served stay the same."""
        configuration = self._configuration(model)
        configuration.parameters[card_parameter(version)].string_value = text
        self._configure(model, configuration)

    def place(self, incoming: Path, folder: Path) -> None:
        """Bring a folder that was filled beside it, of a model or a version, to where Triton sees it, whole."""
        incoming.rename(folder)

    def remove(self, model: str, version: int) -> None:
        """Delete a version's folder, first out of Triton's sight and then its files; the card stays as history."""
        folder = self.folder(model, version)
        gone = folder.with_name(f"{_RETIRED}{version}")
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone)

    def clean(self, model: str, version: int) -> None:
        """Delete compiled programs: Python may run them without a look at the program that was inspected.

        Raises Rejected(`file_unexpected`) if they cannot be deleted.
        """
        path = self.folder(model, version) / BYTECODE
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Rejected("file_unexpected", f"{path} cannot be deleted: {error}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others that change this repository waiting; the lock ends with the process."""
        with (self.root / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _configure(self, model: str, configuration: model_config_pb2.ModelConfig) -> None:
        write_configuration(self.folder(model) / FILE, configuration)

    def _configuration(self, model: str) -> model_config_pb2.ModelConfig:
        path = self.folder(model) / FILE
        try:
            return read_configuration(path)
        except FileNotFoundError as error:
            raise Rejected("model_unknown", f"the repository has no model {model!r}, only {self.models()}") from error
        except text_format.ParseError as error:
            raise Rejected("configuration_unreadable", f"{path}: {error}") from error


def _name_versions(configuration: model_config_pb2.ModelConfig, versions: Iterable[int]) -> None:
    configuration.version_policy.Clear()
    configuration.version_policy.specific.versions.extend(sorted(set(versions)))
