"""From foreign names to ours: tables of (their keys, our key, transform), applied strictly.

An importer writes a table as data; `translate` is the one place that applies it. Every source key
is used once or knowingly dropped, every target is filled once, and every result has the shape that
the network asks for. Transforms are plain tensor functions, so that the same table works on the
meta device, where nothing has values: that is how tables are proved against published manifests.

It knows no files and no networks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nonette.core.errors import CheckpointError, some

NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")  # between dots


def same(tensor: Tensor) -> Tensor:
    """The tensor as it is."""
    return tensor


def joined(*tensors: Tensor) -> Tensor:
    """The tensors one below another, as the rows of one matrix or vector."""
    return torch.cat(tensors)


@dataclass(frozen=True)
class Row:
    """One of our tensors and where it comes from.

    Attributes:
        theirs: The source keys, in the order that `transform` takes their tensors.
        ours: The name in our network's state.
        transform: From their tensors to ours.
    """

    theirs: tuple[str, ...]
    ours: str
    transform: Callable[..., Tensor] = same


def row(theirs: str, ours: str, transform: Callable[..., Tensor] = same) -> Row:
    """A row with one source."""
    return Row((theirs,), ours, transform)


def layer(theirs: str, ours: str, transform: Callable[..., Tensor] = same) -> tuple[Row, Row]:
    """The rows of a layer with a weight, which `transform` is for, and a bias."""
    weight = row(f"{theirs}.weight", f"{ours}.weight", transform)
    return weight, row(f"{theirs}.bias", f"{ours}.bias")


def joined_layer(theirs: Iterable[str], ours: str) -> tuple[Row, Row]:
    """The rows of a layer, weight and bias, that is several of theirs one below another."""
    names = tuple(theirs)
    return tuple(  # type: ignore[return-value]
        Row(tuple(f"{name}.{kind}" for name in names), f"{ours}.{kind}", joined)
        for kind in ("weight", "bias")
    )


def inside(theirs: str, ours: str, rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows with both sides' names put inside something larger; "" for nothing larger."""
    their_prefix, our_prefix = (f"{name}." if name else "" for name in (theirs, ours))
    return tuple(
        replace(
            one, theirs=tuple(their_prefix + key for key in one.theirs), ours=our_prefix + one.ours
        )
        for one in rows
    )


def numbered(patterns: Iterable[Row], names: Iterable[str]) -> tuple[Row, ...]:
    """The rows of a network whose state has these names.

    A pattern may have "#" for a number between dots, as often on their side as on ours, and may
    leave out a last ".weight" or ".bias" on both sides. A pattern that no name fits gives no rows.
    """
    by_ours = {pattern.ours: pattern for pattern in patterns}
    rows = []
    for name in names:
        numbers = NUMBER.findall(name)
        template = NUMBER.sub("#", name)
        stem, dot, kind = template.rpartition(".")
        pattern, suffix = by_ours.get(template), ""
        if pattern is None and kind in ("weight", "bias"):
            pattern, suffix = by_ours.get(stem), dot + kind
        assert pattern is not None, f"no pattern fits {name}"
        theirs = tuple(_with_numbers(key, numbers) + suffix for key in pattern.theirs)
        rows.append(replace(pattern, theirs=theirs, ours=name))
    return tuple(rows)


def translate(
    table: Iterable[Row],
    source: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    *,
    where: str,
    dropped: Collection[str] = (),
) -> Iterator[tuple[str, Tensor]]:
    """Our names and tensors, one by one; all names are checked before the first is given.

    Args:
        table: Where each of our tensors comes from.
        source: Their tensors; each is read once, so it may load them only when asked.
        expected: Our network's state, on the meta device or any other; only shapes are read.
        where: The source's name in errors, such as a path.
        dropped: Source keys that may be there and that nothing needs.

    Raises:
        CheckpointError: The source lacks a key, has one that the table does not use, or a tensor
            comes out in another shape than expected.
    """
    rows = list(table)
    used = Counter(key for one in rows for key in one.theirs)
    targets = Counter(one.ours for one in rows)
    assert max(used.values(), default=1) == max(targets.values(), default=1) == 1, (
        f"twice in the table: {[name for name, n in (used + targets).items() if n > 1]}"
    )
    assert set(targets) == set(expected), f"not both: {sorted(set(targets) ^ set(expected))}"
    missing = [key for key in used if key not in source]
    if missing:
        raise CheckpointError(f"{where} lacks {some(missing)}")
    left_over = [key for key in source if key not in used and key not in dropped]
    if left_over:
        raise CheckpointError(f"{where} holds tensors that are not known: {some(left_over)}")
    for one in rows:
        theirs = [source[key] for key in one.theirs]
        try:
            tensor = one.transform(*theirs)
        except RuntimeError as error:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in theirs)
            raise CheckpointError(
                f"{where}: {some(list(one.theirs))} of shape {shapes} cannot become {one.ours}"
            ) from error
        got, want = tuple(tensor.shape), tuple(expected[one.ours].shape)
        if got != want:
            raise CheckpointError(
                f"{where}: {some(list(one.theirs))} has shape {got} as {one.ours}, not {want}"
            )
        yield one.ours, tensor


def _with_numbers(pattern: str, numbers: list[str]) -> str:
    """The pattern with its "#" replaced by the numbers in their order."""
    pieces = pattern.split("#")
    assert len(pieces) == len(numbers) + 1, f"{pattern} has not {len(numbers)} numbers"
    return "".join(map("".join, zip(pieces, [*numbers, ""], strict=True)))
