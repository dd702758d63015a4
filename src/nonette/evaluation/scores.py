"""From verdicts to scores: shares of right pictures with intervals, by category and kind.

Every number here can be missing. Where there is too little to measure (no prompt of a category, one
picture, pictures that are all alike) the score is None and reports say "not enough data".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nonette.evaluation.enough import NotEnoughData, require_variety
from nonette.evaluation.intervals import Share, mean_over_prompts, share
from nonette.evaluation.prompts import CATEGORIES, Prompt
from nonette.evaluation.verdicts import Verdict

PAIRED = tuple(category.name for category in CATEGORIES if category.pairs)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One prompt with the verdicts on its pictures: the kept ones, and those without ranking.

    Attributes:
        prompt: The question.
        ranked: Verdicts on the pictures that a person gets, best first.
        unranked: Verdicts on as many of the candidates in the order of seeds.
        is_blank: Whether the pictures are all one and the same, such as all black.
    """

    prompt: Prompt
    ranked: tuple[Verdict, ...]
    unranked: tuple[Verdict, ...]
    is_blank: bool = False


@dataclass(frozen=True, kw_only=True)
class Checks:
    """How the judge does in one category where the truth is known.

    Attributes:
        accepted: Renders of the very scene asked for that it calls right, all, seen and held out.
        accepted_seen: Of scenes without held-out pairs.
        accepted_held_out: Of scenes with them.
        refused: Renders held against a sentence that is false of them in one respect which it calls
            wrong.
    """

    accepted: Share | None
    accepted_seen: Share | None
    accepted_held_out: Share | None
    refused: Share | None


@dataclass(frozen=True, kw_only=True)
class CategoryScore:
    """One category's shares of right pictures; None where there is not enough data.

    Attributes:
        name: The category.
        ranked: Of all kept pictures.
        unranked: Of as many candidates, not ranked.
        seen: Of kept pictures of prompts without held-out pairs.
        held_out: Of kept pictures of prompts with one.
        languages: Of kept pictures, by language.
        corrected: `ranked` without the judge's own errors (Rogan and Gladen 1978), 0 to 1.
        checks: How the judge does in this category on real renders.
        retrieval: Of the nearest training captions' renders.
        reasons: How often each kind of reason was given.
    """

    name: str
    ranked: Share | None
    unranked: Share | None
    seen: Share | None
    held_out: Share | None
    languages: Mapping[str, Share | None]
    corrected: float | None
    checks: Checks | None
    retrieval: Share | None
    reasons: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean over categories and its 95% interval over prompts."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Means:
    """Means over categories; None where a category is missing.

    Attributes:
        ranked: Of all categories.
        unranked: Without ranking.
        seen: Of the categories that have held-out pairs, prompts without them.
        held_out: Of the same categories, prompts with them.
        languages: Of all categories, by language.
        retrieval: Of the look-up baseline.
    """

    ranked: Mean | None
    unranked: Mean | None
    seen: Mean | None
    held_out: Mean | None
    languages: Mapping[str, Mean | None]
    retrieval: Mean | None


def category_scores(
    judged: Sequence[Judged],
    checks: Mapping[str, Checks],
    retrieved: Mapping[str, Sequence[Verdict]],
) -> tuple[CategoryScore, ...]:
    """The score of every category, in their order.

    Args:
        judged: All prompts.
        checks: By category.
        retrieved: Verdicts on the look-up baseline's pictures, by category.
    """
    scores = []
    for category in CATEGORIES:
        rows = [row for row in judged if row.prompt.category == category.name]
        languages = sorted({row.prompt.language for row in judged})
        ranked = _score(rows)
        baseline = retrieved.get(category.name)
        scores.append(
            CategoryScore(
                name=category.name,
                ranked=ranked,
                unranked=_score(rows, lambda row: row.unranked),
                seen=_score([row for row in rows if row.prompt.split == "seen"]),
                held_out=_score([row for row in rows if row.prompt.split == "held_out"]),
                languages={
                    language: _score([row for row in rows if row.prompt.language == language])
                    for language in languages
                },
                corrected=corrected(ranked, checks.get(category.name)),
                checks=checks.get(category.name),
                retrieval=share_of(baseline, "retrieved pictures") if baseline else None,
                reasons=_reasons(rows),
            )
        )
    return tuple(scores)


def means(
    judged: Sequence[Judged],
    retrieved: Mapping[tuple[str, str], Sequence[Verdict]],
    generator: np.random.Generator,
) -> Means:
    """Means over categories with their intervals.

    Args:
        judged: All prompts.
        retrieved: Verdicts on the look-up baseline's pictures, by category and sentence.
        generator: Draws prompts anew for the intervals.
    """
    names = tuple(category.name for category in CATEGORIES)
    languages = sorted({row.prompt.language for row in judged})
    seen = [row for row in judged if row.prompt.split == "seen"]
    held_out = [row for row in judged if row.prompt.split == "held_out"]
    baseline = {
        name: [
            [verdict.is_right for verdict in verdicts]
            for (category, _), verdicts in retrieved.items()
            if category == name
        ]
        for name in names
    }
    return Means(
        ranked=_mean(judged, names, generator),
        unranked=_mean(judged, names, generator, lambda row: row.unranked),
        seen=_mean(seen, PAIRED, generator),
        held_out=_mean(held_out, PAIRED, generator),
        languages={
            language: _mean(
                [row for row in judged if row.prompt.language == language], names, generator
            )
            for language in languages
        },
        retrieval=_mean_of(list(baseline.values()), generator),
    )


def corrected(score: Share | None, checks: Checks | None) -> float | None:
    """The share that is right if the judge errs as it does on renders, 0 to 1.

    Rogan and Gladen 1978, "Estimating Prevalence from the Results of a Screening Test". None where
    a part is missing, or the judge is no better than chance.
    """
    if score is None or checks is None or checks.accepted is None or checks.refused is None:
        return None
    gain = checks.accepted.value + checks.refused.value - 1
    if gain <= 0.5:
        return None
    return min(1.0, max(0.0, (score.value + checks.refused.value - 1) / gain))


def share_of(verdicts: Iterable[Verdict], what: str) -> Share | None:
    """The share of right verdicts, or None where there are too few."""
    results = [verdict.is_right for verdict in verdicts]
    try:
        return share(sum(results), len(results), what)
    except NotEnoughData:
        return None


def is_blank(pictures: np.ndarray) -> bool:
    """Whether uint8 pictures (N, H, W, 3) are all the same, as black ones are."""
    try:
        require_variety("pictures", pictures)
    except NotEnoughData:
        return True
    return False


def _ranked(row: Judged) -> tuple[Verdict, ...]:
    return row.ranked


def _reasons(rows: Sequence[Judged]) -> dict[str, int]:
    """How often each kind of reason was given, commonest first."""
    verdicts = [verdict for row in rows for verdict in row.ranked]
    kinds = Counter(reason.kind for verdict in verdicts for reason in verdict.reasons)
    return dict(kinds.most_common())


def _score(
    rows: Sequence[Judged], pick: Callable[[Judged], tuple[Verdict, ...]] = _ranked
) -> Share | None:
    if rows and all(row.is_blank for row in rows):
        return None
    return share_of([verdict for row in rows for verdict in pick(row)], "pictures")


def _mean(
    rows: Sequence[Judged],
    names: Sequence[str],
    generator: np.random.Generator,
    pick: Callable[[Judged], tuple[Verdict, ...]] = _ranked,
) -> Mean | None:
    groups = []
    for name in names:
        of_name = [row for row in rows if row.prompt.category == name]
        if not of_name or all(row.is_blank for row in of_name):
            return None
        groups.append([[verdict.is_right for verdict in pick(row)] for row in of_name])
    return _mean_of(groups, generator)


def _mean_of(
    groups: Sequence[Sequence[Sequence[bool]]], generator: np.random.Generator
) -> Mean | None:
    try:
        value, low, high = mean_over_prompts(groups, generator)
    except NotEnoughData:
        return None
    return Mean(value=value, low=low, high=high)
