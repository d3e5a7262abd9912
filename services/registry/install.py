"""Copies the models of a repository to the one from which Triton will serve, before Triton starts."""

import shutil
from pathlib import Path
from typing import Final

from services.common.settings import Settings
from services.common.store import ObjectStore
from services.registry.bucket import SCHEME, bucket_and_prefix, repository_of
from services.registry.inspect import KNOWN, inspect
from services.registry.repository import FILE, ModelRepository

_INCOMING: Final = ".incoming-"


def create_repository(settings: Settings) -> ModelRepository:
    """Open the repository that XRAY_MODEL_REPOSITORY names; create its bucket if it is in object storage.

    Nothing else creates that bucket: `xray init` creates only the bucket of the images. Raises as `repository_of` does.
    """
    place = settings.model_repository
    if place.startswith(SCHEME):
        bucket, _ = bucket_and_prefix(place)
        ObjectStore(settings.model_copy(update={"s3_bucket": bucket})).create_bucket()
    return repository_of(settings)


def install_models(source: ModelRepository, target: ModelRepository) -> list[str]:
    """Copy every model that `target` lacks, all its versions and its configuration; returns their names.

    A model that exists is left unchanged, with the versions that were added and promoted since: `add_version` adds
    further ones. A model appears completely or not at all. Links to a program become files. Raises Rejected: the
    reasons of `inspect`.
    """
    with target.locked():
        missing = sorted({*source.models()} - {*target.models()})
        for model in missing:
            folder = target.folder(model)
            target.place(_copied(source, model, folder), folder)
    return missing


def _copied(source: ModelRepository, model: str, folder: Path) -> Path:
    incoming = folder.with_name(f"{_INCOMING}{model}")
    shutil.rmtree(incoming, ignore_errors=True)
    for version in source.versions(model):
        inspect(source, model, version)
        (incoming / str(version)).mkdir(parents=True)
        for file in source.folder(model, version).iterdir():
            if file.name in KNOWN:
                shutil.copyfile(file, incoming / str(version) / file.name)
    shutil.copyfile(source.folder(model) / FILE, incoming / FILE)
    return incoming
