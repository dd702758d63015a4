"""What the catalogue promises to the painter, the captions and whoever types a prompt."""

from __future__ import annotations

from collections import defaultdict

import pytest

from nonette.core.errors import InputError
from nonette.data.scenes import atlas, catalogue
from nonette.data.scenes.catalogue import CPU_OBJECTS, Entry
from nonette.data.scenes.nouns import Noun

ENTRIES = catalogue.load()
GROUPS_WITHOUT_A_HEAD = {"face", "disc", "panel"}
CATEGORIES = set(
    "animal food plant vehicle tool clothing furniture building toy music sport nature symbol face"
    " person".split()
)


def names(entry: Entry, language: str) -> tuple[Noun, ...]:
    if language == "french":
        return entry.french + entry.french_feminine
    return entry.english + entry.english_woman + entry.english_man


def test_there_are_about_a_thousand_kinds_of_things() -> None:
    assert len(ENTRIES) >= 1000


def test_every_look_of_every_entry_has_a_glyph() -> None:
    missing = [
        (entry.name, sequence)
        for entry in ENTRIES.values()
        for sequence in entry.sequences()
        if sequence not in atlas.cells()
    ]
    assert missing == []


def test_every_glyph_belongs_to_one_entry() -> None:
    owners = defaultdict(set)
    for entry in ENTRIES.values():
        for sequence in entry.sequences():
            owners[sequence].add(entry.name)
    assert {sequence for sequence, owner in owners.items() if len(owner) > 1} == set()
    assert set(owners) == set(atlas.cells())


@pytest.mark.parametrize("language", ["english", "french"])
def test_a_name_means_one_thing_within_a_language(language: str) -> None:
    meanings = defaultdict(set)
    for entry in ENTRIES.values():
        for noun in names(entry, language):
            for word in (noun.singular, noun.plural):
                meanings[word.lower()].add(entry.name)
    assert {word: owners for word, owners in meanings.items() if len(owners) > 1} == {}


def test_every_entry_has_both_languages_and_a_category() -> None:
    for entry in ENTRIES.values():
        assert entry.english, entry.name
        assert entry.french, entry.name
        assert entry.category in CATEGORIES, entry.name
        assert bool(entry.french_feminine) == entry.is_person, entry.name
        assert all(noun.gender == "f" for noun in entry.french_feminine), entry.name
        if entry.is_person:
            assert all(noun.gender == "m" for noun in entry.french), entry.name


def test_merged_entries_name_an_entry_of_its_own_outline() -> None:
    for entry in ENTRIES.values():
        if entry.merge_group and entry.merge_group not in GROUPS_WITHOUT_A_HEAD:
            assert not ENTRIES[entry.merge_group].merge_group, entry.name


def test_cpu_world_has_a_hundred_recolourable_objects_kangaroo_among_them() -> None:
    assert len(CPU_OBJECTS) == len(set(CPU_OBJECTS)) == 104
    assert "kangaroo" in CPU_OBJECTS
    for name in CPU_OBJECTS:
        assert not ENTRIES[name].merge_group, name
        assert not ENTRIES[name].is_person, name


def test_ladybird_is_known_by_all_its_names() -> None:
    ladybird = ENTRIES["ladybird"]
    assert {noun.singular for noun in ladybird.english} == {"ladybird", "ladybug", "lady beetle"}
    assert {noun.singular for noun in ladybird.french} == {"coccinelle", "bête à bon Dieu"}


def test_a_cat_rides_a_horse_but_a_house_rides_no_banana() -> None:
    assert ENTRIES["cat"].can_ride and ENTRIES["horse"].is_rideable
    assert not ENTRIES["house"].can_ride and not ENTRIES["banana"].is_rideable
    assert ENTRIES["kangaroo"].can_carry and ENTRIES["guitar"].is_carriable
    assert ENTRIES["bucket"].is_container and ENTRIES["bed"].is_surface


def test_trades_agree_with_who_has_them() -> None:
    cook, astronaut = ENTRIES["cook"], ENTRIES["astronaut"]
    assert cook.french[0].singular == "cuisinier"
    assert cook.french_feminine[0].singular == "cuisinière"
    assert astronaut.french[0].article == "un"
    assert astronaut.french_feminine[0].article == "une"


def test_people_come_as_woman_and_man_in_six_tones() -> None:
    people = [entry for entry in ENTRIES.values() if entry.is_person]
    assert len(people) >= 60
    for entry in people:
        assert len(set(entry.sequences())) >= 12, entry.name
    assert ENTRIES["cook"].sequence("woman", 3) == "1f469_1f3fd_200d_1f373"
    assert ENTRIES["guard"].sequence("man") == "1f482_200d_2642"
    assert ENTRIES["royal"].sequence("woman", 1) == "1f478_1f3fb"


def test_looks_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InputError, match="only people"):
        ENTRIES["cat"].sequence("woman")
    with pytest.raises(InputError, match="skin_tone is 6"):
        ENTRIES["cook"].sequence("woman", 6)
    with pytest.raises(InputError, match="gender is 'robot'"):
        ENTRIES["cook"].sequence("robot")
