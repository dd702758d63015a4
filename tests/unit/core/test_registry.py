"""Names become objects, and unknown names become advice."""

import math

import pytest

from nonette.core.errors import InputError
from nonette.core.registry import resolve

TABLE = {"square_root": "math:sqrt", "sine": "math:sin"}


def test_a_name_becomes_its_object():
    assert resolve(TABLE, "sine", "function") is math.sin


@pytest.mark.parametrize(
    ("table", "name", "message"),
    [
        (TABLE, "sin", "function is 'sin', but there is none of that name; did you mean 'sine'"),
        (TABLE, "zzz", "choices: sine, square_root"),
        (TABLE, ["sine"], "choices: sine, square_root"),
        ({}, "sine", "choices: none yet"),
    ],
)
def test_an_unknown_name_gets_advice(table, name, message):
    with pytest.raises(InputError, match=message):
        resolve(table, name, "function")
