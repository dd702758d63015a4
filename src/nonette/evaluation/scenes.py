"""Scene accuracy: draw the exam, read every picture, hold it against the key, and count.

    exam → drawings → readings → verdicts → scores, beside what the judge itself is worth

The judge never sees a sentence. Beside the scores come a baseline that only looks up (the renders
of the nearest training captions), the share of near copies of training renders, the score of our
own CLIP, and the Fréchet distance in the judge's features; each is left out where its part is
missing or there is too little data.

What it does not know: how reports look (`report`), and where models come from (`cli/evaluate.py`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from nonette.core.types import Progress
from nonette.data.scenes import painter
from nonette.data.scenes import world as worlds
from nonette.data.scenes.world import World
from nonette.evaluation import checks, clip_score, frechet, memorisation, scores
from nonette.evaluation.clip_score import ClipScore
from nonette.evaluation.drawings import KEPT, Album, Drawn
from nonette.evaluation.enough import NotEnoughData, require
from nonette.evaluation.frechet import Frechet
from nonette.evaluation.memorisation import Gallery, Memorisation, Retrieval
from nonette.evaluation.prompts import Prompt
from nonette.evaluation.reader import Reader
from nonette.evaluation.scores import CategoryScore, Judged, Means
from nonette.evaluation.verdicts import Verdict, judge
from nonette.models.clip import CLIP
from nonette.text.tokenizer import Tokenizer

Measured = TypeVar("Measured")
OnProgress = Callable[[Progress], None] | None
MAX_FAILURES = 60  # failed pictures kept for the sheet
TRAINING_SCALE = 32  # pixels a side at which training renders are kept for the search of copies


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the evaluation is.

    Attributes:
        evaluator_renders: Renders of each split that the evaluators are checked on.
        training_captions: Training scenes that the look-up baseline can find.
        training_renders: Training scenes, from the first on, that are searched for copies.
    """

    evaluator_renders: int
    training_captions: int
    training_renders: int


FULL = Plan(evaluator_renders=1_500, training_captions=20_000, training_renders=10_000)
QUICK = Plan(evaluator_renders=200, training_captions=2_000, training_renders=1_500)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A kept picture that is wrong: uint8 (H, W, 3), its sentence, and why."""

    pixels: np.ndarray
    prompt: Prompt
    reason: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """All that a report tells; fields of parts that could not be measured are None.

    Attributes:
        model: What was examined.
        judge: What read the pictures.
        world: The exam's world.
        exam_seed: Of the prompts.
        num_prompts: Of all categories.
        num_pictures: Kept pictures of all prompts.
        candidates: Drawn of each prompt.
        means: Over categories.
        categories: One score each.
        evaluators: What each evaluator is worth on real renders.
        clip_ranked: The score in our own CLIP of the kept pictures, which it chose itself.
        clip_unranked: Of as many candidates, not ranked.
        frechet: Kept pictures against as many renders of the same scenes.
        memorisation: Near copies of training renders.
        notes: What was left out, and why.
        seconds: Taken by this evaluation, drawings that were there already not counted.
    """

    model: str
    judge: str
    world: str
    exam_seed: int
    num_prompts: int
    num_pictures: int
    candidates: int
    means: Means
    categories: tuple[CategoryScore, ...]
    evaluators: tuple[checks.EvaluatorScore, ...]
    clip_ranked: ClipScore | None
    clip_unranked: ClipScore | None
    frechet: Frechet | None
    memorisation: Memorisation | None
    notes: tuple[str, ...]
    seconds: float


class Suite:
    """One evaluation; the parts are methods so that each can be run and tested alone.

    Args:
        reader: The judge.
        world: The model's world.
        exam: The prompts.
        album: The model's drawings.
        plan: How large it is.
        ranker: Our CLIP and its tokenizer, or None where there is none.
        on_progress: Told how far it is.
    """

    def __init__(
        self,
        *,
        reader: Reader,
        world: World,
        exam: Sequence[Prompt],
        album: Album,
        plan: Plan,
        ranker: tuple[CLIP, Tokenizer] | None,
        on_progress: OnProgress = None,
    ) -> None:
        self.reader = reader
        self.world = world
        self.exam = exam
        self.album = album
        self.plan = plan
        self.ranker = ranker
        self.on_progress = on_progress or (lambda progress: None)
        self.size = reader.network.config.resolution
        self.notes: list[str] = []

    def run(self, model: str, judge_name: str, exam_seed: int) -> tuple[Result, list[Failure]]:
        """The whole evaluation; the names and the exam's seed are only told."""
        started = time.monotonic()
        self.album.draw(self.exam, self.on_progress)
        judged, failures, features = self.judge_drawings()
        self._tell(0, "checking the judge")
        evaluators = checks.evaluator_scores(
            self.reader.read, self.world, self.size, self.plan.evaluator_renders
        )
        category_checks = checks.category_checks(
            self.reader.read, self.exam, self.world, self.size, KEPT
        )
        retrieved, found = self.retrieve()
        fresh = self.fresh_renders()
        fresh_features = self.reader.features(fresh)
        clip_ranked, clip_unranked = self.clip_scores()
        result = Result(
            model=model,
            judge=judge_name,
            world=self.world.name,
            exam_seed=exam_seed,
            num_prompts=len(self.exam),
            num_pictures=sum(len(row.ranked) for row in judged),
            candidates=self.album.candidates,
            means=scores.means(judged, retrieved, _generator(0)),
            categories=scores.category_scores(judged, category_checks, _by_category(retrieved)),
            evaluators=evaluators,
            clip_ranked=clip_ranked,
            clip_unranked=clip_unranked,
            frechet=self._measure(
                "Fréchet distance",
                lambda: frechet.frechet(features, fresh_features, _generator(1)),
            ),
            memorisation=self._measure(
                "near copies", lambda: self.memorisation(features, fresh, fresh_features, found)
            ),
            notes=tuple(self.notes),
            seconds=time.monotonic() - started,
        )
        return result, failures

    def judge_drawings(self) -> tuple[list[Judged], list[Failure], np.ndarray]:
        """Verdicts on all drawings, some that failed, and the features (N, D) of the kept ones."""
        judged, failures, features = [], [], []
        for index, prompt in enumerate(self.exam):
            self._tell(index, "judging", len(self.exam))
            drawn = self.album[prompt]
            readings, drawn_features = self.reader.look(drawn.pixels)
            verdicts = [judge(reading, prompt.key, prompt.category) for reading in readings]
            judged.append(
                Judged(
                    prompt=prompt,
                    ranked=tuple(verdicts[place] for place in drawn.ranked),
                    unranked=tuple(verdicts[place] for place in drawn.unranked),
                    is_blank=scores.is_blank(drawn.pixels),
                )
            )
            features.append(drawn_features[drawn.ranked])
            failures += [
                Failure(pixels=drawn.pixels[place], prompt=prompt, reason=verdicts[place].text)
                for place in drawn.ranked
                if not verdicts[place].is_right
            ]
        order = _generator(2).permutation(len(failures))[:MAX_FAILURES]
        kept = [failures[place] for place in sorted(order)]
        return judged, kept, np.concatenate(features)

    def retrieve(self) -> tuple[dict[tuple[str, str], list[Verdict]], list[int]]:
        """Verdicts on the look-up baseline's pictures, and the training scenes that it found."""
        if self.ranker is None:
            self.notes.append("look-up baseline: the model names no network that ranks")
            return {}, []
        self._tell(0, "reading training captions")
        baseline = Retrieval(
            clip=self.ranker[0],
            tokenizer=self.ranker[1],
            world=self.world,
            seed=worlds.TRAINING_SEED,
            num_captions=self.plan.training_captions,
            size=self.size,
            languages=self.world.languages,
        )
        verdicts: dict[tuple[str, str], list[Verdict]] = {}
        found: set[int] = set()
        for index, prompt in enumerate(self.exam):
            self._tell(index, "looking up", len(self.exam))
            nearest = [int(place) for place in baseline.nearest(prompt.text, KEPT)]
            found.update(nearest)
            pictures = [self._training_render(place) for place in nearest]
            verdicts[prompt.category, prompt.text] = [
                judge(reading, prompt.key, prompt.category)
                for reading in self.reader.read(pictures)
            ]
        return verdicts, sorted(found)

    def fresh_renders(self) -> np.ndarray:
        """Renders of the exam's scenes, as many as kept pictures, uint8 (N, H, W, 3)."""
        num_languages = len({prompt.language for prompt in self.exam})
        return np.stack(
            [
                picture
                for _, renders in checks.scene_renders(self.exam, self.size, KEPT * num_languages)
                for picture in renders
            ]
        )

    def clip_scores(self) -> tuple[ClipScore | None, ClipScore | None]:
        """The score in our own CLIP of the kept pictures, and without ranking."""
        if self.ranker is None:
            self.notes.append("CLIP score: the model names no network that ranks")
            return None, None
        self._tell(0, "scoring with CLIP")
        drawn = [self.album[prompt] for prompt in self.exam]
        texts = [prompt.text for prompt in self.exam]
        ranked, unranked = (
            [
                list(of_prompt.pixels[places])
                for of_prompt, places in zip(drawn, chosen, strict=True)
            ]
            for chosen in ([d.ranked for d in drawn], [d.unranked for d in drawn])
        )
        clip, tokenizer = self.ranker
        return (
            self._measure(
                "CLIP score",
                lambda: clip_score.clip_score(clip, tokenizer, texts, ranked, _generator(3)),
            ),
            self._measure(
                "CLIP score without ranking",
                lambda: clip_score.clip_score(clip, tokenizer, texts, unranked, _generator(3)),
            ),
        )

    def memorisation(
        self,
        features: np.ndarray,
        fresh: np.ndarray,
        fresh_features: np.ndarray,
        found: Sequence[int],
    ) -> Memorisation:
        """Near copies among the kept pictures, searched where they are likeliest.

        Args:
            features: Of the kept pictures, (N, D).
            fresh: Renders of the exam's scenes, uint8 (M, H, W, 3).
            fresh_features: Theirs, (M, D).
            found: Training scenes whose captions are near the prompts.
        """
        drawn = np.concatenate(
            [_small(of_prompt.pixels[of_prompt.ranked]) for of_prompt in self._drawn()]
        )
        indices = sorted({*range(self.plan.training_renders), *found})
        require("training renders", len(indices), memorisation.LEAST_TRAINING)
        training, training_features = [], []
        for start in range(0, len(indices), 256):
            self._tell(start, "searching training renders", len(indices))
            pictures = np.stack([self._training_render(i) for i in indices[start : start + 256]])
            training.append(_small(pictures))
            training_features.append(self.reader.features(pictures))
        return memorisation.memorisation(
            Gallery(pixels=drawn, features=features),
            Gallery(pixels=_small(fresh), features=fresh_features),
            Gallery(pixels=np.concatenate(training), features=np.concatenate(training_features)),
        )

    def _drawn(self) -> Iterator[Drawn]:
        return (self.album[prompt] for prompt in self.exam)

    def _training_render(self, index: int) -> np.ndarray:
        seed = worlds.TRAINING_SEED
        return painter.paint(
            worlds.draw_scene(self.world, seed, index), self.size, seed, index
        ).pixels

    def _measure(self, what: str, measure: Callable[[], Measured]) -> Measured | None:
        """What `measure` gives, or None and a note where there is not enough data."""
        try:
            return measure()
        except NotEnoughData as error:
            self.notes.append(f"{what}: {error}")
            return None

    def _tell(self, done: int, phase: str, total: int = 1) -> None:
        self.on_progress(Progress(done=done, total=total, phase=phase))


def _small(pictures: np.ndarray) -> np.ndarray:
    """uint8 pictures (N, H, W, 3) as uint8 (N, TRAINING_SCALE, TRAINING_SCALE, 3)."""
    size = (TRAINING_SCALE, TRAINING_SCALE)
    box = Image.Resampling.BOX
    return np.stack(
        [np.asarray(Image.fromarray(picture).resize(size, box)) for picture in pictures]
    )


def _by_category(
    retrieved: Mapping[tuple[str, str], Sequence[Verdict]],
) -> dict[str, list[Verdict]]:
    grouped: dict[str, list[Verdict]] = defaultdict(list)
    for (category, _), verdicts in retrieved.items():
        grouped[category] += verdicts
    return grouped


def _generator(stream: int) -> np.random.Generator:
    """The evaluation's own lots, the same every time."""
    return np.random.Generator(np.random.Philox(key=(worlds.PROMPT_SEED << 64) + stream))
