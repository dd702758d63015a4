"""The flat engine keeps the contract that every engine keeps."""

import numpy as np
import pytest

from nonette.core.errors import InputError, Stopped
from nonette.core.flat import FlatEngine
from nonette.core.types import ARRAYS, EXTENSION_FEATHER, Engine, Request
from nonette.provenance.encode import recall


def draw(*requests, **options):
    engine: Engine = FlatEngine(native_size=(16, 24))
    return engine.draw(requests, **options)


def by_seed(drawing):
    return {picture.seed: picture.pixels.tobytes() for picture in drawing.pictures}


def test_nine_flat_pictures_come_back_best_first():
    (drawing,) = draw(Request(prompt="a fox", seed=5))
    assert len(drawing.pictures) == 9
    for picture in drawing.pictures:
        assert picture.pixels.shape == (24, 16, 3) and picture.pixels.dtype == np.uint8
        assert (picture.pixels == picture.pixels[0, 0]).all()
        assert 5 <= picture.seed < 5 + 18
        assert -1 <= picture.score <= 1
    scores = [picture.score for picture in drawing.pictures]
    assert scores == sorted(scores, reverse=True)
    assert drawing.prompt == "a fox" and drawing.unknown_words == () and drawing.seconds >= 0


def test_the_scores_are_those_of_score():
    engine = FlatEngine()
    (drawing,) = engine.draw([Request(prompt="a fox")])
    pixels = [picture.pixels for picture in drawing.pictures]
    assert engine.score(pixels, "a fox") == [picture.score for picture in drawing.pictures]


def test_the_same_seed_gives_the_same_picture_alone_among_nine_and_beside_strangers():
    nine = by_seed(draw(Request(prompt="a fox", candidates=9, seed=100))[0])
    for seed, pixels in nine.items():
        alone = Request(prompt="a fox", num_pictures=1, candidates=1, seed=seed)
        strangers = (Request(prompt="a cat"), alone, Request(prompt="a dog", seed=3))
        assert by_seed(draw(alone)[0]) == {seed: pixels}
        assert by_seed(draw(*strangers)[1]) == {seed: pixels}
    assert len(set(nine.values())) == 9


def test_prompts_differ():
    assert by_seed(draw(Request(prompt="a fox"))[0]) != by_seed(draw(Request(prompt="a cat"))[0])


def test_unranked_pictures_come_in_the_order_of_seeds_without_scores():
    (drawing,) = draw(Request(prompt="a fox", seed=7, ranks=False))
    assert [picture.seed for picture in drawing.pictures] == list(range(7, 16))
    assert {picture.score for picture in drawing.pictures} == {None}


def test_progress_counts_up_and_ends_at_the_total_with_the_pictures_themselves():
    events = []
    (drawing,) = draw(
        Request(prompt="a fox", num_pictures=1, candidates=1), on_progress=events.append
    )
    assert [event.done for event in events] == list(range(1, events[-1].total + 1))
    assert np.array_equal(events[-1].previews[0], drawing.pictures[0].pixels)


@pytest.mark.parametrize("steps_allowed", [0, 3])
def test_stopping_ends_within_one_step(steps_allowed):
    events = []
    with pytest.raises(Stopped):
        draw(
            Request(prompt="a fox"),
            on_progress=events.append,
            should_stop=lambda: len(events) == steps_allowed,
        )
    assert len(events) == steps_allowed


def test_other_sizes_of_the_native_shape_may_be_asked_for_and_are_told():
    (drawing,) = draw(Request(prompt="a fox", size="64x96", num_pictures=1))
    (native,) = draw(Request(prompt="a fox", num_pictures=1))
    assert drawing[0].pixels.shape == (96, 64, 3)
    assert (drawing[0].pixels == native[0].pixels[0, 0]).all()
    told = {"size": "64x96", "drawn_size": "16x24", "enlarged": "lanczos"}
    assert told.items() <= drawing[0].settings.items()
    assert "enlarged" not in native[0].settings


def test_many_pictures_raise_the_number_of_candidates():
    assert len(draw(Request(prompt="a fox", num_pictures=64))[0].pictures) == 64


@pytest.mark.parametrize(("field", "value"), [("model", "scenes-ar"), ("size", "64x64")])
def test_what_it_cannot_do_is_refused(field, value):
    with pytest.raises(InputError) as caught:
        draw(Request(**({"prompt": "a fox"} | {field: value})))
    assert caught.value.field == field


def test_nothing_asked_nothing_drawn():
    assert draw() == []


def noise(width=40, height=30, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


MASK = np.zeros((30, 40), bool)
MASK[5:20, 7:30] = True
WISHES = {
    "edit": {"source": noise(), "mask": MASK},
    "extend": {"source": noise(), "left": 8, "bottom": 5},
    "vary": {"source": noise()},
    "blend": {"source": noise(), "second_source": noise(seed=1)},
    "enlarge": {"source": noise(), "num_pictures": 1},
}


@pytest.mark.parametrize("task", WISHES)
def test_every_task_keeps_the_seeds_the_progress_and_the_record(task):
    request = Request(**({"prompt": "a fox", "task": task, "num_pictures": 3} | WISHES[task]))
    events = []
    (drawing,) = draw(request, on_progress=events.append)
    assert len(drawing) == request.num_pictures
    assert [event.done for event in events] == list(range(1, 9))
    assert all(event.previews.ndim == 4 for event in events)
    scores = FlatEngine().score([picture.pixels for picture in drawing], "a fox")
    assert scores == sorted(scores, reverse=True)
    for picture in drawing:
        arrays = {name: WISHES[task][name] for name in ARRAYS if name in WISHES[task]}
        alone = {"num_pictures": 1, "candidates": 1, "seed": picture.seed}
        strangers = Request(prompt="a cat"), recall(picture.settings | alone, **arrays)
        assert draw(*strangers)[1][0].pixels.tobytes() == picture.pixels.tobytes()
    with pytest.raises(Stopped):
        draw(request, should_stop=lambda: True)


def test_a_soft_seam_fades_in_inside_the_mask_or_what_is_added():
    added = np.pad(np.zeros((30, 40), bool), ((0, 5), (8, 0)), constant_values=True)
    tasks = (("edit", MASK, (29, 28, 27), 6), ("extend", added, (7, 6, 5), 3))
    for task, marked, inwards, num_soft in tasks:
        fields = WISHES[task] | {"prompt": "a fox", "task": task, "ranks": False}
        for soft, hard in zip(*draw(*(Request(feather=f, **fields) for f in (3, 0))), strict=True):
            assert np.array_equal(soft.pixels[~marked], hard.pixels[~marked])
            apart = np.abs(soft.pixels[10].astype(int) - hard.pixels[10]).sum(axis=1)
            assert apart[list(inwards)].min() > 0 and (apart > 0).sum() == num_soft


def test_an_edit_repaints_the_mask_and_nothing_else():
    (drawing,) = draw(Request(prompt="a fox", task="edit", **WISHES["edit"]))
    for picture in drawing:
        assert np.array_equal(picture.pixels[~MASK], noise()[~MASK])
        assert (picture.pixels[MASK] == picture.pixels[5, 7]).all()
    assert len(by_seed(drawing)) == len(set(by_seed(drawing).values())) == 9
    (plain,) = draw(Request(prompt="a fox", task="edit", source=noise()))
    assert (plain[0].pixels == plain[0].pixels[0, 0]).all()


@pytest.mark.parametrize("task", ["edit", "vary"])
def test_strength_goes_from_the_source_to_nothing_of_it(task):
    def colour(strength):
        wish = Request(prompt="a fox", task=task, source=noise(), strength=strength, candidates=9)
        return draw(wish)[0][0].pixels.astype(int)

    own = draw(Request(prompt="a fox", candidates=9))[0][0].pixels[0, 0]
    distances = [np.abs(colour(s) - own).mean() for s in (0, 0.25, 0.5, 1)]
    assert distances == sorted(distances, reverse=True)
    if task == "edit":
        assert np.array_equal(colour(0), noise())
    else:
        assert np.abs(colour(0) - noise().reshape(-1, 3).mean(axis=0)).max() <= 0.5


def test_an_extension_keeps_the_source_where_it_was():
    sides = {"left": 3, "top": 4, "right": 5, "bottom": 6}
    (drawing,) = draw(Request(prompt="a fox", task="extend", source=noise(), feather=0, **sides))
    for picture in drawing:
        assert picture.pixels.shape == (30 + 4 + 6, 40 + 3 + 5, 3)
        assert np.array_equal(picture.pixels[4:34, 3:43], noise())
        around = np.ones(picture.pixels.shape[:2], bool)
        around[4:34, 3:43] = False
        assert (picture.pixels[around] == picture.pixels[0, 0]).all()


def test_an_extension_fades_in_unless_told_otherwise():
    usual, asked = (
        draw(Request(prompt="a fox", task="extend", source=noise(), right=30, **more))[0][0].pixels
        for more in ({}, {"feather": EXTENSION_FEATHER})
    )
    assert np.array_equal(usual, asked)
    assert not (usual[:, 40:] == usual[0, -1]).all(axis=(1, 2))[0]


def test_a_blend_ends_at_what_it_is_of():
    def first(**fields):
        return draw(Request(**({"prompt": "a fox", "candidates": 9} | fields)))[0][0].pixels

    ends = {"task": "blend", "second_prompt": "a cat"}
    assert np.array_equal(first(mix=0, **ends), first())
    assert np.array_equal(
        by_seed(draw(Request(prompt="a fox", mix=1, candidates=9, **ends))[0])[0],
        by_seed(draw(Request(prompt="a cat", candidates=9))[0])[0],
    )
    pictures = {"task": "blend", "source": noise(), "second_source": noise(seed=1)}
    for mix, source in ((0, noise()), (1, noise(seed=1))):
        assert np.array_equal(first(mix=mix, **pictures), first(task="vary", source=source))
    assert draw(Request(prompt="a fox", **ends))[0][0].settings["mix"] == 0.5


def test_an_enlargement_is_the_source_resampled():
    (drawing,) = draw(Request(prompt="", task="enlarge", source=noise(), num_pictures=1))
    assert drawing[0].pixels.shape == (60, 80, 3)
    assert drawing[0].settings["enlarged"] == "lanczos"
    assert drawing[0].settings["drawn_size"] == "40x30"


def test_without_words_nothing_ranks():
    (drawing,) = draw(Request(prompt="", task="vary", source=noise(), seed=3))
    assert [(picture.seed, picture.score) for picture in drawing][:2] == [(3, None), (4, None)]


def test_previews_of_large_pictures_are_small():
    events = []
    wish = Request(prompt="a", task="extend", source=noise(800, 500), right=800, num_pictures=1)
    draw(wish, on_progress=events.append)
    assert events[0].previews.shape == (9, 160, 512, 3)
