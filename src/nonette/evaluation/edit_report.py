"""A report on edits for people (Markdown) and programs (JSON), and pictures to look at."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nonette.data.scenes import sheet
from nonette.evaluation.edit_trials import GREY, Trial
from nonette.evaluation.edits import Extending, Filling, Found
from nonette.evaluation.report import rounded, share_text, table

MAX_SHOWN = 36  # trials on a sheet
GAP = 2  # pixels between what was given and what came of it


@dataclass(frozen=True, kw_only=True)
class Result:
    """All that a report tells.

    Attributes:
        model: What was examined.
        judge: What read the pictures.
        world: The exam's world.
        exam_seed: Of the prompts.
        candidates: Drawn of each wish, of which the best is kept.
        feather: Pixels of the extensions' soft seam, 0 for none.
        filling: What came of filling in.
        extending: What came of extending.
        seconds: Of drawing what was not drawn before, and judging.
    """

    model: str
    judge: str
    world: str
    exam_seed: int
    candidates: int
    feather: int
    filling: Filling
    extending: Extending
    seconds: float


def to_json(result: Result) -> str:
    """Every number of the result, shares with their counts and intervals; null where missing."""
    return json.dumps(rounded(dataclasses.asdict(result)), indent=2, ensure_ascii=False) + "\n"


def to_markdown(result: Result) -> str:
    """The whole report."""
    filling, extending = result.filling, result.extending
    best = "one picture each" if result.candidates == 1 else f"the best of {result.candidates} each"
    seam = f" Their seams are {result.feather} pixels soft." if result.feather else ""
    return "\n\n".join(
        [
            f"# Edits of {result.model}",
            f"Scenes of exam {result.exam_seed} of the world `{result.world}`, {best}, read "
            f"by `{result.judge}`, which never sees a sentence. Intervals are 95% (Wilson). "
            "*Real renders* are the scenes as painted: what the judge itself is worth. *Given* are "
            "the pictures that the model started from, where the answer must not be.",
            f"## Filling in\n\n{filling.num_trials:,} scenes with one thing erased; the sentence "
            "tells the whole scene.",
            table(
                ("", "drawn", "real renders", "given"),
                [
                    ("the thing is in the masked area", *_found(filling.object)),
                    ("and has the look that is told", *_found(filling.look)),
                    ("the whole scene is as told", *_found(filling.scene)),
                    ("all outside the mask is kept to the byte", share_text(filling.exact), "", ""),
                ],
            ),
            table(
                ("the thing is there", "drawn"),
                [
                    (name.replace("_", " "), share_text(share))
                    for name, share in filling.groups.items()
                ],
            ),
            f"## Extending by half\n\n{extending.num_trials:,} scenes of which a third is missing. "
            "A step is the mean absolute difference (0 to 255) of the two lines of pixels beside "
            "the border; the range holds 95% of the steps at the same place in real renders."
            + seam,
            table(
                ("", "drawn", "real renders", "given"),
                [
                    ("the step is within the range", share_text(extending.inside), "", ""),
                    ("things across the border go on there", *_found(extending.objects)),
                    ("all that was given is kept to the byte", share_text(extending.exact), "", ""),
                ],
            ),
            table(
                ("side", "mean step", "of real renders", "their 95% range", "within"),
                [
                    (
                        side,
                        f"{border.drawn:.2f}",
                        f"{border.render:.2f}",
                        f"{border.low:.2f} to {border.high:.2f}",
                        share_text(border.inside),
                    )
                    for side, border in extending.borders.items()
                ],
            ),
            f"Measured in {result.seconds:.0f} s.",
        ]
    )


def trial_sheet(trials: Sequence[Trial], drawn: Sequence[np.ndarray]) -> np.ndarray:
    """What was given (grey where it may change) beside what came of it: uint8 (H, W, 3)."""
    pictures, texts = [], []
    for trial, picture in zip(trials[:MAX_SHOWN], drawn, strict=False):
        given = trial.render.pixels.copy()
        given[trial.mask] = GREY
        between = np.full((len(picture), GAP, 3), 255, np.uint8)
        pictures.append(np.concatenate([given, between, picture], axis=1))
        texts.append(trial.prompt.text)
    return sheet.compose(pictures, texts)


def _found(found: Found) -> tuple[str, str, str]:
    return share_text(found.drawn), share_text(found.render), share_text(found.source)
