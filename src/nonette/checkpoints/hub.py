"""Fetching published weights from a hub: the one door to the network, opened only when asked.

A repository is named with its revision, and every file is kept under both, so that what was fetched
once is never asked for again. A fetch that was cut off goes on where it stopped. Nothing is opened
here: what comes back is a folder for `importing`, which trusts none of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nonette.checkpoints import store
from nonette.core.errors import InputError, MissingExtra, NonetteError

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,99}")
# Weights, configs, vocabularies, pages; never programs or pictures.
PATTERNS = (
    "*.safetensors", "*.msgpack", "*.bin", "*.pt", "*.ckpt", "*.pkl", "*.json", "*.txt", "*.md",
    "*.model", "*.yaml", "*.gz",
)  # fmt: skip


def fetch(repository: str, revision: str, patterns: Sequence[str] = PATTERNS) -> Path:
    """The folder of a repository's files at a revision, fetched as far as they are not there yet.

    Args:
        repository: Its name on the hub, as "owner/name".
        revision: A commit, tag or branch.
        patterns: Which files.

    Raises:
        InputError: The name or the revision cannot be one, or the hub has no such repository.
        MissingExtra: The hub's library is not installed.
        NonetteError: The hub cannot be reached, or broke off; what arrived stays for the next try.
    """
    if not REPOSITORY.fullmatch(repository) or ".." in repository:
        raise InputError("repository", repository, "it must be of the form owner/name")
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise InputError("revision", revision, "it must be a commit, a tag or a branch")
    try:
        import huggingface_hub
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
    except ModuleNotFoundError as error:
        raise MissingExtra("fetching from a hub", "huggingface-hub", "import") from error
    name = f"{repository}@{revision}".replace("/", "--")
    folder = store.places()[-1].parent / "fetched" / name
    try:
        huggingface_hub.snapshot_download(
            repository, revision=revision, local_dir=folder, allow_patterns=list(patterns)
        )
    except RepositoryNotFoundError as error:
        raise InputError("repository", repository, "the hub has none of that name") from error
    except RevisionNotFoundError as error:
        raise InputError("revision", revision, f"{repository} has none of that name") from error
    except (OSError, ValueError, RuntimeError) as error:  # its errors come as all of these
        reason = " ".join(str(error).split())[:200]
        raise NonetteError(f"{repository} could not be fetched: {reason}") from error
    return folder
