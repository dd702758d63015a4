"""A request is valid once it exists: every bad field is refused by name, value and limit."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.errors import InputError
from nonette.core.types import (
    MAX_CANDIDATES,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    Picture,
    Request,
    with_changes,
)

NUMBERS = st.integers() | st.floats() | st.text() | st.none() | st.booleans()


def request(**changes):
    return Request(**({"prompt": "a red fox"} | changes))


@pytest.mark.parametrize(
    "prompt",
    [
        "a kangaroo made of cheese on the moon",
        "trois chats rouges à côté d'un œuf",
        'it\'s $5 "now" `id`; rm -rf /',
        "<script>alert(1)</script>",
        "=1+1\r\n\x1b[31mred",
        "\ufeffa fox\u202e",
        "9",
        "狐",
        "x" * MAX_PROMPT_CHARACTERS,
    ],
)
def test_a_prompt_is_kept_as_it_was_written(prompt):
    assert request(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("", "at least one letter or digit"),
        (" \t\n\u3000", "at least one letter or digit"),
        ("\u200b\u200d\ufeff", "at least one letter or digit"),
        ("?!", "at least one letter or digit"),
        ("x" * 1_000_000, "1,000,000 characters are more than the 2,000 allowed"),
        ("\N{KANGAROO}" * 100_000, "100,000 characters"),
        ("e" + "\u0301" * 50_000, "50,001 characters"),
        ("a\0b", "NUL"),
        ("a\ud800b", "lone surrogates"),
        (None, "it must be text"),
        (b"fox", "it must be text"),
        (7, "it must be text"),
    ],
    ids=range(12),
)
def test_a_bad_prompt_is_refused(prompt, reason):
    with pytest.raises(InputError, match=reason) as caught:
        request(prompt=prompt)
    assert caught.value.field == "prompt"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("num_pictures", [0, -1, 65, 10**9, 2.0, "9", None, True]),
        ("candidates", [0, 8, MAX_CANDIDATES + 1, 10**9, 18.0, "18", True]),
        ("seed", [-1, 2**64, MAX_SEED, 0.0, "0", None, True, 10**5000]),
        ("guidance", [-0.1, 101, float("nan"), float("inf"), 1e308, 10**400, "4", True]),
        ("temperature", [0, 0.0, -1, 11, float("nan"), "1"]),
        ("top_k", [0, -1, 2**21, 1.5, "5"]),
        ("top_p", [0, 1.1, -1, float("nan"), "1"]),
        ("steps", [0, -1, 10**6, 1.0, "5"]),
        ("size", ["0x0", "7x7", "99999x99999", "128", "128×128", "128x128 ", "-1x9", 128, None]),
        ("size", ["١٢٨x١٢٨", "1e3x1e3", "", "128x128x3", "128X128"]),
        ("task", ["paint", "", None, ["draw"]]),
        ("model", [None, 7, "a\0b", "x" * 10**6]),
        ("negative_prompt", [None, 7, "a\0b", "\ud800", "x" * 10**6]),
        ("sampler", [7, "a\0b"]),
        ("ranks", [None, 1, "yes"]),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(field, values):
    for value in values:
        with pytest.raises(InputError) as caught:
            request(**{field: value})
        assert caught.value.field == field, value
        assert str(caught.value).startswith(f"{field} is "), value


@pytest.mark.parametrize(
    "changes",
    [
        {"num_pictures": 1},
        {"num_pictures": 64, "candidates": 512},
        {"seed": MAX_SEED - MAX_CANDIDATES},
        {"seed": MAX_SEED - 9, "candidates": 9},
        {"guidance": 0},
        {"guidance": 100},
        {"temperature": 0.001},
        {"top_k": 1},
        {"top_p": 1},
        {"size": "16x8192"},
        {"negative_prompt": "blue, round"},
        {"prompt": "", "task": "vary"},
        {"steps": 1000, "sampler": "euler"},
    ],
)
def test_the_limits_themselves_are_allowed(changes):
    made = request(**changes)
    assert {name: getattr(made, name) for name in changes} == changes


@pytest.mark.parametrize("task", ["draw", "edit", "extend"])
def test_tasks_that_draw_from_words_need_words(task):
    with pytest.raises(InputError, match="letter or digit"):
        request(prompt="...", task=task)


@given(
    field=st.sampled_from([f.name for f in dataclasses.fields(Request)]),
    value=NUMBERS | st.binary() | st.lists(st.integers()),
)
def test_a_request_is_made_or_refused_and_nothing_else(field, value):
    try:
        made = request(**{field: value})
    except InputError as error:
        assert error.field == field
    else:
        assert getattr(made, field) == value


@given(seed=st.integers(0, MAX_SEED), candidates=st.integers(9, MAX_CANDIDATES))
def test_every_candidate_of_an_accepted_request_has_an_allowed_seed(seed, candidates):
    is_allowed = seed + candidates <= MAX_SEED
    try:
        request(seed=seed, candidates=candidates)
    except InputError:
        assert not is_allowed
    else:
        assert is_allowed


def test_a_change_is_validated_again():
    assert with_changes(request(), seed=5).seed == 5
    with pytest.raises(InputError):
        with_changes(request(), seed=-5)


def test_a_request_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        request().seed = 3


def test_pictures_can_be_compared_and_kept_in_sets():
    pixels = np.zeros((2, 2, 3), np.uint8)
    one, other = (
        Picture(pixels=pixels, seed=1, score=None, model="m", settings={}) for _ in range(2)
    )
    assert one == one and one != other and len({one, other}) == 2
