"""What the loop asks of an objective. One file an objective stands in `objectives/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor, nn

Batch = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Export:
    """What a finished run ships, as `checkpoints.format.write` takes it."""

    system: str
    networks: Mapping[str, nn.Module]
    registry_names: Mapping[str, str]
    settings: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


class Objective(nn.Module):
    """A loss over networks, and the data it is taken on.

    A subclass registers its networks, frozen ones and buffers included, as submodules, so that
    `state_dict` is all there is to resume from.

    Attributes:
        networks: The networks that are averaged and exported; a subset of the submodules.
        optimised: One list of parameters an optimiser; stepped in this order within each step.
    """

    networks: nn.ModuleDict
    optimised: dict[str, list[nn.Parameter]]

    def batch(self, indices: range) -> Batch:
        """The samples of these indices; the same for the same indices, whoever asks."""
        raise NotImplementedError

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss that optimiser `name` lowers, and figures worth logging.

        Args:
            name: A key of `optimised`.
            batch: What `batch` returned, on the training device.
            step: Counted from 0; seeds every random choice of the loss.
            progress: Share of the budget spent, 0 to 1.
        """
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Upkeep that is not a gradient's, such as reviving dead codes."""

    def sheet(self, networks: nn.ModuleDict) -> Image.Image | None:
        """A picture that shows people how far the averaged networks are."""
        return None

    def export(self, networks: nn.ModuleDict) -> Export:
        """What the averaged networks ship as."""
        raise NotImplementedError
