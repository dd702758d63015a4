"""One spelling for sentences that read the same."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.text.normalise import normalise


@pytest.mark.parametrize(
    ("prompt", "normal"),
    [
        ("A Red Cat", "a red cat"),
        ("  a \t red\r\n\n cat  ", "a red cat"),
        ("L’Éléphant", "l'éléphant"),
        ("e\u0301le\u0301phant", "éléphant"),
        ("ＣＡＴ ﬁsh ①", "cat fish 1"),
        ("a\u200bcat\ufeff\x00 a\u00adb", "acat ab"),
        ("upside\u2011down – cat", "upside-down - cat"),
        ("« un chat » “x”", '" un chat " "x"'),
        ("a \u200b cat", "a cat"),
        ("\u202ea cat\u202c", "a cat"),
        ("ŒUF", "œuf"),
        ("", ""),
        (" \u200b\t", ""),
        ("a\ud800cat", "acat"),
        ("pêche péché", "pêche péché"),
    ],
)
def test_spellings(prompt: str, normal: str) -> None:
    assert normalise(prompt) == normal


@given(st.text(st.characters(codec=None)))
def test_normalising_twice_is_normalising_once(prompt: str) -> None:
    once = normalise(prompt)
    assert normalise(once) == once
    assert once == once.strip() and "  " not in once
    once.encode("utf-8")


@pytest.mark.parametrize("unit", ["\u0301\u0323", "🦄", "é ", "\u200b", "Ａ"])
def test_time_is_linear(unit: str) -> None:
    def seconds(num: int) -> float:
        start = time.process_time()
        normalise("a" + unit * num)
        return time.process_time() - start

    seconds(1_000)
    small, large = min(seconds(10_000) for _ in range(3)), min(seconds(80_000) for _ in range(3))
    assert large < 40 * small + 0.05
