"""Adding a thing is one file and one line: every line resolves, every file has a line."""

import dataclasses
from pathlib import Path

import pytest

from nonette.core import registry
from nonette.engine import KNOBS
from nonette.pipelines._steps import Job

SOURCE = Path(__file__).parents[2] / "src" / "nonette"
STEPS = {"rerank"}  # what every system shares is no system

ROOMS = {
    "models": registry.NETWORKS,
    "pipelines": registry.SYSTEMS,
    "recipes": registry.RECIPES,
    "checkpoints/importers": registry.IMPORTERS,
}
LINES = [(room, name) for room, table in ROOMS.items() for name in table]


@pytest.mark.parametrize(("room", "name"), LINES)
def test_every_line_resolves_to_something_of_its_room(room, name):
    found = registry.resolve(ROOMS[room], name, "name")
    assert callable(found)
    assert found.__module__.startswith(f"nonette.{room.replace('/', '.')}.")


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_has_a_line(room):
    files = {file.stem for file in (SOURCE / room).glob("*.py") if not file.stem.startswith("_")}
    lines = {target.split(":")[0].rsplit(".")[-1] for target in ROOMS[room].values()}
    assert files - STEPS == lines


@pytest.mark.parametrize("name", registry.SYSTEMS)
def test_every_system_says_what_it_does_and_which_knobs_it_heeds(name):
    system = registry.resolve(registry.SYSTEMS, name, "system")
    fields = {field.name for field in dataclasses.fields(Job)}
    assert system.tasks and set(system.tasks) <= {"draw", "edit", "vary", "blend"}
    assert set(system.knobs) <= set(KNOBS) & fields
