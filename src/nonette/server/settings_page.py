"""docs/settings.md, made from the settings themselves: `nonette admin settings` prints it."""

from __future__ import annotations

import json

from nonette.server.settings import PREFIX, Settings

HEAD = f"""# Settings of the server

Every setting is read from the environment, as `{PREFIX}` and its name in capitals
(`{PREFIX}MAX_WAITING=500`); lists and tables are JSON, and `none` is no value at all.
`nonette serve` and `nonette worker` have options for some of them, which come first.
This page is made by `nonette admin settings`.

| setting | default | meaning |
| --- | --- | --- |
"""
OWN_WORDS = {"data_dir": "`~/.local/share/nonette/server`"}


def render() -> str:
    """The page, as Markdown."""
    return HEAD + "".join(_row(name) for name in Settings.model_fields)


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    description = (field.description or "").replace("|", r"\\|")
    return (
        f"| `{name}` | {OWN_WORDS.get(name) or _default(name)} | {description}{_limits(name)} |\n"
    )


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "`none`"
    if value in ("", (), {}):
        return "empty"
    if isinstance(value, dict):
        value = {key: one.model_dump(exclude_defaults=True) for key, one in value.items()}
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _limits(name: str) -> str:
    """What the field's own checks allow, in words."""
    said = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = [
        f"{word} {getattr(rule, key):g}"
        for rule in Settings.model_fields[name].metadata
        for key, word in said.items()
        if getattr(rule, key, None) is not None
    ]
    return f" ({', '.join(found)})" if found else ""
