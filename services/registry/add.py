"""Brings a version from another repository into the one that serves; Triton loads it only when it is admitted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from services.common.errors import Rejected
from services.registry.inspect import KNOWN, PROGRAM, inspect
from services.registry.repository import ModelRepository

_INCOMING: Final = ".incoming-"


def add_version(source: ModelRepository, target: ModelRepository, model: str, version: int) -> bool:
    """Copy a version aside, then rename it into place, its card last; False when it was there already.

    Its program is that of the versions already there, never the source's. Raises Rejected: the reasons of `inspect`,
    `version_exists` (another one has that number: a version never changes).
    """
    inspected = inspect(source, model, version)
    with target.locked():
        known = target.card_text(model, version)
        folder = target.folder(model, version)
        if known is not None and known != inspected.card_text:
            words = f"{target.root} has, or had, another {model} version {version}: export it under a new number"
            raise Rejected("version_exists", words)
        if folder.is_dir():
            if known is not None:
                return False
            target.remove(model, version)  # an earlier attempt that was cut off before its card
        # By number, before the folder is there: a policy of the latest versions would take it in and push one out.
        target.serve(model, target.served(model))
        target.place(_copied(source.folder(model, version), folder, _program(target, model)), folder)
        target.put_card(model, version, inspected.card_text)
    return True


def _program(target: ModelRepository, model: str) -> Path | None:
    """Return the program that this model's versions run; a model that Triton runs by itself has none."""
    programs = [target.folder(model, one) / PROGRAM for one in target.served(model)]
    return next((program for program in programs if program.is_file()), None)


def _copied(source: Path, target: Path, program: Path | None) -> Path:
    incoming = target.with_name(f"{_INCOMING}{target.name}")
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir()
    files = [source / name for name in sorted(KNOWN - {PROGRAM}) if (source / name).is_file()]
    for file in [*files, *([program] if program else [])]:
        _copy_to_disk(file, incoming / file.name)
    return incoming


def _copy_to_disk(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
