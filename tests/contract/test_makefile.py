"""`make draw PROMPT=…` hands the sentence over as it was written, whatever is in it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RECORDER = f"""#!{sys.executable}
import json, sys
json.dump(sys.argv[1:], open("seen.json", "w"))
"""

SENTENCES = [
    "a kangaroo made of cheese on the moon",
    'it\'s $5 "now" `id`',
    "$(shell touch pwned) ${PROMPT} $$ $@ $(PROMPT) $(error no)",
    "'; touch pwned; echo '",
    "--help",
    "50% off # not a comment \\",
    "un été à la plage, s'il te plaît",
    "two\nlines",
    "a = b := c ?= d",
    "",
]


@pytest.fixture
def house(tmp_path):
    """Our Makefile beside a `nonette` that writes down what it was asked."""
    if shutil.which("make") is None:
        pytest.skip("there is no make on this machine")
    shutil.copy(ROOT / "Makefile", tmp_path)
    nonette = tmp_path / ".venv" / "bin" / "nonette"
    nonette.parent.mkdir(parents=True)
    nonette.write_text(RECORDER)
    nonette.chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", ".venv/core"):  # the stamp is the newest
        (tmp_path / name).touch()
    return tmp_path


def draw(house, *words, **environment):
    """What `nonette` was asked by `make draw` with these words and variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(
        ["make", "draw", *words], cwd=house, env=clean | environment, check=True, timeout=60
    )
    assert not (house / "pwned").exists()
    return json.loads((house / "seen.json").read_text())


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_on_the_command_line_arrives_untouched(house, sentence):
    assert draw(house, f"PROMPT={sentence}") == ["draw", "--", sentence]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_in_the_environment_arrives_untouched(house, sentence):
    assert draw(house, PROMPT=sentence) == ["draw", "--", sentence]


def test_without_a_sentence_there_is_one_to_draw(house):
    assert draw(house) == ["draw", "--", "a kangaroo made of cheese on the moon"]


def test_flags_reach_the_command(house):
    assert draw(house, "PROMPT=a fox", "FLAGS=--seed 3") == ["draw", "--seed", "3", "--", "a fox"]
