"""Which words a model never saw, whatever their spelling."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.errors import CheckpointError
from nonette.text.vocabulary import Vocabulary, words

KNOWN = Vocabulary(
    [
        "a red cat on the moon",
        "un éléphant bleu",
        "the hot dog",
        "T-shirt",
        "un cheval",
        "trois 3",
        "strawberry",
        "upside-down",
        "le cœur",
        "à l'envers",
        "deux gâteaux",
        "octopus",
        "is",
    ]
)


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a red cat", ()),
        ("A RED Cat!", ()),
        ("three red cats", ("three",)),
        ("Éléphant elephant ÉLÉPHANTS", ()),
        ("l'éléphant l’éléphant d'éléphants", ()),
        ("the cat's moon", ()),
        ("hot-dog", ()),
        ("t-shirts, T-Shirt", ()),
        ("t shirt", ("t", "shirt")),
        ("upside down", ("upside", "down")),
        ("chevaux gâteau strawberries octopuses", ()),
        ("coeur CŒUR cœurs", ()),
        ("ｒｅｄ ｃａｔ", ()),
        ("3 cats, 4 cats", ("4",)),
        ("Eiffel and eiffel and EIFFEL", ("Eiffel", "and")),
        ("d'Eiffel qu'Eiffel", ("Eiffel",)),
        ("red-winged cat", ("red-winged",)),
        ("a 🦄 and a cat 🦄", ("🦄", "and")),
        ("猫 on the moon", ("猫",)),
        ("rock'n'roll", ("rock'n'roll",)),
        ("as", ("as",)),
        ("", ()),
        ("!?., --- ''", ()),
    ],
)
def test_unknown_words(prompt: str, unknown: tuple[str, ...]) -> None:
    assert KNOWN.unknown(prompt) == unknown


def test_words_keep_the_person_s_spelling() -> None:
    assert words("L'Éléphant d’Eiffel, a Cat's T-shirt") == (
        "Éléphant",
        "Eiffel",
        "a",
        "Cat",
        "T-shirt",
    )


@given(st.lists(st.text("abcdefghij", min_size=1), min_size=1))
def test_what_training_had_is_known(known: list[str]) -> None:
    vocabulary = Vocabulary(known)
    assert vocabulary.unknown(" ".join(known)) == ()
    assert vocabulary.unknown(" ".join(known).upper()) == ()
    assert all(word in vocabulary for word in known)


@given(st.text(st.characters(codec=None)))
def test_any_prompt_will_do(prompt: str) -> None:
    for word in KNOWN.unknown(prompt):
        assert word not in KNOWN
        word.encode("utf-8")


def test_files_come_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_bytes(KNOWN.to_bytes())
    again = Vocabulary.load(path)
    assert again.words == KNOWN.words and len(again) == len(KNOWN)
    assert again.to_bytes() == KNOWN.to_bytes()


@pytest.mark.parametrize(
    "contents",
    [b"", b"[]", b"{}", b"\xff\xfe", json.dumps({"format": 2, "words": []}).encode()]
    + [json.dumps({"format": 1, "words": words}).encode() for words in (None, "cat", [1])],
)
def test_damaged_files_are_refused(contents: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match=r"vocabulary\.json"):
        Vocabulary.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        Vocabulary.load(tmp_path / "none.json")


@pytest.mark.parametrize("unit", ["\u0301\u0323", "🦄", "l'", "cat ", "a-", "é"])
def test_time_is_linear(unit: str) -> None:
    def seconds(num: int) -> float:
        start = time.process_time()
        KNOWN.unknown("x" + unit * num)
        return time.process_time() - start

    seconds(1_000)
    small, large = min(seconds(5_000) for _ in range(3)), min(seconds(40_000) for _ in range(3))
    assert large < 40 * small + 0.05
