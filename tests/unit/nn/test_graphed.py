"""Recorded calls on a GPU answer as the network does, whatever the shapes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nonette.nn.graphed import MOST_RECORDS, Graphed

pytestmark = pytest.mark.gpu


class Sum(nn.Module):
    """A network of two inputs by place and one by name."""

    config = None

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor, y: Tensor, *, z: Tensor | None = None) -> Tensor:
        """(B, 8) of each -> (B, 8)."""
        total = self.linear(x) + y
        return total if z is None else total * z


@torch.inference_mode()
def test_it_answers_as_the_network_does() -> None:
    network = Sum().cuda()
    graphed = Graphed(network)
    answers = []
    for rows in (1, 2, 1, 3, 4, 5, 6, 1):
        x, y, z = (torch.randn(rows, 8, device="cuda") for _ in range(3))
        for named in ({}, {"z": z}):
            answer = graphed(x, y, **named)
            torch.testing.assert_close(answer, network(x, y, **named))
            answers.append((answer, network(x, y, **named)))
    for answer, wanted in answers:
        torch.testing.assert_close(answer, wanted)  # nothing was written over since
    assert len(graphed.records) == MOST_RECORDS
