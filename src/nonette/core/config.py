"""Configs: frozen, keyword-only dataclasses that travel as JSON.

`from_dict` is strict: an unknown key is an error that suggests the nearest known one, a missing key without
a default is named, and a value must have the declared type. Nested dataclasses and tuples are rebuilt.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from nonette.core.errors import InputError

Config = TypeVar("Config")


def to_dict(config: Any) -> dict[str, Any]:
    """The config as plain JSON values, one key a field."""
    return dataclasses.asdict(config)


def from_dict(cls: type[Config], values: Mapping[str, Any], where: str = "config") -> Config:
    """Build the dataclass `cls` from JSON values.

    Args:
        cls: A frozen dataclass; its annotations say what each value must be.
        values: One entry a field; fields with defaults may be left out.
        where: The config's name in errors, such as `config.json: vqgan`.

    Raises:
        InputError: A key is unknown or missing, or a value is of another type.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise InputError(f"{where}.{key}", values[key], f"there is no such setting{_nearest(key, fields)}")
    for name, field in fields.items():
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in values and not has_default:
            raise InputError(f"{where}.{name}", None, "it must be given")
    return cls(**{key: _convert(hints[key], value, f"{where}.{key}") for key, value in values.items()})


def replace(config: Config, changes: Mapping[str, Any]) -> Config:
    """A copy of the config with dotted names changed, as `{"network.width": 64}`.

    Raises:
        InputError: A name is unknown or its value is of another type.
    """
    values = to_dict(config)
    for name, value in changes.items():
        *path, last = name.split(".")
        inner: Any = values
        for part in path:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or last not in inner:
            known = inner if isinstance(inner, dict) else values
            raise InputError(name, value, f"there is no such setting{_nearest(last, known)}")
        inner[last] = value
    return from_dict(type(config), values)


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    """A hint such as `; did you mean 'width'?`, or the choices where nothing is near."""
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; choices: {', '.join(sorted(known))}"


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as the annotation `hint` wants it, or an InputError that says what it wants."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        others = [argument for argument in arguments if argument is not type(None)]
        for other in others[:-1]:
            try:
                return _convert(other, value, where)
            except InputError:
                continue
        return _convert(others[-1], value, where)
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise InputError(where, value, f"it must be one of {', '.join(map(repr, arguments))}")
    if origin is tuple and isinstance(value, (list, tuple)):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if len(arguments) == len(value):
            return tuple(_convert(a, item, where) for a, item in zip(arguments, value, strict=True))
    if origin is dict and isinstance(value, Mapping):
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return from_dict(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is None and isinstance(hint, type) and isinstance(value, hint):
        if not (isinstance(value, bool) and hint is not bool):
            return value
    raise InputError(where, value, f"it must be {getattr(hint, '__name__', hint)}")
