"""Distillation to few steps: a student takes two of its own short steps as one long one.

Progressive distillation (Salimans and Ho 2022, section 3) with the step's length as an input, so
that all lengths are learned at once and one network draws in 16, 8 or 4 steps (Frans et al. 2024,
"One step diffusion via shortcut models", section 3). The shortest steps are taught by two guided
steps of a frozen teacher, with the guidance as an input too (Meng et al. 2023, "On distillation of
guided diffusion models", section 3.1); longer ones by two steps of the student's own moving
average. Everything is a regression, so there is no adversary to balance and no derivative to take.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn

from nonette.nn.device import compiled
from nonette.training import pictures
from nonette.training.objective import Batch, Export, Objective
from nonette.training.objectives.diffusion import (
    Settings as DiffusionSettings,
)
from nonette.training.objectives.diffusion import (
    dit_of,
    drawer,
    drawn_examples,
    exported,
    noise_generator,
    scenes_of,
    trained_dit,
    velocity,
)


@dataclass(frozen=True, kw_only=True)
class Settings(DiffusionSettings):
    """What to distil, on what.

    Attributes:
        teacher: Name or folder of the checkpoint to distil; its autoencoder and sizes are
            `autoencoder` and `network`.
        finest: Steps of a whole drawing of the shortest steps learned, a power of two.
        coarsest: Of the longest.
        most_guidance: Scales from 1 to this are learned.
        target_decay: Of the student's moving average that teaches the longer steps.
    """

    teacher: str
    finest: int = 16
    coarsest: int = 4
    most_guidance: float = 6.0
    target_decay: float = 0.99


class DistillObjective(Objective):
    """One optimiser, `denoiser`; the teacher is frozen, the target follows."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.scenes = scenes_of(settings)
        self.teacher = trained_dit(settings.teacher).eval().requires_grad_(False)
        student = copy.deepcopy(self.teacher)
        if settings.start:
            student.load_state_dict(trained_dit(settings.start).state_dict())
        self.target = copy.deepcopy(student)
        self.networks = nn.ModuleDict({"denoiser": student.train().requires_grad_(True)})
        self.optimised = {"denoiser": list(student.parameters())}
        self.velocity = compiled(velocity) if settings.compiled else velocity
        drawer(self.networks, self.scenes, settings.drawing)  # parts that do not fit fail now

    def batch(self, indices: range) -> Batch:
        """See `LatentScenes.batch`."""
        return self.scenes.batch(indices)

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of the average velocity over one step; each batch is of one length."""
        settings, student = self.settings, dit_of(self.networks)
        x0, mask, known, text = self.scenes.latents(batch)
        device = x0.device
        generator = noise_generator(step, device)
        num_steps = settings.finest >> (step % self._num_levels())
        begun = torch.randint(num_steps, (len(x0),), generator=generator, device=device)
        t = 1 - begun / num_steps  # (B,), 1 / num_steps to 1
        guidance = torch.rand(len(x0), generator=generator, device=device)
        guidance = guidance * (settings.most_guidance - 1)
        eps = torch.randn(x0.shape, generator=generator, device=device)
        share = t[:, None, None, None]
        x = (1 - share) * x0 + share * eps
        with torch.no_grad():
            wanted = self._two_steps(x, t, 1 / num_steps, guidance, text, mask, known)
        length = torch.full_like(t, 1 / num_steps)
        said = self.velocity(student, x, t, text, mask, known, length, guidance)
        loss = (said.float() - wanted).square().mean()
        return loss, {f"loss_of_{num_steps}": loss.detach()}

    def after_step(self, step: int) -> None:
        """The target follows the student."""
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.target.parameters()),
                list(dit_of(self.networks).parameters()),
                1 - self.settings.target_decay,
            )

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """The example sentences in as many steps as learned at most, and below in the fewest."""
        kinds = [
            drawn_examples(networks, self.scenes, self.settings.drawing, steps=num_steps)
            for num_steps in (self.settings.finest, self.settings.coarsest)
        ]
        return pictures.rows(kinds, num_columns=12)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The whole system, to be drawn in few long steps."""
        learned = {"most_guidance": self.settings.most_guidance}
        return exported(networks, self.scenes, self.settings.drawing | learned)

    def _num_levels(self) -> int:
        return (self.settings.finest // self.settings.coarsest).bit_length()

    def _two_steps(
        self,
        x: Tensor,
        t: Tensor,
        length: float,
        guidance: Tensor,
        text: Tensor,
        mask: Tensor,
        known: Tensor,
    ) -> Tensor:
        """The average velocity of two steps of half the length, (B, C, h, w), float32."""

        def average(here: Tensor, time: Tensor) -> Tensor:
            if length == 1 / self.settings.finest:
                return self._taught(here, time, guidance, text, mask, known)
            half = torch.full_like(time, length / 2)
            return self.velocity(self.target, here, time, text, mask, known, half, guidance).float()

        first = average(x, t)
        second = average(x - length / 2 * first, t - length / 2)
        return (first + second) / 2

    def _taught(
        self, x: Tensor, t: Tensor, guidance: Tensor, text: Tensor, mask: Tensor, known: Tensor
    ) -> Tensor:
        """The teacher's velocity with the guidance in it."""
        empty = self.scenes.empty.to(text).expand_as(text)
        towards = self.velocity(self.teacher, x, t, text, mask, known).float()
        away = self.velocity(self.teacher, x, t, empty, mask, known).float()
        return towards + guidance[:, None, None, None] * (towards - away)
