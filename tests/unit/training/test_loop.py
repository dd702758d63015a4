"""The loop: resuming repeats the undisturbed run to the bit, and bad steps stop it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from nonette.core.config import replace
from nonette.recipes.vqgan import vqgan_tiny
from nonette.training import state
from nonette.training.loop import Diverged, Trainer, train
from nonette.training.objective import Objective


def config(tmp_path: Path, **changes):
    return replace(
        vqgan_tiny(tmp_path), {"steps": 8, "save_every": 3, "sheet_every": 100} | changes
    )


def losses(run: Path) -> list[tuple[int, float, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["autoencoder_loss"], line["adversary_loss"]) for line in lines]


def test_a_run_that_stops_and_goes_on_is_the_undisturbed_run(tmp_path):
    settings = config(tmp_path)
    objective, averages, _ = train(settings, tmp_path / "whole")
    stops = iter([False] * 4 + [True])
    train(settings, tmp_path / "halted", should_stop=lambda: next(stops))
    assert len(losses(tmp_path / "halted")) == 5
    again, averages_again, _ = train(settings, tmp_path / "halted")
    assert losses(tmp_path / "whole") == losses(tmp_path / "halted")
    for name, tensor in objective.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    for name, tensor in averages.state_dict().items():
        assert torch.equal(tensor, averages_again.state_dict()[name]), name


def test_metrics_after_the_last_state_are_dropped_and_repeated(tmp_path):
    settings = config(tmp_path, steps=5)
    train(settings, tmp_path / "run")
    wanted = losses(tmp_path / "run")
    for folder in tmp_path.glob("run/step-00000005"):
        (folder / "state.json").unlink()  # as if killed before the last state was whole
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "autoencoder_lo')  # and in the middle of a line
    train(settings, tmp_path / "run")
    assert losses(tmp_path / "run") == wanted


def test_workers_do_not_change_the_stream(tmp_path):
    train(config(tmp_path, steps=3), tmp_path / "alone")
    train(config(tmp_path, steps=3, num_workers=2), tmp_path / "helped")
    assert losses(tmp_path / "alone") == losses(tmp_path / "helped")


def test_a_damaged_state_is_passed_over_for_the_one_before(tmp_path):
    for step in (1, 2):
        state.save(tmp_path, state.State(step=step, seconds=0.5, tensors={"x": torch.ones(3)}))
    content = (tmp_path / "step-00000002" / "tensors.safetensors").read_bytes()
    (tmp_path / "step-00000002" / "tensors.safetensors").write_bytes(content[:-5])
    assert state.load_newest(tmp_path).step == 1


def test_two_states_are_kept(tmp_path):
    for step in range(5):
        state.save(tmp_path, state.State(step=step, seconds=0.0, tensors={"x": torch.ones(1)}))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000003", "step-00000004"]


def test_rate_warms_up_then_falls_along_a_cosine(tmp_path):
    trainer = Trainer(
        config(tmp_path, steps=100, warm_up_steps=10, final_rate=0.1), tmp_path / "run"
    )
    rates = []
    for step in range(101):
        trainer.step = step
        rates.append(trainer.rate(1.0))
    assert rates[0] == pytest.approx(0.1)
    assert rates[50] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert max(rates) < 1.0 and rates[10:] == sorted(rates[10:], reverse=True)


def test_a_budget_in_minutes_counts_what_was_trained_before(tmp_path):
    trainer = Trainer(config(tmp_path, steps=None, minutes=1.0), tmp_path / "run")
    trainer.seconds = 45.0
    assert trainer.progress() == 0.75


@dataclasses.dataclass(frozen=True)
class Nothing:
    """Settings of an objective that has none."""


class NotFinite(Objective):
    """A loss that is not a number from the third step on."""

    def __init__(self, settings: Nothing) -> None:
        super().__init__()
        self.networks = nn.ModuleDict({"net": nn.Linear(2, 2)})
        self.optimised = {"net": list(self.networks.parameters())}

    def batch(self, indices):
        return {"x": torch.ones(len(indices), 2)}

    def loss(self, name, batch, step, progress):
        factor = float("nan") if step >= 2 else 1.0
        return self.networks["net"](batch["x"]).square().mean() * factor, {}


def test_losses_that_are_not_finite_are_skipped_then_stop_the_run(tmp_path):
    settings = dataclasses.replace(
        config(tmp_path),
        objective=f"{__name__}:NotFinite",
        settings=Nothing(),
        learning_rate={"net": 0.1},
        save_every=1,
    )
    with pytest.raises(Diverged, match="not finite 10 steps in a row"):
        train(dataclasses.replace(settings, steps=50), tmp_path / "run")
    last_good = state.load_newest(tmp_path / "run")
    assert all(tensor.isfinite().all() for tensor in last_good.tensors.values())
