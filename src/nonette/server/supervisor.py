"""`nonette serve`: a process that draws nothing and answers nobody, but keeps alive those that do.

It holds the listening socket, so that callers wait while the API restarts; it starts the API and
the workers, starts each again when it ends, later each time, and passes on what it is told: the
first SIGTERM lets all finish what they have begun, the second ends them at once. The children's
standard input is a pipe of which it holds the other end: should it be killed, they see it close.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from nonette.core.errors import InputError, NonetteError
from nonette.server.settings import Settings

SOCKET = "NONETTE_SERVER_SOCKET"
BACKLOG = 4096
FIRST_BACK_OFF = 0.5  # seconds before a child is started again; doubles each time
STEADY_SECONDS = 30.0  # after which a child that ends is no longer one that cannot start
KILL_SECONDS = 5.0  # beyond the time to drain
MISUSED = 2

log = structlog.get_logger(__name__)


@dataclass
class Child:
    """A process to keep alive."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    descriptors: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    next_start: float = 0.0
    has_been_steady: bool = field(default=False)
    frozen_since: float | None = None

    def start(self) -> None:
        """Start it; its standard input stays open as long as this process lives."""
        self.started = time.monotonic()
        self.frozen_since = None
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            pass_fds=self.descriptors,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which passes it on
        )
        log.info("child_started", child=self.name, pid=self.process.pid)

    def has_ended(self) -> bool:
        """Whether it runs no longer."""
        return self.process is None or self.process.poll() is not None


class Supervisor:
    """Starts the API and the workers and keeps them alive.

    Args:
        settings: The server's.
        workers: The command lines of the workers, by name.

    Raises:
        InputError: The address cannot be listened on.
        NonetteError: Another server has the data folder.
    """

    def __init__(self, settings: Settings, workers: Mapping[str, Sequence[str]]) -> None:
        self.settings = settings
        self.socket = listen(settings.host, settings.port)
        try:
            self._lock = lock_folder(settings.data_dir)
        except BaseException:
            self.socket.close()
            raise
        environment = settings.environment()
        descriptor = self.socket.fileno()
        api = Child(
            "api",
            (sys.executable, "-m", "nonette.server"),
            environment | {SOCKET: str(descriptor)},
            (descriptor,),
        )
        self.children = [api] + [
            Child(name, command, environment) for name, command in workers.items()
        ]
        self._signals = 0
        self._woken = threading.Event()

    @property
    def address(self) -> str:
        """Where the API answers, as a URL."""
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def on_signal(self, number: int, frame: object) -> None:
        """Drain at the first call, end at once at the second."""
        self._signals += 1
        self._woken.set()

    def run(self) -> None:
        """Keep everything running until told to end.

        Raises:
            InputError: A child could not start because of what it was given.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_signal)
        try:
            while not self._signals:
                self._look_after()
                self._woken.wait(0.2)
        finally:
            self._end()

    def _look_after(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is None:
                if now >= child.next_start:
                    child.start()
                continue
            child.has_been_steady |= now - child.started > STEADY_SECONDS
            status = child.process.poll()
            if status is None:
                self._end_if_frozen(child, now)
                continue
            if status == MISUSED and not child.has_been_steady:
                raise InputError(child.name, "not started", "it must be; its message is above")
            is_steady = now - child.started > STEADY_SECONDS
            child.failures = 1 if is_steady else child.failures + 1
            most = self.settings.longest_back_off
            wait = min(most, FIRST_BACK_OFF * 2.0 ** min(child.failures - 1, 10))
            log.error("child_ended", child=child.name, status=status, seconds=wait)
            child.process, child.next_start = None, now + wait

    def _end_if_frozen(self, child: Child, now: float) -> None:
        """Kill a process that was stopped for longer than a lease lasts.

        Its jobs are others' by then, and it may hold the lock that all who write wait for.
        """
        assert child.process is not None
        if not is_stopped(child.process.pid):
            child.frozen_since = None
        elif child.frozen_since is None:
            child.frozen_since = now
        elif now - child.frozen_since > self.settings.lease_seconds:
            log.error("child_frozen", child=child.name, seconds=round(now - child.frozen_since))
            child.process.kill()

    def _end(self) -> None:
        """Tell all to end, again when told again, and kill what does not."""
        running = [child for child in self.children if not child.has_ended()]
        told = 0
        limit = time.monotonic() + self.settings.drain_seconds + KILL_SECONDS
        while not all(child.has_ended() for child in running):
            self._woken.clear()
            while told < max(1, min(2, self._signals)):
                told += 1
                for child in running:
                    if child.process is not None and not child.has_ended():
                        child.process.send_signal(signal.SIGTERM)
                if told == 2:
                    limit = min(limit, time.monotonic() + KILL_SECONDS)
            if time.monotonic() > limit:
                for child in running:
                    if child.process is not None and not child.has_ended():
                        log.error("child_killed", child=child.name)
                        child.process.kill()
                        child.process.wait()
            self._woken.wait(0.05)
        self.socket.close()
        self._lock.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on this address.

    Raises:
        InputError: The address is not this machine's, or taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        limit = f"nothing can listen there: {error.strerror or error}"
        raise InputError("--host, --port", f"{host}:{port}", limit) from error
    return listener


def lock_folder(data_dir: Path) -> IO[str]:
    """Take the data folder for this server; the lock goes with the process, however it ends.

    Raises:
        NonetteError: Another server has it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    file = open(data_dir / "server.lock", "w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise NonetteError(f"{data_dir} is another running server's; choose --data-dir") from error
    return file


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped, as by SIGSTOP; never known where there is no `/proc`."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False
