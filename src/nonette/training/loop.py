"""The training loop: batches by index, steps, averages, states, metrics, sheets, a budget.

Resuming repeats the undisturbed run: samples follow from the step alone, random choices are seeded
by the step, and everything that changes is in the state. The loop knows no network and no loss.
"""

from __future__ import annotations

import copy
import importlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from nonette.core.errors import NonetteError
from nonette.nn import device as devices
from nonette.training import optimisers
from nonette.training import state as states
from nonette.training.config import TrainConfig
from nonette.training.objective import Batch, Objective


class Diverged(NonetteError):
    """Too many steps in a row had a loss or gradient that is not finite."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the loop tells: steps done, share of the budget, seconds left, newest figures."""

    step: int
    progress: float
    seconds_left: float
    figures: dict[str, float]


def train(
    config: TrainConfig,
    run: Path,
    *,
    on_report: Callable[[Report], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[Objective, nn.ModuleDict, float]:
    """Train until the budget is spent or `should_stop`; resumes from `run` if a state is there.

    Args:
        config: The run; `run` may hold states of the same config with another budget.
        run: Folder for states, `metrics.jsonl` and sheets.
        on_report: Called every `log_every` steps.
        should_stop: Asked after every step.

    Returns:
        The objective and its averaged networks, on the CPU, and the seconds trained over all
        resumptions.

    Raises:
        Diverged: `max_bad_steps` steps in a row were not finite; the last good state stays.
    """
    trainer = Trainer(config, run)
    trainer.resume()
    trainer.run_on(on_report or (lambda report: None), should_stop or (lambda: False))
    return trainer.objective.cpu(), trainer.averages.cpu(), trainer.seconds


class Trainer:
    """One run in memory."""

    def __init__(self, config: TrainConfig, run: Path) -> None:
        self.config = config
        self.run = run
        self.device = devices.pick_device()
        module, name = config.objective.split(":")
        with (
            torch.random.fork_rng()
        ):  # initial weights follow from the seed; the caller's stream is left alone
            torch.manual_seed(config.seed)
            self.objective: Objective = getattr(importlib.import_module(module), name)(
                config.settings
            )
        self.objective.to(self.device)
        self.averages = copy.deepcopy(self.objective.networks).eval().requires_grad_(False)
        self.optimisers = {
            name: optimisers.build(
                config.optimiser, self.objective, parameters, config.betas, config.weight_decay
            )
            for name, parameters in self.objective.optimised.items()
        }
        if config.is_compiled:
            self.objective.compile()
        self.step = 0
        self.seconds = 0.0
        self.num_bad = 0

    # -- budget

    def progress(self) -> float:
        """Share of the budget spent, 0 to 1; whichever budget is nearer its end counts."""
        by_step = self.step / self.config.steps if self.config.steps else 0.0
        by_time = self.seconds / (60 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(by_step, by_time))

    def rate(self, peak: float) -> float:
        """The learning rate now: linear warm-up, then a cosine over the budget."""
        warm = min(1.0, (self.step + 1) / max(1, self.config.warm_up_steps))
        low = self.config.final_rate
        return peak * warm * (low + (1 - low) * (1 + math.cos(math.pi * self.progress())) / 2)

    # -- the loop

    def run_on(self, on_report: Callable[[Report], None], should_stop: Callable[[], bool]) -> None:
        """Step until the budget is spent, saving on the way and at the end."""
        self.run.mkdir(parents=True, exist_ok=True)
        batches = self._batches()
        last_saved = self.step
        while self.progress() < 1.0:
            started = time.monotonic()
            figures = self._train_step(next(batches))
            self.seconds += time.monotonic() - started
            is_finished = should_stop() or self.progress() >= 1.0
            if self.step % self.config.log_every == 0 or is_finished:
                self._log(figures, on_report)
            if self.step % self.config.save_every == 0 or is_finished:
                self.save()
                last_saved = self.step
            if self.step % self.config.sheet_every == 0 or is_finished:
                self._save_sheet()
            if is_finished:
                break
        if last_saved != self.step:
            self.save()

    def _train_step(self, batch: Batch) -> dict[str, Tensor]:
        batch = {name: tensor.to(self.device, non_blocking=True) for name, tensor in batch.items()}
        figures: dict[str, Tensor] = {}
        for name, parameters in self.objective.optimised.items():
            with self._precision():
                loss, more = self.objective.loss(name, batch, self.step, self.progress())
            for parameter in parameters:
                parameter.grad = None
            loss.backward()
            norm = nn.utils.clip_grad_norm_(parameters, self.config.clip)
            self._count_bad(bool(torch.isfinite(loss) & torch.isfinite(norm)))
            if self.num_bad == 0:
                self._update(name)
            figures |= {f"{name}_loss": loss.detach(), f"{name}_norm": norm.detach(), **more}
        self.objective.after_step(self.step)
        self._average()
        self.step += 1
        return figures

    def _update(self, name: str) -> None:
        rate = self.rate(self.config.learning_rate[name])
        for optimiser in self.optimisers[name]:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()

    def _count_bad(self, is_finite: bool) -> None:
        self.num_bad = 0 if is_finite else self.num_bad + 1
        if self.num_bad >= self.config.max_bad_steps:
            raise Diverged(
                f"{self.config.name}: the loss or its gradient was not finite {self.num_bad} steps "
                f"in a row at step {self.step}; lower the learning rate, the last good state is "
                f"kept in {self.run}"
            )

    def _average(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        ours, averages = _tensors(self.objective.networks), _tensors(self.averages)
        moving = [name for name, average in averages.items() if average.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_(
                [averages[name] for name in moving], [ours[name] for name in moving], 1 - decay
            )
            for name in averages.keys() - set(moving):
                averages[name].copy_(ours[name])

    def _precision(self) -> AbstractContextManager[Any]:
        if (
            self.config.precision == "bfloat16"
            and devices.pick_dtype(self.device) == torch.bfloat16
        ):
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _batches(self) -> Iterator[Batch]:
        """Batches from the current step on, whatever number of workers makes them."""
        stream = _Steps(self.objective, self.config.batch_size)
        loader = DataLoader(
            stream,
            batch_size=None,
            sampler=range(self.step, 2**31),
            num_workers=self.config.num_workers,
            multiprocessing_context="fork" if self.config.num_workers else None,
            prefetch_factor=8 if self.config.num_workers else None,
            pin_memory=self.device.type == "cuda",
        )
        return iter(loader)

    # -- what is written

    def _log(self, figures: dict[str, Tensor], on_report: Callable[[Report], None]) -> None:
        progress = self.progress()
        values = {name: round(float(value), 6) for name, value in figures.items()}
        line = {"step": self.step, "seconds": round(self.seconds, 2), **values}
        with (self.run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        left = self.seconds * (1 - progress) / progress if progress else math.inf
        on_report(Report(step=self.step, progress=progress, seconds_left=left, figures=values))

    def _save_sheet(self) -> None:
        with torch.inference_mode():
            sheet = self.objective.sheet(self.averages)
        if sheet is not None:
            sheet.save(self.run / f"sheet-{self.step:08d}.png")

    # -- resuming

    def save(self) -> None:
        """Write all that changes as one state."""
        tensors = {
            f"objective.{name}": tensor for name, tensor in self.objective.state_dict().items()
        }
        tensors |= {
            f"averages.{name}": tensor for name, tensor in self.averages.state_dict().items()
        }
        for prefix, optimiser in self._named_optimisers():
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"{prefix}{index}.{key}": value for key, value in moments.items()}
        copies = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
        states.save(self.run, states.State(step=self.step, seconds=self.seconds, tensors=copies))

    def resume(self) -> None:
        """Go on from the newest state, if there is one; metrics written after it are dropped."""
        state = states.load_newest(self.run)
        if state is None:
            return
        self.step, self.seconds = state.step, state.seconds
        self.objective.load_state_dict(_below(state.tensors, "objective."))
        self.averages.load_state_dict(_below(state.tensors, "averages."))
        for prefix, optimiser in self._named_optimisers():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, tensor in _below(state.tensors, prefix).items():
                index, moment = key.split(".", 1)
                moments.setdefault(int(index), {})[moment] = tensor
            optimiser.load_state_dict(
                {"state": moments, "param_groups": optimiser.state_dict()["param_groups"]}
            )
        _drop_metrics_after(self.run / "metrics.jsonl", self.step)

    def _named_optimisers(self) -> Iterator[tuple[str, Optimizer]]:
        """Every optimiser with the prefix of its tensors' names."""
        for name, several in self.optimisers.items():
            for number, optimiser in enumerate(several):
                yield f"optimiser.{name}.{number}.", optimiser


class _Steps(Dataset[Batch]):
    """Step number → that step's batch."""

    def __init__(self, objective: Objective, batch_size: int) -> None:
        self.objective = objective
        self.batch_size = batch_size

    def __getitem__(self, step: int) -> Batch:
        return self.objective.batch(range(step * self.batch_size, (step + 1) * self.batch_size))


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _drop_metrics_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            is_kept = json.loads(line)["step"] <= step
        except ValueError:  # the line a kill cut short
            continue
        if is_kept:
            kept.append(line)
    partial = path.with_suffix(".partial")
    partial.write_text("".join(f"{line}\n" for line in kept))
    partial.replace(path)
