"""`nonette train`: one recipe, from the start or from where it stopped, and the model it gives."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nonette.core.errors import InputError, Stopped

if TYPE_CHECKING:
    from nonette.training.config import TrainConfig
    from nonette.training.loop import Report


def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe, such as vqgan_cpu; `list` shows them all.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting, such as batch_size=8; again for more.",
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Minutes of training in all, earlier ones included.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps in all, earlier ones included.")] = None,
    runs: Annotated[
        Path, typer.Option(help="Where runs keep their states, metrics and sheets.")
    ] = Path("runs"),
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor threads; all by default.")
    ] = None,
) -> None:
    """Train a network by a recipe, or go on where it stopped.

    States, metrics.jsonl and sample sheets are kept in RUNS/RECIPE; the finished model is
    RUNS/RECIPE/model. Ctrl-C stops after the step at hand; the same command goes on from there,
    also after a kill.
    """
    from nonette.core import registry

    if recipe == "list":
        typer.echo("\n".join(registry.RECIPES))
        return
    make = registry.resolve(registry.RECIPES, recipe, "recipe")

    from nonette.core.config import replace
    from nonette.nn import device
    from nonette.training.loop import train as run_training

    wanted: dict[str, Any] = dict(_parse(change) for change in changes or ())
    if minutes is not None or steps is not None:
        wanted |= {"minutes": minutes, "steps": steps}
    config = replace(make(runs), wanted)
    run = runs / config.name
    with device.threads(threads), _until_interrupted() as is_interrupted:
        objective, averages, seconds = run_training(
            config, run, on_report=_Reporter(config), should_stop=is_interrupted
        )
        if is_interrupted():
            raise Stopped(f"stopped; the same command goes on from the state in {run}")
        _export(objective, averages, config, run, seconds)
    typer.echo(str(run / "model"))


def _export(objective: Any, averages: Any, config: TrainConfig, run: Path, seconds: float) -> None:
    """Write the averaged networks as a model folder."""
    import torch

    from nonette.checkpoints import format as checkpoints

    with torch.inference_mode():
        export = objective.export(averages)
    card = (
        f"# {config.name}\n\nTrained by the recipe `{config.name}` on scenes that Nonette paints "
        f"itself (glyphs of Noto Emoji), for {seconds / 60:.1f} minutes.\n"
    )
    checkpoints.write(
        run / "model",
        name=config.name,
        system=export.system,
        networks=export.networks,
        registry_names=export.registry_names,
        settings=export.settings,
        files=export.files,
        card=card,
        dtype=torch.bfloat16,
        examples=export.examples,
        is_replacing=True,
    )


def _parse(change: str) -> tuple[str, Any]:
    """`name=value`, the value as JSON where it is JSON, else as text."""
    name, equals, text = change.partition("=")
    if not equals:
        raise InputError("--set", change, "it must be NAME=VALUE")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


@contextmanager
def _until_interrupted() -> Iterator[Any]:
    """A question that answers yes after the first Ctrl-C; a second one ends the process at once."""
    was_asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal was_asked
        was_asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: was_asked
    finally:
        signal.signal(signal.SIGINT, before)


class _Reporter:
    """A line of progress with the time left."""

    def __init__(self, config: TrainConfig) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self.name = config.name

    def __call__(self, report: Report) -> None:
        """Show where the run is."""
        figures = "  ".join(
            f"{name} {value:.4g}" for name, value in report.figures.items() if "norm" not in name
        )
        left = f"{report.seconds_left / 60:.1f} min left"
        self.console.print(
            f"{self.name} step {report.step}  {report.progress:.0%}  {left}  {figures}",
            highlight=False,
            soft_wrap=True,
        )
