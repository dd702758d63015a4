"""Who may know whom, and that importing does nothing.

The contracts themselves are in pyproject.toml; `make check` asks the same ones.
"""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "nonette"
# The stated core; what comes with them may be imported too, such as click with typer.
CORE = ("torch", "numpy", "einops", "safetensors", "tokenizers", "pillow", "rich", "typer")
TORCH_FREE = ("core", "text", "provenance", "safety", "data/scenes", "server")
# Rooms that need more, and the extra that brings it.
EXTRAS = {"server": "serve", "checkpoints": "import", "text": "import"}
MODULES = {"nonette.nn.openvino": "openvino"}  # the same of single modules


def modules_below(folder: str) -> list[str]:
    """The names of all modules in a folder of the source, without those that run when imported."""
    files = (SOURCE / folder).rglob("*.py")
    names = (".".join(file.relative_to(SOURCE.parent).with_suffix("").parts) for file in files)
    return sorted(name.removesuffix(".__init__") for name in names if "__main__" not in name)


def test_rooms_import_rooms_on_lower_lines_only(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT / "src"), *sys.path])
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_the_source_imports_nothing_beyond_the_core_packages_and_its_rooms_extra():
    """Statically, so that imports inside functions count as well."""
    graph = grimp.build_graph("nonette", include_external_packages=True, cache_dir=None)
    outside = {name for name in graph.modules if name.split(".")[0] != "nonette"}
    distributions = metadata.packages_distributions()
    owners = {
        name: {owner.lower().replace("_", "-") for owner in distributions.get(name, [name])}
        for name in outside
    }
    strangers = {
        name: importers
        for name, owner in owners.items()
        if name not in sys.stdlib_module_names and not owner & set(CORE)
        if (importers := [one for one in importers_of(graph, name) if not owner & extra_of(one)])
    }
    assert strangers == {}


def importers_of(graph, name):
    return sorted(graph.find_modules_that_directly_import(name))


def extra_of(module):
    """The distributions that a module may import because it or its room has an extra."""
    extra = MODULES.get(module) or EXTRAS.get(module.split(".")[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["optional-dependencies"][extra] if extra else []
    named = {re.split(r"[^\w-]", line)[0] for line in lines}
    return (
        named | {"anyio", "h11", "pydantic", "starlette"} if named else named
    )  # FastAPI's own words


def test_the_core_is_what_pyproject_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = [re.split(r"[^\w-]", line)[0] for line in project["dependencies"]]
    assert sorted(stated) == sorted(CORE)


@pytest.mark.parametrize("room", TORCH_FREE)
def test_a_room_that_needs_no_torch_imports_without_it(run_python, room):
    script = f"""
import importlib, sys
sys.modules["torch"] = None  # any import of it fails now
for name in {modules_below(room)!r}:
    importlib.import_module(name)
"""
    done = run_python("-c", script)
    assert done.returncode == 0, done.stderr


def test_everything_imports_with_nothing_but_the_core_packages(run_python):
    """Recipes and their objectives run on machines with the core packages and nothing else."""
    script = f"""
import importlib, sys
allowed = {sorted(core_closure())!r}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed:
            raise ModuleNotFoundError(f"{{name}} is not a core package", name=name)

sys.meta_path.insert(0, Blocker())
for name in {without_extras(modules_below(""))!r}:
    importlib.import_module(name)
from nonette.core import registry
for table in (registry.NETWORKS, registry.SYSTEMS, registry.RECIPES, registry.IMPORTERS):
    for name in table:
        registry.resolve(table, name, "name")
from pathlib import Path
from nonette.data.scenes.world import CPU_WORLD, FULL_WORLD, TINY_WORLD
for world in (CPU_WORLD, FULL_WORLD, TINY_WORLD):  # so that no recipe trains its tokenizer now
    Path(f"tokenizer-{{world.name}}.json").touch()
for name in registry.RECIPES:
    config = registry.resolve(registry.RECIPES, name, "recipe")(Path())
    module, objective = config.objective.split(":")
    assert getattr(importlib.import_module(module), objective), name
"""
    done = run_python("-c", script)
    assert done.returncode == 0, done.stderr


def without_extras(modules: list[str]) -> list[str]:
    return [name for name in modules if [*name.split("."), ""][1] not in EXTRAS]


def core_closure() -> set[str]:
    """Names that may be imported where only the core packages are installed."""
    waiting, packages = list(CORE), set()
    while waiting:
        package = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if package in packages:
            continue
        packages.add(package)
        try:
            lines = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform
        waiting += [re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line]
    owners = metadata.packages_distributions()
    names = {
        name
        for name, owner in owners.items()
        if packages & {re.sub(r"[-_.]+", "-", one).lower() for one in owner}
    }
    return names | set(sys.stdlib_module_names) | {"nonette", "torchgen", "functorch"}


def test_importing_does_nothing(run_python, tmp_path):
    """No files, no sockets, no threads, no environment, no random numbers, no torch settings."""
    script = f"""
import importlib, json, os, random, socket, threading
import numpy, torch
import rich.style  # which numbers its styles by lot

def refuse(*arguments, **options):
    raise AssertionError("importing opened a socket")

socket.socket.connect = refuse

def state():
    return [
        torch.get_num_threads(), str(torch.get_default_dtype()), torch.is_grad_enabled(),
        torch.initial_seed(), torch.random.get_rng_state().tolist(),
        str(torch.get_default_device()), torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(), torch.backends.mkldnn.enabled,
        hash(random.getstate()), [str(part) for part in numpy.random.get_state()], dict(os.environ),
        threading.active_count(), os.getcwd(), [str(path) for path in numpy.geterr().items()],
    ]

before = state()
for name in {modules_below("")!r}:
    importlib.import_module(name)
    assert state() == before, name
"""
    home = tmp_path / "elsewhere"
    home.mkdir()
    done = run_python("-c", script, HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    left_behind = [path for path in tmp_path.rglob("*") if path != home]
    assert left_behind == []
