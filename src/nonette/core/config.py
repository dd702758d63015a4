"""Configs: frozen, keyword-only dataclasses that travel as JSON.

`from_dict` is strict: an unknown key is an error that suggests the nearest known one, a missing key
without a default is named, and a value must have the declared type. Nested dataclasses and tuples
are rebuilt. It knows the shapes of annotations that configs use, not all of `typing`.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from nonette.core.errors import InputError

Config = TypeVar("Config")

WORDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}


def to_dict(config: Any) -> dict[str, Any]:
    """The config as JSON values, one key a field; tuples stay tuples, JSON writes them as lists."""
    return dataclasses.asdict(config)


def from_dict(cls: type[Config], values: Any, where: str = "config") -> Config:
    """Build the dataclass `cls` from JSON values.

    Args:
        cls: A frozen dataclass; its annotations say what each value must be.
        values: A mapping with one entry a field; fields with defaults may be left out.
        where: The config's name in errors, such as `config.json: vqgan`.

    Raises:
        InputError: There is no mapping, a key is unknown or missing, or a value is of another type.
    """
    if not isinstance(values, Mapping):
        raise InputError(where, values, "it must be a table of settings")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise _no_such_setting(f"{where}.{key}", values[key], key, fields)
    for name, field in fields.items():
        if name not in values and field.default is field.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}.{name}", None, "it must be given")
    return cls(**{key: _convert(hints[key], values[key], f"{where}.{key}") for key in values})


def replace(config: Config, changes: Mapping[str, Any]) -> Config:
    """A copy of the config with dotted names changed, as `{"network.width": 64}`.

    A name may lead through nested dataclasses and dicts. Changes inside one dataclass are made at
    once, so that its own checks see only the result.

    Raises:
        InputError: A name is unknown or its value is of another type.
    """
    return typing.cast(Config, _replace(config, changes, ""))


def _replace(inner: Any, changes: Mapping[str, Any], where: str) -> Any:
    """The dataclass or dict with the changes below `where` made; anything else has no settings."""
    is_config = dataclasses.is_dataclass(inner) and not isinstance(inner, type)
    hints = typing.get_type_hints(type(inner)) if is_config else {}
    known = inner if isinstance(inner, Mapping) else {}
    if is_config:
        known = {field.name: getattr(inner, field.name) for field in dataclasses.fields(inner)}
    here: dict[str, Any] = {}
    below: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        first, dot, rest = name.partition(".")
        if first not in known:
            raise _no_such_setting(f"{where}{name}", value, first, known)
        if dot:
            below.setdefault(first, {})[rest] = value
        else:
            here[first] = value
    for first, deeper in below.items():
        here[first] = _replace(here.get(first, known[first]), deeper, f"{where}{first}.")
    here = {key: _convert(hints.get(key, Any), here[key], f"{where}{key}") for key in here}
    return dataclasses.replace(inner, **here) if is_config else {**known, **here}


def _no_such_setting(name: str, value: Any, key: Any, known: Iterable[str]) -> InputError:
    """The error for an unknown key, with the nearest known one or else the choices."""
    known = sorted(known)
    near = difflib.get_close_matches(key, known, n=1) if isinstance(key, str) else []
    hint = f"did you mean {near[0]!r}?" if near else f"choices: {', '.join(known) or 'none'}"
    return InputError(name, value, f"there is no such setting; {hint}")


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as the annotation `hint` wants it, or an InputError that says what it wants."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(hint, value, where)
    if origin is tuple and isinstance(value, list | tuple):
        is_open = len(arguments) == 2 and arguments[1] is Ellipsis
        hints = arguments[:1] * len(value) if is_open else arguments
        if len(hints) == len(value):
            pairs = enumerate(zip(hints, value, strict=True))
            return tuple(_convert(inner, item, f"{where}[{i}]") for i, (inner, item) in pairs)
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        is_built = isinstance(value, typing.cast(type, hint))
        return value if is_built else from_dict(typing.cast(type, hint), value, where)
    if origin is typing.Literal:
        if any(value == choice and type(value) is type(choice) for choice in arguments):
            return value
    elif origin is None and _is_plain(hint, value):
        return float(value) if hint is float else value
    raise InputError(where, value, f"it must be {_wanted(hint)}")


def _convert_union(hint: Any, value: Any, where: str) -> Any:
    """`value` as the first alternative takes it; a lone alternative to None speaks for itself."""
    alternatives = [inner for inner in typing.get_args(hint) if inner is not type(None)]
    if value is None and len(alternatives) < len(typing.get_args(hint)):
        return None
    if len(alternatives) == 1:
        return _convert(alternatives[0], value, where)
    for inner in alternatives:
        try:
            return _convert(inner, value, where)
        except InputError:
            continue
    raise InputError(where, value, f"it must be {_wanted(hint)}")


def _is_plain(hint: Any, value: Any) -> bool:
    """Whether the value is of the class `hint`: no bool is a number, any whole number a float."""
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return abs(value) <= sys.float_info.max  # false for NaN, the infinities and 10**400
    return isinstance(value, hint) and (hint is not int or not isinstance(value, bool))


def _wanted(hint: Any) -> str:
    """The annotation in words for people."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_wanted(inner) for inner in arguments)
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is tuple:
        is_open = len(arguments) == 2 and arguments[1] is Ellipsis
        items = arguments[:1] if is_open else arguments
        return f"a list of {'each ' if is_open else ''}{', '.join(map(_wanted, items))}"
    if dataclasses.is_dataclass(hint) or origin in (dict, Mapping):
        return "a table of settings"
    return "null" if hint is type(None) else WORDS.get(hint, str(getattr(hint, "__name__", hint)))
