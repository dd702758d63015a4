"""DALL·E mini's own spelling: what its captions went through before they became tokens.

The rules and their order are those of borisdayma/dalle-mini (commit f0be4de, src/dalle_mini/model/
text.py), since the weights know no other spelling. Hashtags are taken apart into the likeliest
words, by a list of words in the order of their frequency that comes with the weights; without the
list they stay whole. One rule differs: a `<person>`, which upstream replaces by lot, always becomes
the likeliest choice, so that a prompt has one spelling.

It needs ftfy, unidecode and emoji (the extra `import`).
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from nonette.core.errors import CheckpointError, MissingExtra
from nonette.text.normalise import without_surrogates
from nonette.text.tokenizer import Tokenizer

KEPT = "xtokx"  # stands around what later rules must not touch
WORDS = "words.txt"
MAX_WORD = 64  # letters; no longer word is looked for in a hashtag

Rule = tuple[str, str | Callable[["re.Match[str]"], str]]

# Before hashtags are taken apart: people, references, tags, addresses, numbers; then what is kept.
BEFORE: Sequence[Rule] = (
    (r"<person>([,\s]*(and)*[,\s]*<person>)+", " people "),
    (r"<person>", " a person "),
    (r"\A\s*\[\d+\]", ""),
    (r"\[\d+\]\s*\Z", ""),
    (r"<[^<]+?>", " "),
    (r"http\S+", ""),
    (r"(\d),(\d{3})", r"\1\2"),
    (r"(\d),(\d{3})", r"\1\2"),
    (r"(\w)\.(\w)", rf"\1{KEPT}dot{KEPT}\2"),
    (r"'(?=([stdm]|(ll)|(re)|(ve)|(ll))\b)", f"{KEPT}quote{KEPT}"),
    (r"(\d)/(\d)", rf"\1{KEPT}slash{KEPT}\2"),
    (r"(\w)-(\w)", r"\1 \2"),
    (r"([%&\/$*])", r" \1 "),
)
# After: signs, quotes, all punctuation as commas; what was kept comes back; runs become one.
AFTER: Sequence[Rule] = (
    (r"[_#\\]", " "),
    (r"""['"`]""", ' " '),
    (r"[()[\].,|:;?!=+~\-\/{}]", ","),
    (f"{KEPT}dot{KEPT}", "."),
    (f"{KEPT}quote{KEPT}", "'"),
    (f"{KEPT}slash{KEPT}", "/"),
    (r"(\D)(\1{3,})", r"\1"),
    (r'(\s*"+\s*)+', ' " '),
    (r"(\s*,+\s*)+", ", "),
    (r"\s+", " "),
)
HASHTAG = re.compile(r"#(\w+)")
BETWEEN_WORDS = re.compile("[^a-zA-Z0-9']+")


class Normaliser:
    """A prompt in the spelling of DALL·E mini's training.

    Args:
        words: Small words, the most frequent first; () leaves hashtags whole.

    Raises:
        MissingExtra: A library is not installed that the rules are made of.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        try:
            import emoji
            import ftfy
            import unidecode
        except ModuleNotFoundError as error:
            raise MissingExtra("DALL·E mini's text rules", str(error.name), "import") from error
        self._repair: Callable[[str], str] = ftfy.fix_text
        self._name_emoji: Callable[[str], str] = emoji.demojize
        self._to_ascii: Callable[[str], str] = unidecode.unidecode
        self._costs = {word: math.log(rank) for rank, word in enumerate(words, start=1)}
        self._longest = min(max(map(len, words), default=0), MAX_WORD)

    def __call__(self, prompt: str) -> str:
        """The normal form, which begins with a blank."""
        text = self._repair(without_surrogates(prompt))
        text = html.unescape(html.unescape(text))
        text = self._to_ascii(self._name_emoji(text)).lower()
        text = _apply(BEFORE, text)
        text = HASHTAG.sub(lambda found: self._words(found.group(1)), text)
        text = _apply(AFTER, text).strip()
        return f" {text.removesuffix(',').removeprefix(',').strip()}"

    def _words(self, hashtag: str) -> str:
        """The words of a hashtag."""
        if not self._costs:
            return hashtag
        parts = [self._split(part) for part in BETWEEN_WORDS.split(hashtag)]
        return " ".join(word for part in parts for word in part)

    def _split(self, text: str) -> list[str]:
        """The cheapest row of known words that `text` is made of; unknown letters stand alone."""
        costs, lengths = [0.0], [0]
        for end in range(1, len(text) + 1):
            choices = [
                (costs[end - n] + self._costs.get(text[end - n : end].lower(), math.inf), n)
                for n in range(1, min(self._longest, end) + 1)
            ]
            cost, length = min(choices)
            costs.append(cost)
            lengths.append(length)
        words: list[str] = []  # from the last to the first
        end = len(text)
        while end:
            word = text[end - lengths[end] : end]
            is_number = bool(words) and word[-1].isdigit() and words[-1][0].isdigit()
            if word != "'" and words and (words[-1] == "'s" or is_number):
                words[-1] = word + words[-1]
            else:
                words.append(word)
            end -= lengths[end]
        return words[::-1]


class DalleMiniTokenizer:
    """BART's tokenizer behind DALL·E mini's rules; no prompt at all is no words at all.

    Args:
        inner: The tokenizer.
        normaliser: The rules.
    """

    def __init__(self, inner: Tokenizer, normaliser: Normaliser) -> None:
        self._inner = inner
        self._normaliser = normaliser

    @classmethod
    def load(cls, folder: Path) -> DalleMiniTokenizer:
        """The tokenizer of `tokenizer.json`, with the list of `words.txt` where there is one.

        Raises:
            CheckpointError: A file is missing or damaged.
            MissingExtra: A library is not installed that the rules are made of.
        """
        inner = Tokenizer.load(folder / "tokenizer.json")
        path = folder / WORDS
        return cls(inner, Normaliser(read_words(path) if path.is_file() else ()))

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are."""
        return self._inner.vocabulary_size

    def encode(self, text: str, length: int) -> list[int]:
        """Exactly `length` ids; see `Tokenizer.encode`."""
        return self._inner.encode(self._normaliser(text) if text.strip() else "", length)

    def count(self, text: str) -> int:
        """How many ids the text needs without being cut, the ends included."""
        return self._inner.count(self._normaliser(text) if text.strip() else "")

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids, as normalised."""
        return self._inner.decode(ids)


def read_words(path: Path) -> list[str]:
    """The first word of every line, in order.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no list of words: {error}") from error
    return [line.split()[0] for line in lines if line.strip()]


def _apply(rules: Sequence[Rule], text: str) -> str:
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text
