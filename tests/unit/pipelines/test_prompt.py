"""Prompts with weights and of any length: cases worked by hand, and what holds for every prompt."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.errors import InputError
from nonette.pipelines import _prompt

START, END, PAD, COMMA = 1000, 1001, 1002, ord(",")
LENGTH, ROOM = 77, 75


class Letters:
    """A tokenizer of letters; blanks are none."""

    def encode(self, text: str, length: int) -> list[int]:
        letters = self.words(text)[: length - 2]
        return [START, *letters, END] + [PAD] * (length - 2 - len(letters))

    def words(self, text: str) -> list[int]:
        return [ord(letter) for letter in text if letter != " "]


def chunks(prompt: str) -> list[_prompt.Chunk]:
    return _prompt.chunks(prompt, Letters(), LENGTH, {})


def inner(chunk: _prompt.Chunk) -> str:
    """The letters between the ends."""
    return "".join(chr(one) for one in chunk.ids if one < START)


SPANS = {
    "a cat": [("a cat", 1)],
    "a (red) cat": [("a ", 1), ("red", 1.1), (" cat", 1)],
    "a ((red)) cat": [("a ", 1), ("red", 1.21), (" cat", 1)],
    "a [red] cat": [("a ", 1), ("red", 1 / 1.1), (" cat", 1)],
    "(red:1.5)": [("red", 1.5)],
    "(red:+.5)": [("red", 0.5)],
    "(red:-1)": [("red", -1)],
    "(red : 1.5 ) cat": [("red ", 1.5), (" cat", 1)],
    "(a (red:2) cat:0.5)": [("a ", 0.5), ("red", 1), (" cat", 0.5)],
    "[a (red:2)]": [("a ", 1 / 1.1), ("red", 2 / 1.1)],
    r"a \(red\) cat": [("a (red) cat", 1)],
    r"\[red\] \\ \a": [(r"[red] \ a", 1)],
    "(red": [("red", 1.1)],
    "a [(red": [("a red", 1)],
    "red) cat]": [("red) cat]", 1)],
    "red:1.5) cat": [("red:1.5) cat", 1)],
    "at 12:30": [("at 12:30", 1)],
    "(at 12:30 sharp)": [("at 12:30 sharp", 1.1)],
    "(red:)": [("red:", 1.1)],
    "(red:1.2.3)": [("red:1.2.3", 1.1)],
    "a()b": [("ab", 1)],
    "": [],
    "a BREAK b": [("a", 1), (None, 1), ("b", 1)],
    "(a:2)BREAK(b:2)": [("a", 2), (None, 1), ("b", 2)],
    "BREAKFAST": [("BREAKFAST", 1)],
}


@pytest.mark.parametrize("prompt", SPANS)
def test_weights(prompt: str) -> None:
    found = _prompt.spans(prompt)
    assert [text for text, _ in found] == [text for text, _ in SPANS[prompt]]
    assert [w for _, w in found] == pytest.approx([w for _, w in SPANS[prompt]])


@pytest.mark.parametrize("prompt", ["(a:11)", "(a:-10.5)", "(" * 25 + "a" + ")" * 25])
def test_a_weight_that_nobody_can_mean_is_refused(prompt: str) -> None:
    with pytest.raises(InputError, match=r"^prompt is .* it must be -10 to 10$"):
        _prompt.spans(prompt)


@given(st.text("ab ([])\\:1.2,BREAK", max_size=60))
def test_every_prompt_has_whole_chunks(prompt: str) -> None:
    try:
        found = chunks(prompt)
    except InputError:
        return
    for ids, weights in found:
        assert len(ids) == len(weights) == LENGTH and ids[0] == START and ids.count(END) == 1
        assert weights[0] == 1 and all(w == 1 for w in weights[ids.index(END) :])


@given(st.text("ab,", max_size=300))
def test_no_word_is_lost(prompt: str) -> None:
    assert "".join(map(inner, chunks(prompt))) == prompt


def test_a_prompt_that_fits_is_one_chunk_as_it_always_was() -> None:
    for prompt in ("", "a red cat", "x" * ROOM):
        assert [chunk.ids for chunk in chunks(prompt)] == [Letters().encode(prompt, LENGTH)]


def test_chunks_part_at_the_last_comma() -> None:
    far, near = "x" * 54 + "," + "y" * 25, "x" * 55 + "," + "y" * 25
    assert [len(inner(one)) for one in chunks(far)] == [75, 5]  # 20 letters behind it are too many
    assert [inner(one) for one in chunks(near)] == ["x" * 55 + ",", "y" * 25]
    assert [inner(one) for one in chunks("x" * 74 + ",y")] == ["x" * 74 + ",", "y"]
    assert [inner(one) for one in chunks("x" * 60 + "," + "y" * 14 + ",z")] == [
        "x" * 60 + "," + "y" * 14,
        ",z",
    ]


def test_weights_move_on_with_their_words() -> None:
    first, second = chunks("x" * 70 + ",(" + "y" * 6 + ":2)")
    assert set(first.weights) == {1.0} and inner(first) == "x" * 70 + ","
    assert second.weights == [1.0] + [2.0] * 6 + [1.0] * 70


def test_a_break_begins_a_chunk() -> None:
    assert [inner(one) for one in chunks("a BREAK b BREAK BREAK c")] == ["a", "b", "", "c"]


def test_a_taught_word_is_its_ids_and_stays_whole() -> None:
    named = {"my-cat": [2000, 2001, 2002], "<toy>": [2003], "my-cat2": [2004]}

    def ids(prompt: str) -> list[list[int]]:
        found = _prompt.chunks(prompt, Letters(), LENGTH, named)
        return [chunk.ids[1 : chunk.ids.index(END)] for chunk in found]

    assert ids("a My-Cat, b") == [[ord("a"), 2000, 2001, 2002, COMMA, ord("b")]]
    assert ids("(my-cat2)<toy>x") == [[2004, 2003, ord("x")]]
    assert ids("amy-cat") == [[ord(letter) for letter in "amy-cat"]]
    assert [len(one) for one in ids("x" * 73 + " my-cat y")] == [73, 4]
    weights = _prompt.chunks("(my-cat:2)", Letters(), LENGTH, named)[0].weights
    assert weights[:5] == [1, 2, 2, 2, 1]


def test_states_are_weighed_and_keep_their_mean() -> None:
    """Worked by hand: states 1, 2, 3 with weights 1, 2, 1 are 1, 4, 3, times 6 / 8."""
    states = torch.tensor([[[1.0], [2.0], [3.0]]])
    weighed = _prompt.weighed(states, [1.0, 2.0, 1.0])
    assert weighed.flatten().tolist() == [0.75, 3.0, 2.25]
    assert _prompt.weighed(states, [1.0, 1.0, 1.0]) is states
    cancelled = _prompt.weighed(torch.tensor([[[1.0], [1.0]]]), [1.0, -1.0])
    assert cancelled.flatten().tolist() == [1.0, -1.0]  # no mean to bring it back to


def test_each_chunk_is_read_alone() -> None:
    def encode(ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert ids.shape == (1, LENGTH)
        return ids[..., None].float(), ids[:, 1:2]

    states, vector = _prompt.read(chunks("a BREAK b"), encode)
    assert states.shape == (1, 2 * LENGTH, 1) and vector.tolist() == [[ord("a")]]
    assert states[0, [1, LENGTH + 1], 0].tolist() == [ord("a"), ord("b")]
    nothing, _ = _prompt.read(chunks(""), encode)
    longer = _prompt.lengthened(states, nothing, 3)
    assert torch.equal(longer, torch.cat([states, nothing], dim=1))
    assert torch.equal(_prompt.lengthened(states, nothing, 2), states)
