"""A VQGAN by itself: taming-transformers' Lightning checkpoint or state dict, or its Flax copy.

Published as `last.ckpt` with `model.yaml` (vqgan_imagenet_f16_16384 and others of CompVis), and as
dalle-mini/vqgan_imagenet_f16_16384. It does not draw alone; training reads pictures with it.
"""

from __future__ import annotations

from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.importers import _vqgan
from nonette.checkpoints.importing import Plan

TAMING_RANGE = (-1.0, 1.0)  # of pixels, in taming-transformers' own training
FLAX_RANGE = (0.0, 1.0)  # DALL·E mini, whose copy the Flax one is, feeds it pictures in [0, 1]


def plan_import(found: Found) -> Plan | None:
    """The plan for the one VQGAN among the files, or None."""
    names = _vqgan.places(found)
    if not names:
        return None
    is_flax = found.kind(names[0]) == "flax"
    network = _vqgan.network(found, names[0], FLAX_RANGE if is_flax else TAMING_RANGE)
    config = network.config
    return Plan(
        title=f"VQGAN f{config.downsampling}-{config.codebook_size}",
        name=f"vqgan-f{config.downsampling}-{config.codebook_size}",
        system="vqgan",
        networks={"vqgan": network},
        licence=found.licence() or "not stated in the files; taming-transformers' code is MIT",
        origin="Patrick Esser, Robin Rombach, Björn Ommer (CompVis/taming-transformers)",
    )
