"""Configs come back from JSON as they went, and whatever is wrong with them is named."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.config import from_dict, replace, to_dict
from nonette.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Inner:
    width: int
    activation: Literal["gelu", "silu"] = "gelu"

    def __post_init__(self):
        if self.width % 2:
            raise InputError("width", self.width, "it must be even")


@dataclass(frozen=True, kw_only=True)
class Outer:
    network: Inner
    name: str = "outer"
    rate: float = 0.1
    is_fast: bool = False
    steps: int | None = None
    clip: int | str = 1
    sizes: tuple[int, ...] = ()
    range: tuple[float, float] = (0.0, 1.0)
    rates: dict[str, float] = field(default_factory=dict)
    parts: Mapping[str, Inner] = field(default_factory=dict)
    layers: tuple[Inner, ...] = ()
    head: Inner | None = None
    settings: Any = None


WHOLE = Outer(
    network=Inner(width=4, activation="silu"),
    steps=3,
    sizes=(1, 2),
    rates={"main": 1.0},
    parts={"a": Inner(width=2)},
    layers=(Inner(width=6),),
    head=Inner(width=8),
)


def test_a_config_comes_back_from_json():
    assert from_dict(Outer, json.loads(json.dumps(to_dict(WHOLE)))) == WHOLE


@given(
    st.builds(
        Outer,
        network=st.builds(Inner, width=st.integers().map(lambda n: 2 * n)),
        name=st.text(),
        rate=st.floats(allow_nan=False, allow_infinity=False),
        is_fast=st.booleans(),
        steps=st.none() | st.integers(),
        clip=st.integers() | st.text(),
        sizes=st.lists(st.integers()).map(tuple),
        rates=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    )
)
def test_any_config_comes_back_from_json(config):
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config)))) == config


def test_a_whole_number_serves_as_a_float():
    config = from_dict(Outer, {"network": {"width": 2}, "rate": 1})
    assert config.rate == 1.0 and type(config.rate) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": {"width": 2}, "nmae": "x"}, "config.nmae is 'x', but .* did you mean 'name'"),
        ({"network": {"width": 2}, "qqqq": 1}, "choices: clip, head, is_fast"),
        ({}, "config.network is None, but it must be given"),
        ({"network": {}}, "config.network.width is None, but it must be given"),
        ({"network": []}, "config.network is .*a table of settings"),
        ({"network": {"width": 3}}, "width is 3, but it must be even"),
        ({"network": {"width": "2"}}, "config.network.width is '2', but it must be a whole number"),
        ({"network": {"width": 2.0}}, "a whole number"),
        ({"network": {"width": True}}, "a whole number"),
        ({"network": {"width": 2, "activation": "relu"}}, "one of 'gelu', 'silu'"),
        ({"network": {"width": 2}, "name": None}, "config.name is None, but it must be text"),
        ({"network": {"width": 2}, "rate": float("nan")}, "rate is nan, .* a finite number"),
        ({"network": {"width": 2}, "rate": float("inf")}, "a finite number"),
        ({"network": {"width": 2}, "rate": 10**400}, "a finite number"),
        ({"network": {"width": 2}, "rate": False}, "a finite number"),
        ({"network": {"width": 2}, "is_fast": 1}, "true or false"),
        ({"network": {"width": 2}, "steps": "x"}, "a whole number"),
        ({"network": {"width": 2}, "clip": []}, "a whole number or text"),
        ({"network": {"width": 2}, "sizes": [1, "x"]}, r"config.sizes\[1\] is 'x'"),
        ({"network": {"width": 2}, "sizes": 7}, "a list of each a whole number"),
        ({"network": {"width": 2}, "range": [1]}, "a list of a finite number, a finite number"),
        ({"network": {"width": 2}, "rates": {"main": "x"}}, "config.rates.main is 'x'"),
        ({"network": {"width": 2}, "rates": [1]}, "a table of settings"),
        ({"network": {"width": 2}, "head": {"width": "x"}}, "config.head.width is 'x'"),
        ([1, 2], "config is .*a table of settings"),
    ],
)
def test_what_is_wrong_is_named(values, message):
    with pytest.raises(InputError, match=message):
        from_dict(Outer, values)


def test_replace_reaches_into_nested_settings_and_keeps_the_rest():
    changed = replace(WHOLE, {"network.width": 10, "rates.main": 2, "name": "new"})
    assert changed.network == Inner(width=10, activation="silu")
    assert changed.rates == {"main": 2.0}
    assert changed.name == "new" and changed.head == WHOLE.head
    assert WHOLE.network.width == 4


def test_replace_keeps_the_dataclass_of_a_field_that_says_any():
    changed = replace(Outer(network=Inner(width=2), settings=Inner(width=2)), {"settings.width": 4})
    assert changed.settings == Inner(width=4)


def test_replace_makes_the_changes_of_one_dataclass_at_once():
    @dataclass(frozen=True, kw_only=True)
    class Pair:
        low: int = 0
        high: int = 1

        def __post_init__(self):
            if self.low >= self.high:
                raise InputError("low", self.low, f"it must be below high {self.high}")

    assert replace(Pair(), {"low": 5, "high": 6}) == Pair(low=5, high=6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network.widht": 2}, "network.widht is 2, but .* did you mean 'width'"),
        ({"netwrok.width": 2}, "netwrok.width is 2, but .* did you mean 'network'"),
        ({"name.width": 2}, "name.width is 2, but there is no such setting; choices: none"),
        ({"rates.other": 2}, "did you mean|choices: main"),
        ({"network.width": "x"}, "network.width is 'x', but it must be a whole number"),
        ({"rates.main": "x"}, "rates.main is 'x'"),
        ({"network.width": 3}, "width is 3, but it must be even"),
        ({"": 1}, "there is no such setting"),
    ],
)
def test_replace_names_what_is_wrong(changes, message):
    with pytest.raises(InputError, match=message):
        replace(WHOLE, changes)
