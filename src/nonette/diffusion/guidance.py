"""How strongly a drawing is pulled towards its prompt.

Guidance is worked out on x0. Since epsilon, v and velocity are all affine in x0 where x is given,
that is the same mixture as on any of them.

    B pictures; x and x0 (B, C, H, W); scale (B,), one a picture
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nonette.diffusion.denoisers import Denoise

EVERYWHERE = (0.0, math.inf)

Pair = Callable[[Tensor, float], tuple[Tensor, Tensor]]
"""(x, sigma) -> the expected x0 with the prompt, and without it."""


def classifier_free(
    conditional: Denoise,
    unconditional: Denoise,
    scale: Tensor,
    *,
    interval: tuple[float, float] = EVERYWHERE,
    rescale: float = 0.0,
    both: Pair | None = None,
) -> Denoise:
    """Away from what would be drawn without the prompt: x0 of nothing + scale · the difference.

    Ho and Salimans (2022), "Classifier-free diffusion guidance", equation 6, where 1 is no
    guidance. Pictures whose scale is 1 get the conditional answer itself, whatever their
    neighbours' scales; the unconditional network is not asked where no picture needs it.

    Args:
        conditional: The denoiser with the prompt.
        unconditional: Without it, or with a negative prompt.
        scale: (B,), at least 0.
        interval: Sigmas (least, most) within which there is guidance; Kynkäänniemi et al. (2024),
            "Applying guidance in a limited interval", equation 6. Outside, one network call is
            saved.
        rescale: 0 to 1, how far the result's contrast is brought back to the conditional answer's;
            Lin et al. (2023), section 3.4, on v as there.
        both: The two answers at once, where that is quicker than one after the other.
    """
    factor = scale[:, None, None, None]
    has_guidance = bool((scale != 1).any())

    def denoise(x: Tensor, sigma: float) -> Tensor:
        if not has_guidance or not interval[0] <= sigma <= interval[1]:
            return conditional(x, sigma)
        if both is not None:
            towards, away = both(x, sigma)
        else:
            towards, away = conditional(x, sigma), unconditional(x, sigma)
        guided = away + factor.to(x) * (towards - away)
        if rescale > 0:
            guided = _with_contrast(guided, towards, x, sigma, rescale)
        return torch.where(factor.to(x) == 1, towards, guided)

    return denoise


def distilled(network: Callable[[Tensor, float, Tensor], Tensor], scale: Tensor) -> Denoise:
    """A denoiser whose network was taught to guide itself; Meng et al. (2023), section 3.1.

    Args:
        network: (x, sigma, scale (B,)) -> x0; latent consistency models want scale - 1.
        scale: (B,), within what the network was distilled on.
    """
    return lambda x, sigma: network(x, sigma, scale.to(x))


def _with_contrast(
    guided: Tensor, towards: Tensor, x: Tensor, sigma: float, share: float
) -> Tensor:
    """`guided` with the standard deviation of v brought to that of `towards`, by `share`."""
    root = math.sqrt(1 + sigma**2)

    def v_of(x0: Tensor) -> Tensor:
        return (x / root**2 - x0) * (root / sigma)

    v, wanted = v_of(guided), v_of(towards)
    ratio = wanted.std(dim=(1, 2, 3), keepdim=True) / v.std(dim=(1, 2, 3), keepdim=True)
    return x / root**2 - v * (1 - share + share * ratio) * (sigma / root)
