"""Messages are one printable line of bounded length, whatever a person gave."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonette.core.errors import MOST_SHOWN, InputError, NonetteError, Stopped, shorten


def test_an_input_error_names_field_value_and_limit():
    error = InputError("seed", -1, "it must be a whole number from 0 to 9")
    assert str(error) == "seed is -1, but it must be a whole number from 0 to 9"
    assert (error.field, error.value, error.limit) == ("seed", -1, str(error).split("but ")[1])


def test_what_a_person_can_mend_is_a_value_error_and_being_stopped_is_not():
    assert issubclass(InputError, NonetteError) and issubclass(InputError, ValueError)
    assert not issubclass(Stopped, ValueError)


@given(st.text() | st.binary() | st.integers() | st.lists(st.text()) | st.floats())
def test_any_value_becomes_one_printable_line(value):
    text = shorten(value)
    assert text.isprintable()
    assert len(text) <= MOST_SHOWN


@pytest.mark.parametrize(
    "value",
    ["a" * 10**6, "\x1b[31m" * 50, "\ud800", "\u202e", b"\0" * 10**6, 10**5000, np.eye(50)],
    ids=["long", "escapes", "surrogate", "right-to-left", "bytes", "digits", "array"],
)
def test_hostile_values_are_tamed(value):
    message = str(InputError("field", value, "no"))
    assert message.isprintable()
    assert len(message) < 100


def test_a_short_text_is_shown_as_it_is():
    assert shorten("trois chats d'été") == '"trois chats d\'été"'


def test_a_hostile_field_name_is_tamed_too():
    message = str(InputError("config.\x1b[31m" + "x" * 1000, 1, "there is no such setting"))
    assert message.isprintable() and len(message) < 150


def test_an_input_error_survives_the_way_out_of_a_worker():
    error = pickle.loads(pickle.dumps(InputError("seed", 7, "no")))
    assert (error.field, error.value, error.limit, str(error)) == (
        "seed",
        7,
        "no",
        "seed is 7, but no",
    )
