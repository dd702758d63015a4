"""What Nonette has, as lazy `"module:Name"` strings: networks, systems, recipes, importers.

Nothing is imported until it is asked for by name, so the command line starts at once. A contract
test walks both ways: every line resolves, and every file of the rooms named here has a line. What
the named things do, and how they are called, only their own rooms know.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from nonette.core.errors import InputError

NETWORKS: Mapping[str, str] = {
    "vqgan": "nonette.models.vqgan:VQGAN",
    "dvae": "nonette.models.dvae:DVAE",
    "bart": "nonette.models.bart:Bart",
    "clip": "nonette.models.clip:CLIP",
    "clip_text": "nonette.models.clip:TextEncoder",
    "clip_image": "nonette.models.clip:ImageEncoder",
    "dit": "nonette.models.dit:DiT",
    "judge": "nonette.models.judge:Judge",
    "kl_autoencoder": "nonette.models.kl_autoencoder:AutoencoderKL",
    "taesd": "nonette.models.taesd:TAESD",
    "unet": "nonette.models.unet:UNet",
    "pixel_unet": "nonette.models.pixel_unet:PixelUNet",
    "prior": "nonette.models.unclip:Prior",
    "text_projection": "nonette.models.unclip:TextProjection",
    "t5": "nonette.models.t5:T5Encoder",
    "upsampler": "nonette.models.upsampler:Upsampler",
}

SYSTEMS: Mapping[str, str] = {
    "dalle_mini": "nonette.pipelines.dalle_mini:DalleMini",
    "stable_diffusion": "nonette.pipelines.stable_diffusion:StableDiffusion",
    "dalle2": "nonette.pipelines.dalle2:Dalle2",
    "imagen": "nonette.pipelines.imagen:Imagen",
}

RECIPES: Mapping[str, str] = {
    f"{family}_{scale}": f"nonette.recipes.{family}:{family}_{scale}"
    for family in (
        "vqgan",
        "seq2seq",
        "clip",
        "judge",
        "autoencoder",
        "decoder",
        "diffusion",
        "distill",
        "upsampler",
    )
    for scale in ("tiny", "cpu", "gpu")
} | {
    name: f"nonette.recipes.small:{name}"
    for name in (
        *("autoencoder_small", "sd_small", "sd_unet_small"),
        *("clip_small", "dalle2_small", "imagen_small"),
        *("sd_unet_tiny", "dalle2_tiny", "imagen_tiny"),
    )
}
"""Called with the folder of runs; `_tiny` for tests, `_cpu` for two cores, `_gpu` for an H100, and
`_small` for three systems side by side."""

IMPORTERS: Mapping[str, str] = {
    name: f"nonette.checkpoints.importers.{name}:plan_import"
    for name in (
        "stable_diffusion",
        "karlo",
        "deepfloyd",
        "taesd",
        "clip",
        "open_clip",
        "min_dalle",
        "dalle_mini",
        "vqgan",
        "openai_dvae",
    )
}
"""Called with the files found, in this order; each plans the import or gives None."""


def resolve(table: Mapping[str, str], name: str, field: str) -> Any:
    """The object registered under `name`; importing its module is the only thing this does.

    Args:
        table: One of the tables above.
        name: The name to look up; what comes from a file may be no text at all.
        field: What the person called it, for the error.

    Raises:
        InputError: There is no such name in the table.
    """
    if not isinstance(name, str) or name not in table:
        near = difflib.get_close_matches(name, table, n=1) if isinstance(name, str) else []
        choices = ", ".join(sorted(table)) or "none yet"
        hint = f"did you mean {near[0]!r}?" if near else f"choices: {choices}"
        raise InputError(field, name, f"there is none of that name; {hint}")
    module, attribute = table[name].split(":")
    return getattr(importlib.import_module(module), attribute)
