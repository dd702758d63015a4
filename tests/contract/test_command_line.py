"""The command line answers at once, and knows each of its verbs."""

import importlib
import json
from pathlib import Path

import pytest
import typer

from nonette.cli.main import VERBS, main

CLI = Path(__file__).parents[2] / "src" / "nonette" / "cli"
FRAME = {"main", "__init__", "__main__"}
OURS = {"nonette", "nonette.cli", "nonette.cli.main"}


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(run_python, argument):
    """Under 0.3 s by what is imported, since seconds depend on the machine."""
    script = f"""
import json, sys
from nonette.cli.main import main
status = main([{argument!r}])
print(json.dumps([status, sorted(sys.modules)]))
"""
    done = run_python("-c", script)
    assert done.returncode == 0, done.stderr
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    heavy = {"torch", "numpy", "PIL", "tokenizers", "safetensors", "einops", "rich"}
    assert heavy & {name.split(".")[0] for name in modules} == set()
    own = {name for name in modules if name.split(".")[0] == "nonette"} - OURS
    assert {name for name in own if not name.startswith("nonette.core")} == set()


def test_every_file_is_a_verb_and_every_verb_a_file():
    files = {path.stem for path in CLI.glob("*.py")} - FRAME
    assert {name for name in files if not name.startswith("_")} == {
        verb.target.split(":")[0].rsplit(".")[-1] for verb in VERBS.values()
    }


@pytest.mark.parametrize("name", VERBS)
def test_the_line_of_help_is_the_first_line_of_the_verb_itself(name):
    module, attribute = VERBS[name].target.split(":")
    target = getattr(importlib.import_module(module), attribute)
    text = target.info.help if isinstance(target, typer.Typer) else target.__doc__
    assert text.strip().splitlines()[0] == VERBS[name].help


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself(name, capsys):
    assert main([name, "--help"]) == 0
    assert VERBS[name].help in " ".join(capsys.readouterr().out.split())
