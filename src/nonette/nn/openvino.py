"""Networks worked out by OpenVINO in torch's place, on the CPU; it comes with an extra of its name.

A network is traced by torch once, on small inputs, and laid out for this processor when inputs of
new shapes come. OpenVINO reads the network's own weights where they are; what it lays out is a
second copy of them, and the first stays, since it may look there again.

Notable choices: importing OpenVINO and `openvino.convert_model` send statistics of their use to
Google Analytics unless told otherwise, so it is imported as if its telemetry were not installed,
and the frontend behind that function is asked directly. Threads are not pinned to
cores, where those of another worker may be pinned as well.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nonette.core.errors import InputError

NAME = "openvino"  # as a device is called
TELEMETRY = "openvino_telemetry"  # the package that sends statistics
TYPES = {torch.float32: "f32", torch.bfloat16: "bf16"}
ANY_LENGTH = -1


def need() -> None:
    """Make sure that OpenVINO is there.

    Raises:
        InputError: It is not; the message says how to get it.
    """
    if importlib.util.find_spec(NAME) is None:
        limit = f"this needs OpenVINO; install it with: pip install 'nonette[{NAME}]'"
        raise InputError("device", NAME, limit)


def imported() -> Any:
    """OpenVINO, which sends nothing to anybody."""
    if NAME in sys.modules or TELEMETRY in sys.modules:
        return importlib.import_module(NAME)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        return importlib.import_module(NAME)
    finally:
        del sys.modules[TELEMETRY]


class OpenVINONetwork:
    """A frozen network as a function of float32 tensors on the CPU, with float32 for an answer.

    It multiplies in the type of the network's weights. It is laid out for one set of shapes and
    one number of threads (torch's own), and anew when others come, which takes seconds.

    Args:
        network: Of tensors, on the CPU, its weights contiguous and all float32 or all bfloat16.
        examples: Inputs to trace it with, the smaller the quicker. Nothing but their number of
            axes should matter to it, and no axis should be 1 long.
        free_axes: Of each input, those whose length may change from call to call without a new
            layout, unless it is 1: OpenVINO 2026.4.1 errs when something longer follows.
    """

    def __init__(
        self,
        network: nn.Module,
        examples: Sequence[Tensor],
        free_axes: Sequence[Sequence[int]],
    ) -> None:
        self.dtype = next(network.parameters()).dtype
        self.free_axes = free_axes
        self.model, self.kept = converted(network, [one.to(self.dtype) for one in examples])
        self.laid_out: tuple[object, Any] | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """What the network says."""
        shared = imported().Tensor
        arrays = [one.float().contiguous().numpy() for one in inputs]
        request = self._request([self._shape(i, one.shape) for i, one in enumerate(inputs)])
        for i, array in enumerate(arrays):
            request.set_input_tensor(i, shared(array, shared_memory=True))
        request.infer()
        return torch.from_numpy(request.get_output_tensor(0).data.copy())

    def _shape(self, i: int, shape: Sequence[int]) -> list[int]:
        """Of input i, as it is laid out."""
        return [
            ANY_LENGTH if axis in self.free_axes[i] and length > 1 else length
            for axis, length in enumerate(shape)
        ]

    def _request(self, shapes: list[list[int]]) -> Any:
        """What works out inputs of these shapes."""
        wanted = (shapes, torch.get_num_threads())
        if self.laid_out is None or self.laid_out[0] != wanted:
            self.laid_out = None  # one at a time: each has a copy of all weights
            compiled = compiled_for_cpu(self.model.clone(), shapes, TYPES[self.dtype])
            self.laid_out = wanted, compiled.create_infer_request()
        return self.laid_out[1]


@torch.no_grad()
def converted(network: nn.Module, examples: Sequence[Tensor]) -> tuple[Any, list[object]]:
    """OpenVINO's model of a network, and what has to outlive it: it reads the network's weights."""
    imported()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)  # its only door
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        decoder = TorchScriptPythonDecoder(
            network, example_input=tuple(examples), trace_kwargs={"check_trace": False}
        )
    frontend = FrontEndManager().load_by_framework("pytorch")
    weights = [one.detach() for one in (*network.parameters(), *network.buffers())]
    return frontend.convert(frontend.load(decoder)), [decoder, *weights]


def compiled_for_cpu(model: Any, shapes: Sequence[Sequence[int]], dtype: str, **more: Any) -> Any:
    """A model laid out for this processor, with float32 going in and coming out.

    Args:
        model: OpenVINO's; it is changed.
        shapes: Of the inputs, `ANY_LENGTH` where any will do.
        dtype: What it multiplies in, "f32" or "bf16".
        **more: Further properties of OpenVINO's, or other values of those set here.
    """
    imported()
    from openvino import Core, PartialShape, Type
    from openvino.preprocess import PrePostProcessor

    model.reshape({i: PartialShape(list(shape)) for i, shape in enumerate(shapes)})
    edges = PrePostProcessor(model)
    for i in range(len(shapes)):
        edges.input(i).tensor().set_element_type(Type.f32)
    edges.output(0).tensor().set_element_type(Type.f32)
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": dtype,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,
    }
    return Core().compile_model(edges.build(), "CPU", properties | more)
