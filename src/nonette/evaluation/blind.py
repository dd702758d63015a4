"""A blind look: a person reads drawn pictures that the judge has read, and the two are compared.

`choose` takes pictures of the exam by lot; pages show them under neutral numbers, without their
sentences, and a table asks the same questions of every picture. The person's answers become a
`Reading` like the judge's, so that beside every question the verdicts can be compared, too.

Answers are the words of the world, "_" or a space between words. A cell left empty says "nothing of
that kind" in columns of a thing, "own colours" for its look, and "cannot tell" for setting and
style.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nonette.core.errors import InputError
from nonette.data.scenes import sheet
from nonette.data.scenes.world import World
from nonette.evaluation.enough import NotEnoughData
from nonette.evaluation.intervals import Share, share
from nonette.evaluation.prompts import Prompt
from nonette.evaluation.reading import Instance, Reading
from nonette.evaluation.relations import holds
from nonette.evaluation.verdicts import judge

NUM_PICTURES = 200
PER_PAGE = 25
ENLARGED = 2  # times, each pixel a square
COLUMNS = (
    "number",
    "object_1",
    "count_1",
    "look_1",
    "object_2",
    "count_2",
    "look_2",
    "relation",
    "setting",
    "style",
)
QUESTIONS = ("objects", "counts", "looks", "position", "setting", "style", "verdict")
PLACES: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "left_of": ((30, 64), (98, 64)),
    "right_of": ((98, 64), (30, 64)),
    "above": ((64, 24), (64, 104)),
    "below": ((64, 104), (64, 24)),
    "on": ((64, 44), (64, 84)),
}
SIDE = 40.0  # pixels of the boxes that stand for a person's answer about position


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One picture of the blind look: its prompt's place in the exam, and its own among the nine."""

    prompt: int
    picture: int


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The share of pictures on which judge and person agree, by question; None: too few."""

    num_pictures: int
    questions: Mapping[str, Share | None]


def choose(exam: Sequence[Prompt], per_prompt: int, num_pictures: int, seed: int) -> list[Pick]:
    """Pictures by lot, spread evenly over categories, in an order that tells nothing.

    Args:
        exam: The prompts, all drawn.
        per_prompt: Pictures of each that may be chosen.
        num_pictures: How many to choose, fewer where there are fewer.
        seed: Of the lots.
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    by_category: dict[str, list[Pick]] = {}
    for place, prompt in enumerate(exam):
        picks = by_category.setdefault(prompt.category, [])
        picks += [Pick(prompt=place, picture=number) for number in range(per_prompt)]
    shuffled = [
        [picks[place] for place in generator.permutation(len(picks))]
        for picks in by_category.values()
    ]
    longest = max(map(len, shuffled), default=0)
    taken = [picks[turn] for turn in range(longest) for picks in shuffled if turn < len(picks)]
    taken = taken[:num_pictures]
    return [taken[place] for place in generator.permutation(len(taken))]


def pages(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Sheets of `PER_PAGE` pictures with their numbers from 1 below, uint8 (H, W, 3)."""
    large = [picture.repeat(ENLARGED, 0).repeat(ENLARGED, 1) for picture in pictures]
    numbers = [str(number) for number in range(1, len(large) + 1)]
    return [
        sheet.compose(large[start : start + PER_PAGE], numbers[start : start + PER_PAGE])
        for start in range(0, len(large), PER_PAGE)
    ]


def template(num_pictures: int) -> str:
    """The table to fill in, as CSV: a row a picture."""
    lines = [",".join(COLUMNS)]
    lines += [f"{number}" + "," * (len(COLUMNS) - 1) for number in range(1, num_pictures + 1)]
    return "\n".join(lines) + "\n"


def words(world: World) -> str:
    """What may be written into each column, for the person."""
    return "\n".join(
        [
            "Say what each picture shows. Leave a cell empty for: no such thing, its own colours, "
            "cannot tell.",
            f"object: {', '.join(world.objects)}; or ? for something unclear",
            f"count: 1 to {world.max_count + 2}; empty is 1",
            f"look: {', '.join((*world.colours, *world.materials))}; or ? for something unclear",
            f"relation (first to second): {', '.join(PLACES)}; empty where none of them",
            f"setting: {', '.join((*world.settings, *world.plain_settings))}",
            f"style: {', '.join(world.styles)}",
            "",
        ]
    )


def read_answers(text: str, num_pictures: int) -> list[Reading]:
    """The filled-in table as readings, in the order of numbers.

    Args:
        text: The CSV.
        num_pictures: How many rows there must be.

    Raises:
        InputError: A column or a row is missing, or a count is no number.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or set(COLUMNS) - set(rows[0]):
        raise InputError("answers", text[:60], f"the columns must be {', '.join(COLUMNS)}")
    numbered = {row["number"].strip(): row for row in rows}
    missing = [n for n in range(1, num_pictures + 1) if str(n) not in numbered]
    if missing:
        raise InputError("answers", f"{len(rows)} rows", f"number {missing[0]} is missing")
    return [_reading(numbered[str(number)]) for number in range(1, num_pictures + 1)]


def agreement(
    people: Sequence[Reading], judged: Sequence[Reading], prompts: Sequence[Prompt]
) -> Agreement:
    """How often a person and the judge say the same of a picture, question by question.

    Looks, counts and position are compared where both saw the same things. The verdict compares
    what follows for the sentence that the picture was drawn from.
    """
    outcomes: dict[str, list[bool]] = {question: [] for question in QUESTIONS}
    for person, judge_reading, prompt in zip(people, judged, prompts, strict=True):
        ours, theirs = _names(person), _names(judge_reading)
        outcomes["objects"].append(set(ours) == set(theirs))
        if set(ours) == set(theirs):
            outcomes["counts"].append(ours == theirs)
            outcomes["looks"].append(_looks(person) == _looks(judge_reading))
            if len(ours) == 2:
                outcomes["position"].append(_place(person) == _place(judge_reading))
        outcomes["setting"].append(person.setting == judge_reading.setting)
        outcomes["style"].append(person.style == judge_reading.style)
        verdicts = [judge(r, prompt.key, prompt.category) for r in (person, judge_reading)]
        outcomes["verdict"].append(verdicts[0].is_right == verdicts[1].is_right)
    return Agreement(
        num_pictures=len(people),
        questions={question: _share(results) for question, results in outcomes.items()},
    )


def _reading(row: Mapping[str, str]) -> Reading:
    relation = _word(row["relation"])
    if relation and relation not in PLACES:
        raise InputError("relation", relation, f"it must be one of {', '.join(PLACES)}")
    places = PLACES.get(relation, ((30, 64), (98, 64)))
    instances: list[Instance] = []
    for number, (x, y) in zip(("1", "2"), places, strict=True):
        name = _word(row[f"object_{number}"])
        if not name:
            continue
        count = row[f"count_{number}"].strip() or "1"
        if not count.isdigit():
            raise InputError(f"count_{number}", count, "it must be a whole number")
        look = _word(row[f"look_{number}"])
        box = (x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2)
        seen = Instance(
            name=None if name == "?" else name, look=None if look == "?" else look, box=box
        )
        instances += [seen] * int(count)
    return Reading(
        instances=tuple(instances),
        setting=_word(row["setting"]) or None,
        time="day",
        style=_word(row["style"]) or None,
    )


def _word(cell: str | None) -> str:
    return (cell or "").strip().lower().replace(" ", "_")


def _names(reading: Reading) -> Counter[str | None]:
    return Counter(instance.name for instance in reading.instances)


def _looks(reading: Reading) -> set[tuple[str | None, str | None]]:
    return {(instance.name, instance.look) for instance in reading.instances}


def _place(reading: Reading) -> frozenset[str]:
    """Where the thing that comes first in the alphabet stands to the other."""
    first, second = sorted({i.name or "": i for i in reading.instances}.items())
    directions = ("left_of", "right_of", "above", "below")
    return frozenset(name for name in directions if holds(name, first[1], second[1]))


def _share(results: Sequence[bool]) -> Share | None:
    try:
        return share(sum(results), len(results), "pictures")
    except NotEnoughData:
        return None
