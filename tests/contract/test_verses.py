"""The systems read as verses of one song: short, and in the same words in the same order."""

import inspect
import re

import pytest

from nonette.core import registry

MOST_LINES = 60
VERSES = {
    "stable_diffusion": "# Draw latents, one group after another.",
    "dalle2": "# Imagine and draw small, one group after another, then enlarge.",
    "imagen": "# Draw small, one group after another, then enlarge.",
}


def lines_of(name: str) -> list[str]:
    """The lines of a system's `__call__`."""
    system = registry.resolve(registry.SYSTEMS, name, "system")
    return inspect.getsource(system.__call__).splitlines()


@pytest.mark.parametrize("name", registry.SYSTEMS)
def test_a_system_is_a_script_of_one_screen(name):
    assert len(lines_of(name)) <= MOST_LINES


@pytest.mark.parametrize("name", VERSES)
def test_the_three_of_diffusion_say_the_same_in_the_same_order(name):
    comments = [line.strip() for line in lines_of(name) if line.strip().startswith("#")]
    assert comments == [
        "# Read each text once: prompts, and what to draw away from.",
        "# Look at each picture to start from; empty seats have none.",
        VERSES[name],
        "# Paint pictures, one at a time.",
    ]
    calls = re.findall(r"self\.(?:cascade\.|denoiser\.)?_?(\w+)\(", "\n".join(lines_of(name)))
    told = [call for call in calls if call not in ("num_steps", "at_hand")]
    imagines = ["imagine"] if name == "dalle2" else []
    enlarges = [] if name == "stable_diffusion" else ["enlarge"]
    assert told == ["walk", "read", "look", *imagines, "draw", *enlarges, "paint"]
