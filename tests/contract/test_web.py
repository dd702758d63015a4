"""The studio's house rules: short modules, one door to the server, two whole catalogues."""

from __future__ import annotations

import json
import re
from pathlib import Path

WEB = Path(__file__).parents[2] / "src" / "nonette" / "web"
MOST_LINES = 300
NAMESPACES = ("http://www.w3.org/2000/svg",)
LANGUAGES = ("en", "fr")


def sources(*suffixes):
    return {
        path.relative_to(WEB).as_posix(): path.read_text(encoding="utf-8")
        for suffix in suffixes
        for path in WEB.rglob(f"*.{suffix}")
    }


def catalogues():
    return {
        name: json.loads((WEB / "locales" / f"{name}.json").read_text(encoding="utf-8"))
        for name in LANGUAGES
    }


def test_modules_are_short():
    long = {path: text.count("\n") for path, text in sources("js", "css", "html").items()}
    assert long
    assert {path: n for path, n in long.items() if n > MOST_LINES} == {}


def test_no_foreign_host_is_named():
    for path, text in sources("js", "css", "html", "svg", "json").items():
        for namespace in NAMESPACES:
            text = text.replace(namespace, "")
        assert not re.search(r"https?://|\burl\(\s*['\"]?//", text), path


def test_only_one_module_talks_to_the_server_and_none_makes_markup_of_strings():
    for path, text in sources("js").items():
        doors = r"\bfetch\(|XMLHttpRequest|EventSource\(|WebSocket\(|sendBeacon"
        assert path == "api.js" or not re.search(doors, text), path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_the_catalogues_have_the_same_keys_in_order_and_the_same_gaps():
    english, french = catalogues().values()
    assert list(english) == list(french) == sorted(english)
    for key, text in english.items():
        assert gaps(text) == gaps(french[key]), key
        assert isinstance(text, str) or {"one", "other"} == text.keys() == french[key].keys(), key


def gaps(text):
    whole = text if isinstance(text, str) else text["other"]
    return sorted(re.findall(r"\{(\w+)\}", whole))


def test_every_text_is_used_and_every_used_text_is_there():
    known = catalogues()["en"].keys()
    code = "\n".join(sources("js").values())
    named = set(re.findall(r"""["'`]([a-z]+(?:\.[a-zA-Z_]+)*)["'`]""", code))
    made = re.findall(r"""t\(`([^`]*)`""", code)
    patterns = [re.sub(r"\\\$\\\{.*?\\\}", "[a-zA-Z_]+", re.escape(one)) for one in made]
    unused = {
        key
        for key in known
        if key not in named and not any(re.fullmatch(pattern, key) for pattern in patterns)
    }
    assert unused == set()
    assert set(re.findall(r"""\bt\(["']([^"']+)["']""", code)) <= known
