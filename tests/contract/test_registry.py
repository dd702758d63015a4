"""Adding a thing is one file and one line: every line resolves, every file has a line."""

from pathlib import Path

import pytest

from nonette.core import registry

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
