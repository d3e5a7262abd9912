"""A ConvNeXt with or without the ImageNet weights that timm fetches from the Hugging Face hub (Apache-2.0)."""

from __future__ import annotations

from typing import Any

import timm

from services.common.errors import Fatal


def make_convnext(name: str, *, from_imagenet: bool) -> Any:
    """Make timm's ConvNeXt `name` without its classifier.

    The weights come from the hub's cache, or the network once. Raises Fatal if neither has them: a run that was meant
    to start from ImageNet never starts from nothing in silence.
    """
    # Layer scale starts near zero to train hundreds of epochs; from scratch in a few it would only hold back.
    scale: dict[str, Any] = {} if from_imagenet else {"ls_init_value": None}
    try:
        return timm.create_model(name, pretrained=from_imagenet, num_classes=0, global_pool="fast", **scale)
    except OSError as error:
        msg = (
            f"no ImageNet weights of {name}: let this machine reach huggingface.co once, put the hub's cache into "
            "HF_HOME, or set convnext_from_imagenet=False in training/models/configuration.py to start from nothing"
        )
        raise Fatal(msg) from error
