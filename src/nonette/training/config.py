"""How a run is trained: everything but the objective's own settings, which it carries along."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from nonette.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run.

    Attributes:
        name: The run's folder below `runs/`.
        objective: `"module:Class"` of the objective; built as `Class(settings)`.
        settings: The objective's own frozen config: networks, world, loss weights.
        seed: Initial weights and every random choice of the run follow from it.
        batch_size: Samples a step.
        steps: Stop after this many steps; None: no limit.
        minutes: Stop after this much training time over all resumptions; None: no limit. The
            learning rate follows whichever budget is nearer its end, so only runs by steps repeat
            bit for bit.
        learning_rate: Peak rate, one an optimiser name of the objective.
        optimiser: "adamw", or "muon" for the matrices inside and AdamW for the rest.
        warm_up_steps: Steps of linear warm-up.
        final_rate: The cosine's end, as a share of the peak.
        betas: AdamW's moment decays.
        weight_decay: On matrices and kernels only, never on norms, biases or embeddings of one
            dimension.
        clip: Largest gradient norm.
        ema_decay: Decay of the averaged weights, which sheets and exports use.
        precision: "bfloat16" autocasts where the device has bfloat16 products; "float32" never.
        is_compiled: Whether the objective's networks go through `torch.compile`.
        num_workers: Processes that make batches; 0 makes them in the training process.
        log_every: Steps between lines of metrics.
        save_every: Steps between saved states.
        sheet_every: Steps between sample sheets.
        max_bad_steps: Stop after this many steps in a row whose loss or gradient is not finite (all
            are skipped).
    """

    name: str
    objective: str
    settings: Any
    seed: int
    batch_size: int
    learning_rate: dict[str, float]
    optimiser: Literal["adamw", "muon"] = "adamw"
    steps: int | None = None
    minutes: float | None = None
    warm_up_steps: int = 100
    final_rate: float = 0.05
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    clip: float = 1.0
    ema_decay: float = 0.999
    precision: str = "bfloat16"
    is_compiled: bool = False
    num_workers: int = 0
    log_every: int = 10
    save_every: int = 200
    sheet_every: int = 500
    max_bad_steps: int = 10

    def __post_init__(self) -> None:
        for name in ("batch_size", "log_every", "save_every", "sheet_every", "steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(name, value, "it must be at least 1")
        if self.minutes is not None and not (math.isfinite(self.minutes) and self.minutes > 0):
            raise InputError("minutes", self.minutes, "it must be finite and above 0")
        if self.steps is None and self.minutes is None:
            raise InputError("steps", None, "a run needs steps or minutes to end by")
