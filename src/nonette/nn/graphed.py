"""A network on a GPU whose calls are recorded once and then replayed.

At batches of one picture or two a GPU is through with a kernel before Python has launched the next.
A CUDA graph (NVIDIA's CUDA Programming Guide, "CUDA Graphs") launches all of them at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

WARM_UP = 3  # calls before recording, in which libraries choose and allocate
MOST_RECORDS = 4  # sets of shapes; each holds the memory of a whole call

Shapes = tuple[tuple[str, torch.Size, torch.dtype], ...]


class Record(NamedTuple):
    """A recorded call: where its inputs are read from, and where its answer is written."""

    graph: Any
    inputs: dict[str, Tensor]
    answer: Tensor


class Graphed(nn.Module):
    """A network that answers with one tensor, to be called in inference alone.

    Inputs given by position are named by it. The first call of each set of shapes records.

    Args:
        network: On a CUDA device; its weights must stay where they are.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.config: Any = network.config
        self.records: dict[Shapes, Record] = {}

    def forward(self, *places: Tensor, **named: Tensor) -> Tensor:
        """What the network answers."""
        inputs = {str(i): one for i, one in enumerate(places)} | named
        shapes = tuple((name, one.shape, one.dtype) for name, one in inputs.items())
        record = self.records.pop(shapes, None) or self._record(inputs)
        self.records[shapes] = record  # the newest is last
        for name, one in inputs.items():
            record.inputs[name].copy_(one)
        record.graph.replay()
        return record.answer.clone()

    def _record(self, inputs: dict[str, Tensor]) -> Record:
        while len(self.records) >= MOST_RECORDS:
            del self.records[next(iter(self.records))]
        own = {name: one.clone() for name, one in inputs.items()}
        places = [one for name, one in own.items() if name.isdecimal()]
        named = {name: one for name, one in own.items() if not name.isdecimal()}
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self.network(*places, **named)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answer = self.network(*places, **named)
        return Record(graph, own, answer)
