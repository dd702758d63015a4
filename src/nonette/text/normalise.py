"""Normalising: one spelling for sentences that read the same, whatever keyboard wrote them.

Compatibility forms fold (NFKC), letters become small, typographic quotes and hyphens become plain
ones, control and format characters go, and runs of space become one blank. Accents stay: "pêche" is
not "péché". The rules are a normaliser of the `tokenizers` library, so that a tokenizer's file
carries the very same ones (see `tokenizer`). Normalising twice is normalising once.
"""

from __future__ import annotations

from tokenizers import Regex, normalizers

NORMALISER = normalizers.Sequence(
    [
        normalizers.NFKC(),
        normalizers.Lowercase(),
        normalizers.NFKC(),  # small letters of old scripts can have folds of their own
        normalizers.Replace(Regex(r"[‘’ʼ′´`]"), "'"),
        normalizers.Replace(Regex(r"[“”„«»″]"), '"'),
        normalizers.Replace(Regex(r"[‐‑‒–—―−]"), "-"),
        normalizers.Replace(Regex(r"[\s\p{Z}]+"), " "),
        normalizers.Replace(Regex(r"\p{C}+"), ""),
        normalizers.Replace(Regex(r" {2,}"), " "),  # what stood between two blanks is gone
        normalizers.Strip(),
    ]
)


def normalise(prompt: str) -> str:
    """The sentence in the spelling that networks are trained on.

    Lone surrogates, which no text should hold, are dropped like control characters.
    """
    return NORMALISER.normalize_str(without_surrogates(prompt))


def without_surrogates(text: str) -> str:
    """The text as UTF-8 can write it."""
    return text.encode("utf-8", "ignore").decode("utf-8")
