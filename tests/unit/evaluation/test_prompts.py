from collections import Counter

import pytest

from nonette.core.errors import InputError
from nonette.data.scenes import splits
from nonette.data.scenes.world import CPU_WORLD, TINY_WORLD
from nonette.evaluation import relations
from nonette.evaluation.prompts import CATEGORIES, exam

SCENES = 10


@pytest.fixture(scope="module")
def prompts():
    return exam(CPU_WORLD, 0, SCENES)


def test_every_category_has_its_scenes_in_every_language(prompts):
    counts = Counter((prompt.category, prompt.language) for prompt in prompts)
    assert counts == {
        (category.name, language): SCENES for category in CATEGORIES for language in ("en", "fr")
    }
    halves = Counter((prompt.category, prompt.split) for prompt in prompts)
    for category in CATEGORIES:
        held_out = SCENES if category.pairs else 0
        assert halves[category.name, "held_out"] == held_out


def test_held_out_prompts_hold_out_a_pair_of_their_category_and_no_other(prompts):
    for prompt in prompts:
        kinds = {kind for kind, _, _ in splits.held_out_pairs(prompt.scene)}
        category = next(c for c in CATEGORIES if c.name == prompt.category)
        assert kinds <= set(category.pairs)
        assert bool(kinds) == (prompt.split == "held_out"), prompt.text


def test_the_same_arguments_give_the_same_exam_and_another_seed_another(prompts):
    smaller = exam(CPU_WORLD, 0, 4)
    assert smaller == [prompt for prompt in prompts if prompt in smaller]
    texts = {prompt.text for prompt in smaller}
    others = {prompt.text for prompt in exam(CPU_WORLD, 1, 4)}
    assert len(texts & others) < 0.3 * len(texts)


def test_no_sentence_is_asked_twice(prompts):
    assert len({(prompt.category, prompt.text) for prompt in prompts}) == len(prompts)


@pytest.mark.parametrize("split", ["seen", "held_out"])
def test_values_and_objects_are_spread_evenly(prompts, split):
    asked = [p for p in prompts if p.split == split and p.language == "en"]
    for name, values in (
        ("colours", lambda key: [key.things[0].colour]),
        ("material", lambda key: [key.things[0].material]),
        ("setting", lambda key: [key.setting]),
        ("attribute_binding", lambda key: [thing.colour for thing in key.things]),
    ):
        used = Counter(v for p in asked if p.category == name for v in values(p.key))
        assert max(used.values()) <= 2, name
    for category in CATEGORIES:
        keys = [p.key for p in asked if p.category == category.name]
        names = Counter(thing.name for key in keys for thing in key.things)
        assert max(names.values(), default=0) <= 1, category.name


def test_counts_and_styles_are_all_asked(prompts):
    styles = {p.key.style for p in prompts if p.category == "style"}
    assert styles == set(CPU_WORLD.styles) - {"plain"}
    counts = Counter(p.key.things[0].count for p in prompts if p.category == "counting")
    assert set(counts) == {2, 3, 4}
    assert max(counts.values()) - min(counts.values()) <= 2


def test_a_category_tells_only_what_it_is_about(prompts):
    told = {
        "one_object": set(),
        "two_objects": {"relation"},
        "counting": {"count"},
        "colours": {"colour"},
        "position": {"relation"},
        "attribute_binding": {"colour", "relation"},
        "material": {"material"},
        "setting": {"setting"},
        "style": {"style"},
    }
    for prompt in prompts:
        key, found = prompt.key, set()
        found |= {"count"} if any(thing.count > 1 for thing in key.things) else set()
        found |= {"colour"} if any(thing.colour for thing in key.things) else set()
        found |= {"material"} if any(thing.material for thing in key.things) else set()
        found |= {"relation"} if key.relation else set()
        found |= {"setting"} if key.setting != "white" else set()
        found |= {"style"} if key.style != "plain" else set()
        assert found <= told[prompt.category], prompt.text
        assert len(key.things) == 1 or relations.CATEGORIES[key.relation] in (
            "position" if prompt.category == "position" else "two_objects"
        )


def test_a_neon_sign_may_stand_before_any_background(prompts):
    neon = [p for p in prompts if p.key.style == "neon"]
    assert neon
    assert all("black" not in p.text and "noir" not in p.text for p in neon)
    assert {p.scene.setting for p in neon} == {"black"}
    assert {p.key.setting for p in neon} == {"white"}


def test_a_small_world_asks_what_it_has():
    prompts = exam(TINY_WORLD, 0, 6, ("en",))
    names = {thing.name for prompt in prompts for thing in prompt.key.things}
    assert names <= set(TINY_WORLD.objects)


@pytest.mark.parametrize(("seed", "num_scenes"), [(-1, 4), (10**6, 4), (0, 1), (0, 0)])
def test_impossible_exams_are_refused(seed, num_scenes):
    with pytest.raises(InputError):
        exam(CPU_WORLD, seed, num_scenes)
