"""Tables of foreign names: strict in both directions."""

from __future__ import annotations

import pytest
import torch

from nonette.checkpoints.tables import (
    Row,
    inside,
    joined,
    joined_layer,
    layer,
    numbered,
    row,
    translate,
)
from nonette.core.errors import CheckpointError

TABLE = (
    *inside("encoder.0", "first", layer("fc", "linear", torch.Tensor.t)),
    *joined_layer(("q", "k"), "query_key"),
    row("shift", "shift"),
)
SOURCE = {
    "encoder.0.fc.weight": torch.arange(6.0).view(2, 3),
    "encoder.0.fc.bias": torch.zeros(2),
    "q.weight": torch.zeros(1, 2),
    "k.weight": torch.ones(1, 2),
    "q.bias": torch.zeros(1),
    "k.bias": torch.ones(1),
    "shift": torch.tensor(5.0),
}
EXPECTED = {
    "first.linear.weight": torch.empty(3, 2, device="meta"),
    "first.linear.bias": torch.empty(2, device="meta"),
    "query_key.weight": torch.empty(2, 2, device="meta"),
    "query_key.bias": torch.empty(2, device="meta"),
    "shift": torch.empty((), device="meta"),
}


def translated(source, dropped=()):
    return dict(translate(TABLE, source, EXPECTED, where="theirs.bin", dropped=dropped))


def test_names_are_changed_and_tensors_transformed():
    ours = translated(SOURCE)
    assert ours.keys() == EXPECTED.keys()
    assert torch.equal(ours["first.linear.weight"], SOURCE["encoder.0.fc.weight"].T)
    assert ours["query_key.weight"].tolist() == [[0, 0], [1, 1]]
    assert ours["query_key.bias"].tolist() == [0, 1]


def test_the_meta_device_will_do():
    ours = translated({key: tensor.to("meta") for key, tensor in SOURCE.items()})
    assert all(tensor.is_meta for tensor in ours.values())


def test_a_missing_key_is_named():
    with pytest.raises(CheckpointError, match=r"theirs\.bin lacks k\.bias"):
        translated({key: tensor for key, tensor in SOURCE.items() if key != "k.bias"})


def test_an_unknown_key_is_named_unless_dropped():
    source = SOURCE | {"position_ids": torch.zeros(3)}
    with pytest.raises(CheckpointError, match="not known: position_ids"):
        translated(source)
    assert translated(source, dropped=("position_ids",)).keys() == EXPECTED.keys()


@pytest.mark.parametrize(("key", "shape"), [("shift", (1,)), ("q.weight", (1, 3))])
def test_another_shape_is_refused(key, shape):
    with pytest.raises(CheckpointError, match=key):
        translated(SOURCE | {key: torch.zeros(shape)})


@pytest.mark.parametrize("table", [(*TABLE, row("more", "shift")), TABLE[:-1]])
def test_a_wrong_table_is_a_mistake_of_ours(table):
    with pytest.raises(AssertionError):
        dict(translate(table, SOURCE | {"more": torch.zeros(())}, EXPECTED, where="theirs.bin"))


def test_numbered_patterns_become_rows():
    patterns = (
        row("blocks.#.net.0", "layers.#.linear"),
        Row(("blocks.#.q", "blocks.#.k"), "layers.#.query_key", joined),
        row("blocks.#.scale", "layers.#.scale"),
        row("never", "never"),
    )
    names = ("layers.3.linear.weight", "layers.12.query_key.bias", "layers.0.scale")
    assert numbered(patterns, names) == (
        row("blocks.3.net.0.weight", "layers.3.linear.weight"),
        Row(("blocks.12.q.bias", "blocks.12.k.bias"), "layers.12.query_key.bias", joined),
        row("blocks.0.scale", "layers.0.scale"),
    )


@pytest.mark.parametrize("name", ["layers.3.shift", "linear.weight"])
def test_a_name_without_a_pattern_is_a_mistake_of_ours(name):
    with pytest.raises(AssertionError, match=name):
        numbered((row("blocks.#.net.0", "layers.#.linear"),), (name,))
