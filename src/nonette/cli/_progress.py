"""Progress on stderr: a bar with the time left on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

import typer

from nonette.core.types import Progress

LINE_EVERY = 5.0  # seconds between plain lines, where there is no terminal


class ProgressBar:
    """Shows `Progress` events; use it as a context, and call it with each event.

    Phases that share one total are one bar, whose word changes.

    Args:
        waiting: What is being done until the first event.
    """

    def __init__(self, waiting: str = "loading") -> None:
        self._waiting = waiting
        self._bar: Any = None
        self._task: Any = None
        self._last: Progress | None = None
        self._first = Progress(done=0, total=0, phase="")
        self._first_time = self._line_time = time.monotonic()

    def __enter__(self) -> ProgressBar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeRemainingColumn(compact=True),
            )
            self._bar = Bars(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._waiting, total=None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Show one event; where the count starts anew, a new bar begins."""
        now = time.monotonic()
        last, self._last = self._last, progress
        is_new = last is None or progress.total != last.total or progress.done < last.done
        if is_new:
            self._first, self._first_time = progress, now
        if self._bar is not None:
            self._show(progress, is_new)
        elif now - self._line_time >= LINE_EVERY:
            self._line_time = now
            typer.echo(self._line(progress, now), err=True)

    def _show(self, progress: Progress, is_new: bool) -> None:
        if is_new:
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(progress.phase, total=progress.total)
        self._bar.update(self._task, completed=progress.done, description=progress.phase)

    def _line(self, progress: Progress, now: float) -> str:
        """Such as `drawing: 32 of 64, 3 s left`."""
        line = f"{progress.phase}: {progress.done} of {progress.total}"
        steps = progress.done - self._first.done
        if steps <= 0:
            return line
        seconds = (now - self._first_time) / steps * (progress.total - progress.done)
        return f"{line}, {seconds:.0f} s left"
