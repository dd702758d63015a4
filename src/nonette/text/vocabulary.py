"""Strange words: which words of a prompt a model never saw in training.

A word is known by its bones: small letters without accents. An elided article ("l'", "d'"), a
possessive "'s" and a regular plural do not make a word strange, nor does a hyphen between known
words. What is reported keeps the person's own spelling. Numbers and stop words need no list: they
are known because training had them.

It is about spelling alone: whether a known word stands in a sense the model knows is beyond it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tokenizers import normalizers

from nonette.core.errors import CheckpointError
from nonette.text.normalise import without_surrogates

FORMAT = 1
ELISIONS = frozenset("l d j m n s t c qu jusqu lorsqu puisqu quoiqu".split())
LEAST_PLURAL = 4  # letters; shorter words are no regular plurals ("as" is none of "a")

# Letters and digits with their marks, joined by apostrophes and hyphens; or one pictograph.
_WORD = re.compile(
    r"(?:[^\W_][\u0300-\u036f]*)+(?:['’ʼ‐‑-](?:[^\W_][\u0300-\u036f]*)+)*"
    r"|[\u2600-\u27bf\U0001f000-\U0001faff]"
)
# The library's, because Python's own takes quadratic time for a letter with many marks.
_COMPOSED = normalizers.NFC()
_BONES = normalizers.Sequence(
    [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
)
_APOSTROPHE = re.compile(r"['’ʼ]")
_JOINT = re.compile(r"['’ʼ‐‑-]")


def words(text: str) -> tuple[str, ...]:
    """The words of the text in order, as written but for elided articles and possessives."""
    text = without_surrogates(text)
    return tuple(_bare(match) for match in _WORD.findall(_COMPOSED.normalize_str(text)))


class Vocabulary:
    """The words that a model saw in training.

    Args:
        known: Words or whole phrases; every word in them is known.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self.words = frozenset(_key(word) for phrase in known for word in words(phrase))

    @classmethod
    def load(cls, path: Path | str) -> Vocabulary:
        """Read a `vocabulary.json`.

        Raises:
            CheckpointError: The file cannot be read or is none.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
        return cls.from_bytes(data, str(path))

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "vocabulary.json") -> Vocabulary:
        """The vocabulary that `to_bytes` wrote; `where` names it in errors."""
        try:
            contents = json.loads(data)
        except ValueError as error:
            raise CheckpointError(f"{where} is no vocabulary: {error}") from error
        known = contents.get("words") if isinstance(contents, dict) else None
        if not isinstance(known, list) or not all(isinstance(word, str) for word in known):
            raise CheckpointError(f"{where} is no vocabulary: it holds no list of words")
        if contents.get("format") != FORMAT:
            raise CheckpointError(f"{where} is of format {contents.get('format')}, not {FORMAT}")
        return cls(known)

    def to_bytes(self) -> bytes:
        """The whole vocabulary as the contents of a `vocabulary.json`."""
        contents = {"format": FORMAT, "words": sorted(self.words)}
        return json.dumps(contents, ensure_ascii=False, indent=0).encode("utf-8")

    def __contains__(self, word: str) -> bool:
        key = _key(word)
        if self._is_known(key):
            return True
        parts = _JOINT.split(key)
        return len(parts) > 1 and all(self._is_known(part) for part in parts)

    def __len__(self) -> int:
        return len(self.words)

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """The words that training never had, in the person's spelling, each once, in order."""
        strange: dict[str, str] = {}
        for word in words(prompt):
            if word not in self:
                strange.setdefault(_key(word), word)
        return tuple(strange.values())

    def _is_known(self, key: str) -> bool:
        return any(form in self.words for form in _forms(key))


def _bare(word: str) -> str:
    """The word without elided articles before it or a possessive behind it."""
    parts = _APOSTROPHE.split(word)
    while len(parts) > 1 and parts[0].lower() in ELISIONS:
        del parts[0]
    if len(parts) > 1 and parts[-1].lower() == "s":
        del parts[-1]
    return "'".join(parts)


@lru_cache(maxsize=1 << 14)
def _key(word: str) -> str:
    """What two spellings of one word share: small letters, no accents, one kind of joint."""
    letters = _BONES.normalize_str(word).replace("œ", "oe").replace("æ", "ae").casefold()
    return _JOINT.sub("-", letters)


def _forms(key: str) -> set[str]:
    """The key, and what regular plurals of either language would make of it or it of them."""
    forms = {key}
    if len(key) >= LEAST_PLURAL:
        forms |= {key.removesuffix(ending) for ending in ("s", "x", "es")}
        if key.endswith("ies"):
            forms.add(f"{key[:-3]}y")
        if key.endswith("aux"):
            forms.add(f"{key[:-3]}al")
    if len(key) >= LEAST_PLURAL - 1:
        forms |= {f"{key}s", f"{key}x", f"{key}es"}
        if key.endswith("y"):
            forms.add(f"{key[:-1]}ies")
    return forms
