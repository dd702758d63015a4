"""A throw-away PostgreSQL server for tests, where its binaries are on this machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg


def find(name: str) -> str | None:
    """The path of one of PostgreSQL's programs; Debian keeps most of them off the path."""
    known = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(known[-1]) if known else None)


def why_not() -> str | None:
    """Why there can be no server here, or None."""
    missing = [name for name in ("initdb", "postgres", "pg_ctl") if find(name) is None]
    return f"PostgreSQL's {', '.join(missing)} not on this machine" if missing else None


@contextlib.contextmanager
def throw_away() -> Iterator[str]:
    """The folder of the socket of a new server, which is gone afterwards.

    It does not run as root, since PostgreSQL refuses to.
    """
    user = None
    folder = tempfile.mkdtemp(prefix="nonette-postgres-")
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        shutil.chown(folder, user)

    def run(name: str, *words: str) -> None:
        program = find(name)
        assert program is not None
        subprocess.run(
            [program, "-D", f"{folder}/data", *words],
            user=user,
            cwd=folder,
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
        )

    try:
        run("initdb", "--no-sync", "--auth=trust", "--username=nonette", "--encoding=UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "start", "-w", "-l", f"{folder}/log", "-o", options)
        try:
            yield folder
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder)


def new_database(folder: str, name: str) -> str:
    """The address of a new database of that server."""
    address = f"postgresql://nonette@/postgres?host={folder}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://nonette@/{name}?host={folder}"
