"""`config.pbtxt`: which versions of a model Triton serves, and the card of each (one file for all versions)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2

from services.common.atomic import replace

FILE: Final = "config.pbtxt"
HEADER: Final = "# Written by this project's programs; field reference: Triton's model_config.proto.\n"


def read_configuration(path: Path) -> model_config_pb2.ModelConfig:
    """Parse a `config.pbtxt`; raises `google.protobuf.text_format.ParseError` if it is not one."""
    return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


def write_configuration(path: Path, configuration: model_config_pb2.ModelConfig) -> None:
    """Replace the file as a whole: whoever reads it sees the old one or the new one."""
    replace(path, (HEADER + text_format.MessageToString(configuration, as_utf8=True)).encode())
