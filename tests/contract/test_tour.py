"""`docs/tour.md` is true: a traced drawing passes its five stations in its order."""

import re
import sys
from pathlib import Path

import pytest

import nonette
from nonette.cli.main import main

ROOT = Path(__file__).parents[2]
SOURCE = Path(nonette.__file__).parent
STATION = re.compile(
    r"^\d\. \[`(?P<file>[^`]+)`\]\((?P<link>[^)]+)\), `(?P<function>[^`]+)`:$", re.M
)


def stations() -> list[tuple[str, str]]:
    """The (file, function) pairs of the tour, in its order."""
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    found = list(STATION.finditer(tour))
    for station in found:
        assert (ROOT / "docs" / station["link"]).resolve() == ROOT / "src/nonette" / station["file"]
    return [(station["file"], station["function"]) for station in found]


def stack_at(wanted: tuple[str, str], argv: list[str]) -> list[tuple[str, str]]:
    """Our part of the call stack, outermost first, when a command first enters a function."""
    stacks: list[list[tuple[str, str]]] = []

    def watch(frame, event, argument):
        if event == "call" and place(frame) == wanted and not stacks:
            stack = []
            while frame is not None:
                stack.append(place(frame))
                frame = frame.f_back
            stacks.append([found for found in reversed(stack) if found is not None])

    sys.setprofile(watch)
    try:
        status = main(argv)
    finally:
        sys.setprofile(None)
    assert status == 0
    assert stacks, f"{wanted} was never entered"
    return stacks[0]


def place(frame) -> tuple[str, str] | None:
    """The file below `src/nonette` and the function of a frame; None for others' code."""
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(SOURCE):
        return None
    return path.relative_to(SOURCE).as_posix(), frame.f_code.co_qualname


def test_the_tour_has_five_stations_through_the_rooms_in_order():
    files = [file for file, _ in stations()]
    assert [file.split("/")[0] for file in files] == [
        "cli", "engine.py", "pipelines", "diffusion", "models"
    ]  # fmt: skip


def test_a_drawing_passes_the_stations_in_the_order_of_the_tour(tmp_path, capsys):
    argv = ["draw", "a red cat", "-n", "1", "--candidates", "1", "-o", str(tmp_path / "grid.png")]
    stack = iter(stack_at(stations()[-1], argv))
    for station in stations():
        assert station in stack, f"{station} is not on the stack, or not in this order"
    capsys.readouterr()


@pytest.mark.parametrize(
    "page",
    sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")),
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_a_page_links_to_files_that_exist(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
