"""Networks that are at hand while their stage lasts: systems of many need not hold all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import ClassVar

import torch
from torch import nn

from nonette.core import allocator
from nonette.nn import packed


class Staged:
    """A system whose `__call__` says which networks it needs when.

    Attributes:
        stages: The parts that may come so, and the attribute that holds each, seen from the system.
        load: Gives such a part with its weights. Where it is set, the attributes hold networks
            without weights between the stages; elsewhere, the networks themselves at all times.
    """

    stages: ClassVar[Mapping[str, str]] = {}
    load: Callable[[str], nn.Module] | None = None

    def hurry(self) -> None:
        """Make the networks that draw ready to do so here, where they stay; they learn no more.

        On the CPU oneDNN gets the weights in its own layout. On other devices, without oneDNN, and
        of networks without weights, nothing is done.
        """
        for part in self.stages:
            owner, name = self._place(part)
            _pack(getattr(owner, name, None))

    @contextmanager
    def at_hand(self, *parts: str) -> Iterator[None]:
        """Inside, these networks have their weights; those the system lacks are passed over."""
        with ExitStack() as stack:
            for part in parts if self.load is not None else ():
                stack.enter_context(self._loaded(part))
            yield

    @contextmanager
    def _loaded(self, part: str) -> Iterator[None]:
        """One of them."""
        owner, name = self._place(part)
        empty = getattr(owner, name, None)
        if empty is None:
            yield
            return
        assert self.load is not None
        network = self.load(part)
        _pack(network)
        setattr(owner, name, network)
        try:
            yield
        finally:
            setattr(owner, name, empty)
            del network
            allocator.give_back()

    def _place(self, part: str) -> tuple[object, str]:
        """What holds a part, and under which name; None holds what the system lacks."""
        owner: object = self
        *path, name = self.stages[part].split(".")
        for one in path:
            owner = getattr(owner, one, None)
        return owner, name


def device_of(network: nn.Module) -> torch.device:
    """Where a network is; packed weights are no parameters, but every network has norms."""
    return next(network.parameters()).device


def _pack(network: nn.Module | None) -> None:
    """Lay out a network's weights where oneDNN can read them."""
    if network is not None and packed.can_pack() and device_of(network).type == "cpu":
        packed.pack(network)
