"""The flat engine keeps the contract that every engine keeps."""

import numpy as np
import pytest

from nonette.core.errors import InputError, Stopped
from nonette.core.flat import FlatEngine
from nonette.core.types import Engine, Request


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


def test_a_size_may_be_asked_for():
    (drawing,) = draw(Request(prompt="a fox", size="64x32", num_pictures=1))
    assert drawing.pictures[0].pixels.shape == (32, 64, 3)


def test_many_pictures_raise_the_number_of_candidates():
    assert len(draw(Request(prompt="a fox", num_pictures=64))[0].pictures) == 64


@pytest.mark.parametrize(("field", "value"), [("model", "scenes-ar"), ("size", "4096x4096")])
def test_what_it_cannot_do_is_refused(field, value):
    with pytest.raises(InputError) as caught:
        draw(Request(**({"prompt": "a fox"} | {field: value})))
    assert caught.value.field == field


def test_nothing_asked_nothing_drawn():
    assert draw() == []
