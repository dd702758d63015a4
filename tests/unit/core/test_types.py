"""A request is valid once it exists: every bad field is refused by name, value and limit."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.errors import InputError
from nonette.core.types import (
    MAX_CANDIDATES,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    TAKES,
    Picture,
    Request,
    as_drawn,
    with_changes,
)

NUMBERS = st.integers() | st.floats() | st.text() | st.none() | st.booleans()


def request(**changes):
    return Request(**({"prompt": "a red fox"} | changes))


def picture(width=32, height=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def mask_of(width=32, height=16):
    mask = np.zeros((height, width), bool)
    mask[2:5, 3:9] = True
    return mask


WISHES = {  # what each task needs, and all that it takes
    "edit": {"source": picture(), "mask": mask_of(), "strength": 0.5, "feather": 4},
    "extend": {"source": picture(), "left": 8, "top": 0, "right": 1, "bottom": 3, "feather": 0},
    "vary": {"source": picture(), "strength": 1},
    "blend": {"source": picture(), "second_source": picture(seed=1), "mix": 0.25},
    "enlarge": {"source": picture(), "factor": 2.5, "num_pictures": 1},
}


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
        {"left": None, "mix": None},
        {"steps": 1000, "sampler": "euler"},
    ],
)
def test_the_limits_themselves_are_allowed(changes):
    made = request(**changes)
    assert {name: getattr(made, name) for name in changes} == changes


@pytest.mark.parametrize("task", ["draw", "edit", "extend"])
def test_tasks_that_draw_from_words_need_words(task):
    with pytest.raises(InputError, match="letter or digit"):
        request(prompt="...", task=task, source=picture())


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


@pytest.mark.parametrize("task", WISHES)
def test_a_task_takes_what_belongs_to_it(task):
    made = request(task=task, **WISHES[task])
    for name, value in WISHES[task].items():
        assert np.array_equal(getattr(made, name), value)


@pytest.mark.parametrize("task", TAKES)
def test_a_task_refuses_what_belongs_to_others_by_name(task):
    everything = {name: value for wish in WISHES.values() for name, value in wish.items()}
    for field in everything.keys() - {"num_pictures"} - set(TAKES[task]):
        with pytest.raises(InputError, match=f"the task is {task}; {field} belongs to ") as caught:
            request(task=task, **(WISHES.get(task, {}) | {field: everything[field]}))
        assert caught.value.field == field


@pytest.mark.parametrize("task", ["edit", "extend", "vary", "enlarge"])
def test_a_task_without_its_source_is_refused(task):
    wish = {name: value for name, value in WISHES[task].items() if name not in ("source", "mask")}
    with pytest.raises(InputError, match=f"source is None, but {task} needs a picture"):
        request(task=task, **wish)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (picture().astype(np.float32), r"uint8 of \(H, W, 3\)"),
        (picture()[..., 0], r"uint8 of \(16, 32\)', but it must be a picture"),
        (np.zeros((16, 16, 4), np.uint8), r"uint8 of \(H, W, 3\)"),
        (picture().tolist(), r"uint8 of \(H, W, 3\)"),
        ("fox.png", "'fox.png', but it must be a picture"),
        (picture(1, 1), "'1x1', but a picture has 16 to 8,192 pixels a side"),
        (picture(16, 15), "'16x15', but a picture has 16"),
        (np.broadcast_to(np.uint8(0), (1, 30_000, 3)), "'30000x1', but a picture has 16"),
        (np.broadcast_to(np.uint8(0), (8192, 8192, 3)), "at most 33,554,432 pixels"),
    ],
    ids=range(9),
)
def test_a_source_is_a_picture_of_a_sane_size(source, reason):
    with pytest.raises(InputError, match=f"source is .*{reason}") as caught:
        request(task="vary", source=source)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (mask_of(16, 32), "'16x32', but it must be as large as the picture, 32x16"),
        (np.zeros((16, 32), bool), "mark at least one pixel"),
        (np.ones((16, 32), np.uint8), r"uint8 of \(16, 32\)', but it must be a mask, bool"),
        (np.ones((16, 32, 1), bool), "it must be a mask"),
        ([[True]], "it must be a mask"),
    ],
)
def test_a_mask_fits_its_source_and_marks_something(mask, reason):
    with pytest.raises(InputError, match=f"mask is .*{reason}"):
        request(task="edit", source=picture(), mask=mask)


def test_a_mask_of_everything_repaints_everything():
    everything = np.ones((16, 32), bool)
    assert request(task="edit", source=picture(), mask=everything).mask.all()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "1", True])
@pytest.mark.parametrize(("field", "task"), [("strength", "vary"), ("mix", "blend")])
def test_shares_are_from_0_to_1(field, task, value):
    with pytest.raises(InputError, match=f"{field} is .* a number from 0 to 1"):
        request(task=task, **(WISHES[task] | {field: value}))


@pytest.mark.parametrize(
    ("sides", "parts"),
    [
        ({}, "left is None, but one of left, top, right, bottom must be above 0"),
        ({"top": 0}, "must be above 0"),
        ({"left": -1}, "left is -1, but it must be a whole number from 0 to 8,192"),
        ({"right": 1.5}, "right is 1.5, but it must be a whole number"),
        ({"top": 10**9}, "top is 1000000000"),
        ({"left": 9, "bottom": 8190}, "bottom is 8190, but it leads to 41x8206, and a picture has"),
        ({"right": 8000, "bottom": 7000}, "right is 8000, but it leads to 8032x7016, and .* most"),
        ({"right": 4000, "bottom": 4000}, "num_pictures is '4032x4016', .* only 8 come at once"),
    ],
)
def test_an_extension_stays_within_the_limits(sides, parts):
    with pytest.raises(InputError, match=parts):
        request(task="extend", source=picture(), **sides)


def test_edits_and_extensions_keep_their_size():
    edit = request(task="edit", source=picture(), size="32x16")
    extend = request(task="extend", source=picture(), left=8, bottom=4)
    assert (edit.kept_size, extend.kept_size) == ((32, 16), (40, 20))
    assert (extend.sides, request().kept_size) == ((8, 0, 0, 4), None)
    for wish, size in ((edit, "64x32"), (extend, "32x16")):
        with pytest.raises(InputError, match=f"size is '{size}', but {wish.task} keeps"):
            with_changes(wish, size=size)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"source": picture()}, "second_source is"),
        ({"second_source": picture()}, "source is None"),
        ({}, "second_prompt is None, but blend needs it beside prompt, or else source"),
        ({"second_prompt": "!"}, "second_prompt is '!', .* letter or digit"),
        ({"second_prompt": "a cat", "prompt": ""}, "prompt is '', .* letter or digit"),
        (WISHES["blend"] | {"second_prompt": "a cat"}, "two pictures or two prompts"),
    ],
)
def test_a_blend_is_of_two_of_a_kind(fields, reason):
    with pytest.raises(InputError, match=reason):
        request(**({"task": "blend"} | fields))
    assert request(task="blend", second_prompt="a cat").mix is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"factor": 0.5}, "factor is 0.5, .* from 1 to 16"),
        ({"factor": float("nan")}, "factor is nan"),
        ({"factor": 2, "size": "64x32"}, "factor is 2, but size says already"),
        ({"num_pictures": 9}, "enlarge gives 1 picture"),
        ({"source": picture(1024, 16), "factor": 9}, "factor is 9, but it leads to 9216x144"),
    ],
)
def test_an_enlargement_stays_within_the_limits(fields, reason):
    with pytest.raises(InputError, match=reason):
        request(**({"task": "enlarge", "source": picture(), "num_pictures": 1} | fields))


def test_many_large_pictures_do_not_come_at_once():
    with pytest.raises(InputError, match=r"size is '8192x8192', .* at most 33,554,432 pixels"):
        request(size="8192x8192", num_pictures=1)
    with pytest.raises(InputError, match=r"size is '4096x4096', .* only 8 come at once"):
        request(size="4096x4096")
    assert request(size="4096x4096", num_pictures=8).size == "4096x4096"


def test_requests_are_equal_where_their_pixels_are():
    one, other = (request(task="edit", source=picture(), mask=mask_of()) for _ in range(2))
    assert one == other and len({one, other}) == 1
    assert one != with_changes(one, source=picture(seed=1))
    assert one != with_changes(one, mask=~mask_of()) and one != with_changes(one, mask=None)
    assert request() == request() and request() != request(seed=1) and request() != "a red fox"


def test_nobody_can_paint_over_a_source_afterwards():
    pixels = picture()
    made = request(task="vary", source=pixels)
    pixels[:] = 0
    assert np.array_equal(made.source, picture())
    with pytest.raises(ValueError, match="read-only"):
        made.source[:] = 0
    assert with_changes(made, seed=1).source is made.source


def test_what_is_recorded_is_json_with_fingerprints_in_place_of_pixels():
    made = request(task="edit", source=picture(), mask=mask_of(), strength=0.5)
    record = as_drawn(made, model="m")
    assert json.loads(json.dumps(record)) == record
    assert record["source"].startswith("sha256:") and len(record["source"]) == 71
    assert "left" not in record and record["strength"] == 0.5
    turned = request(task="edit", source=picture().reshape(32, 16, 3))
    assert as_drawn(turned)["source"] != record["source"]
    again = Request(**(record | {"source": picture(), "mask": mask_of()}))
    assert again == with_changes(made, model="m")
    with pytest.raises(InputError, match="source is 'sha256:"):
        Request(**record)
