"""A scene evaluation for people (Markdown), for programs (JSON), and its failures to look at.

Every score stands beside what its evaluator is worth: a share that the judge itself reaches on real
renders is as good as perfect. Where there was too little to measure, it says "not enough data".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nonette.data.scenes import sheet
from nonette.evaluation import clip_score, frechet
from nonette.evaluation.blind import Agreement
from nonette.evaluation.intervals import Share
from nonette.evaluation.scenes import Failure, Result
from nonette.evaluation.scores import Mean

MISSING = "not enough data"


def to_json(result: Result, agreement: Agreement | None) -> str:
    """Every number of the result, shares with their counts and intervals; null where missing."""
    values = {
        **dataclasses.asdict(result),
        "agreement": None if agreement is None else dataclasses.asdict(agreement),
    }
    return json.dumps(rounded(values), indent=2, ensure_ascii=False) + "\n"


def to_markdown(result: Result, agreement: Agreement | None) -> str:
    """The whole report."""
    return "\n\n".join(
        [
            f"# Scene accuracy of {result.model}",
            _introduction(result),
            _means(result),
            "## By category\n\nAll nine pictures of a prompt count. *Judge, true* is the share of "
            "real renders of the very scenes asked for that the judge calls right: the ceiling of "
            "the score. *Judge, false* is the share of sentences that are false of a render in one "
            "respect which it refuses. *Corrected* takes both out of the score (Rogan and Gladen "
            "1978). *Look-up* are renders of the nearest training captions.",
            _categories(result),
            "## Why pictures were wrong\n\nKinds of reasons, of all kept pictures; a picture can "
            "be wrong for several.",
            _reasons(result),
            "## The evaluators on real renders",
            _evaluators(result),
            _agreement(agreement),
            "## Beside the exam",
            _others(result),
            _notes(result),
        ]
    )


def failure_sheet(failures: Sequence[Failure]) -> np.ndarray | None:
    """Failed pictures with sentence and reason, uint8 (H, W, 3); None where nothing failed."""
    if not failures:
        return None
    texts = [f"{failure.prompt.text}: {failure.reason}" for failure in failures]
    pictures = [failure.pixels for failure in failures]
    return sheet.compose(pictures, texts)


def _introduction(result: Result) -> str:
    return (
        f"{result.num_pictures:,} pictures of {result.num_prompts:,} prompts (exam "
        f"{result.exam_seed} of the world `{result.world}`), the best nine of {result.candidates} "
        f"candidates each, read by `{result.judge}`, which never sees a sentence. Intervals are "
        "95%: Wilson's over pictures for shares, over prompts drawn anew for means. Pictures of "
        "one prompt are not independent, so the intervals of shares are a little too narrow."
    )


def _means(result: Result) -> str:
    means = result.means
    rows = [
        ("all nine pictures, mean over categories", _mean(means.ranked)),
        ("the same without ranking", _mean(means.unranked)),
        ("look-up of the nearest training captions", _mean(means.retrieval)),
        ("seen pairs, of categories that have pairs", _mean(means.seen)),
        ("held-out pairs, of the same categories", _mean(means.held_out)),
        *((f"prompts in `{name}`", _mean(mean)) for name, mean in means.languages.items()),
    ]
    return table(("", "score"), rows)


def _categories(result: Result) -> str:
    languages = list(result.means.languages)
    header = (
        "category",
        "score",
        "without ranking",
        "seen",
        "held out",
        *languages,
        "judge, true: all, seen, held out",
        "judge, false",
        "corrected",
        "look-up",
    )
    rows = []
    for score in result.categories:
        checks = score.checks
        rows.append(
            (
                score.name.replace("_", " "),
                share_text(score.ranked),
                _short(score.unranked),
                _short(score.seen),
                _short(score.held_out),
                *(_short(score.languages[language]) for language in languages),
                ", ".join(
                    _short(share)
                    for share in (
                        (checks.accepted, checks.accepted_seen, checks.accepted_held_out)
                        if checks
                        else (None,)
                    )
                ),
                _short(checks.refused if checks else None),
                "–" if score.corrected is None else f"{score.corrected:.3f}",
                _short(score.retrieval),
            )
        )
    return table(header, rows)


def _reasons(result: Result) -> str:
    kinds = sorted({kind for score in result.categories for kind in score.reasons})
    if not kinds:
        return "Nothing was wrong."
    rows = [
        (score.name.replace("_", " "), *(str(score.reasons.get(kind, 0)) for kind in kinds))
        for score in result.categories
    ]
    return table(("category", *kinds), rows)


def _evaluators(result: Result) -> str:
    styles = list(result.evaluators[0].styles) if result.evaluators else []
    rows = [
        (
            score.name,
            share_text(score.all),
            _short(score.seen),
            _short(score.held_out),
            *(_short(score.styles[style]) for style in styles),
        )
        for score in result.evaluators
    ]
    return table(("evaluator", "all", "seen", "held out", *styles), rows)


def _agreement(agreement: Agreement | None) -> str:
    title = "## Agreement with a blind look\n\n"
    if agreement is None:
        return title + "None yet: `nonette evaluate blind` makes the pages."
    rows = [(name, share_text(share)) for name, share in agreement.questions.items()]
    return (
        f"{title}{agreement.num_pictures} drawn pictures, answered without their sentences.\n\n"
        + table(("question", "judge and person agree"), rows)
    )


def _others(result: Result) -> str:
    rows = []
    for what, score in (("", result.clip_ranked), (", without ranking", result.clip_unranked)):
        text = MISSING if score is None else f"{score.mean:.3f} [{score.low:.3f}, {score.high:.3f}]"
        rows.append((clip_score.NAME + what, text))
    distance = result.frechet
    rows.append(
        (
            f"{frechet.NAME} (the judge's), drawn against renders of the same scenes",
            MISSING
            if distance is None
            else f"{distance.distance:.2f} ± {distance.spread:.2f}; two halves of renders: "
            f"{distance.floor:.2f}; {distance.num_drawn:,} pictures",
        )
    )
    copies = result.memorisation
    for what in ("drawn", "fresh"):
        nearness = None if copies is None else getattr(copies, what)
        text = MISSING
        if copies is not None and nearness is not None:
            text = f"{nearness.copy_share:.1%} of {nearness.num_pictures:,}"
        name = "drawn pictures" if what == "drawn" else "fresh renders of the same scenes"
        rows.append((f"near copies of training renders among {name}", text))
    if copies is not None:
        rows.append(("training renders searched", f"{copies.num_training:,}"))
    return table(("measure", "value"), rows)


def _notes(result: Result) -> str:
    lines = [f"- {note}" for note in result.notes]
    return "\n".join([*lines, f"\nMeasured in {result.seconds:.0f} s."]).strip()


def _mean(mean: Mean | None) -> str:
    return MISSING if mean is None else f"**{mean.value:.3f}** [{mean.low:.3f}, {mean.high:.3f}]"


def share_text(share: Share | None) -> str:
    """A share with its interval and out of how many."""
    if share is None:
        return MISSING
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}] of {share.total:,}"


def _short(share: Share | None) -> str:
    return "–" if share is None else f"{share.value:.3f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rounded(value: Any) -> Any:
    """The value with floats of six digits, as JSON can hold it."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {str(key): rounded(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner) for inner in value]
    return value
