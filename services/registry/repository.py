"""The folder from which Triton serves: `<model>/config.pbtxt` and `<model>/<version>/`, nothing outside it.

`config.pbtxt` names the versions of a model that Triton serves, and holds the card of each version.
"""

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
    """Parse a `config.pbtxt`; raises protobuf's `text_format.ParseError` or UnicodeDecodeError for any other file."""
    return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


def write_configuration(path: Path, configuration: model_config_pb2.ModelConfig) -> None:
    """Replace the file: readers see the old content or the new one, never a part."""
    replace(path, (HEADER + text_format.MessageToString(configuration, as_utf8=True)).encode())


_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RETIRED: Final = ".retired-"
BYTECODE: Final = "__pycache__"
"""Where the Python of Triton's backend stores a compiled program, regardless of its environment."""


class ModelRepository:
    """The folder's content, and which versions Triton has to serve."""

    def __init__(self, root: Path | str) -> None:
        """Open the folder; raises Fatal if it does not exist."""
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            msg = f"no model repository at {root}: set XRAY_MODEL_REPOSITORY to the folder that Triton serves from"
            raise Fatal(msg)

    def models(self) -> list[str]:
        """Return the names of all models, sorted."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{FILE}"))

    def folder(self, model: str, version: int | None = None) -> Path:
        """Return the folder of a model or of one version, whether it exists or not.

        Raises Rejected(`path_escapes`) for an invalid name, and for a folder that is a link.
        """
        path = self.root / model / ("" if version is None else str(version))
        if not _NAME.fullmatch(model) or path.resolve() != path:
            raise Rejected("path_escapes", f"{model!r} {version or ''} is not inside the model repository")
        return path

    def versions(self, model: str) -> list[int]:
        """Return the versions that have a folder, in order."""
        return sorted(int(path.name) for path in self.folder(model).iterdir() if path.is_dir() and path.name.isdigit())

    def served(self, model: str) -> list[int]:
        """Return the versions that Triton has to load, in order."""
        policy = self._configuration(model).version_policy
        if policy.HasField("specific"):
            return sorted(policy.specific.versions)
        versions = self.versions(model)
        return versions if policy.HasField("all") else versions[-max(1, policy.latest.num_versions) :]

    def serve(self, model: str, versions: Iterable[int]) -> None:
        """Make Triton load exactly these versions, at the next load of the model."""
        configuration = self._configuration(model)
        _name_versions(configuration, versions)
        self._configure(model, configuration)

    def require_served(self, chosen: Mapping[str, int]) -> None:
        """Raise Rejected(`retired_meanwhile`) unless Triton has to load each of these versions."""
        for model, version in chosen.items():
            if version not in self.served(model):
                raise Rejected("retired_meanwhile", f"{model} version {version} was retired a moment ago: try again")

    def card_text(self, model: str, version: int) -> str | None:
        """Return the text of a version's card in the configuration; a record pins its bytes."""
        parameters = self._configuration(model).parameters
        name = card_parameter(version)
        return str(parameters[name].string_value) if name in parameters else None

    def put_card(self, model: str, version: int, text: str, outputs: Mapping[str, int] | None = None) -> None:
        """Add a version's card; the served versions stay the same.

        `outputs` are those that the version has besides the probabilities, with their widths. The configuration names
        them if the program of the Python backend serves the model: Triton's own backends refuse the versions that lack
        one.
        """
        configuration = self._configuration(model)
        configuration.parameters[card_parameter(version)].string_value = text
        known = {output.name for output in configuration.output}
        for name, width in (outputs or {}).items():
            if configuration.backend == "python" and name not in known:
                configuration.output.add(name=name, data_type=model_config_pb2.TYPE_FP32, dims=[width])
        self._configure(model, configuration)

    def place(self, incoming: Path, folder: Path) -> None:
        """Move a complete folder of a model or a version to where Triton sees it."""
        incoming.rename(folder)

    def remove(self, model: str, version: int) -> None:
        """Delete a version's folder, which is first renamed so that Triton ignores it; the card stays as history."""
        folder = self.folder(model, version)
        gone = folder.with_name(f"{_RETIRED}{version}")
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone)

    def clean(self, model: str, version: int) -> None:
        """Delete compiled programs: Python may run them without reading the program that was inspected.

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
        """Make others that change this repository wait; the lock ends with the process."""
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
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise Rejected("configuration_unreadable", f"{path}: {error}") from error


def _name_versions(configuration: model_config_pb2.ModelConfig, versions: Iterable[int]) -> None:
    configuration.version_policy.Clear()
    configuration.version_policy.specific.versions.extend(sorted(set(versions)))
