r"""Prompts as users of Stable Diffusion write them: weights in brackets, and any length.

The dialect is that of AUTOMATIC1111's web interface: `(word)` weighs 1.1 times as much, `[word]`
1.1 times less, `(word:1.3)` as much as it says, brackets multiply, `\(` is a bracket, and `BREAK`
begins a new chunk. A text is read in chunks of 75 tokens between their own ends, each by itself,
and the chunks stand one behind the other; where one is full, what follows its last comma moves on
with it, unless that is too much. Weights multiply the states of their tokens, and a chunk's states
are brought back to the mean they had.

Its prompt editing (`[from:to:when]`) and alternation (`[a|b]`) are not known: they are read as
words in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nonette.core.errors import InputError

BRACKET = 1.1  # what a pair of brackets multiplies or divides a weight by
MAX_WEIGHT = 10.0  # beyond, states say nothing; a limit of ours
NUM_ENDS = 2  # of every chunk
MAX_TAIL = 20  # tokens behind a comma that move on to the next chunk

_PARTS = re.compile(
    r"(?P<escaped>\\[()\[\]\\])|(?P<lone>\\)|(?P<open>[(\[])"
    r"|(?P<weigh>:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\))|(?P<close>[)\]])"
    r"|(?P<words>[^\\()\[\]:]+|:)"
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_OPENING = {")": "(", "]": "["}
_FACTORS = {"(": BRACKET, "[": 1 / BRACKET}


Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Ids (1, L) → states (1, L, D) and one vector (1, E)."""


class Encoder(Protocol):
    """What reading a prompt needs of a tokenizer."""

    def encode(self, text: str, length: int) -> list[int]:
        """Exactly `length` ids: start, words, end, padding; cut where too long."""
        ...

    def words(self, text: str) -> list[int]:
        """The ids of the text alone."""
        ...


class Span(NamedTuple):
    """A stretch of a prompt and its weight; `text` is None for a break."""

    text: str | None
    weight: float


class Chunk(NamedTuple):
    """What is read at once: ids with their ends and padding, and the weight of each."""

    ids: list[int]
    weights: list[float]


def spans(prompt: str) -> list[Span]:
    """The prompt without its brackets, neighbours of one weight joined.

    Raises:
        InputError: A weight is beyond what can be meant.
    """
    texts: list[str | None] = []
    weights: list[float] = []
    open_at: dict[str, list[int]] = {"(": [], "[": []}

    def multiply(start: int, factor: float) -> None:
        for i in range(start, len(weights)):
            weights[i] *= factor

    for part in _PARTS.finditer(prompt):
        kind, text = part.lastgroup, part.group()
        if kind == "open":
            open_at[text].append(len(texts))
        elif part["weigh"] and open_at["("]:
            multiply(open_at["("].pop(), float(part["weight"]))
        elif kind == "close" and open_at[_OPENING[text]]:
            multiply(open_at[_OPENING[text]].pop(), _FACTORS[_OPENING[text]])
        else:
            added = [text[1:]] if text.startswith("\\") else _between_breaks(text)
            texts += added
            weights += [1.0] * len(added)
    for bracket, starts in open_at.items():  # one that is never closed reaches to the end
        for start in starts:
            multiply(start, _FACTORS[bracket])
    return _joined(texts, weights, prompt)


def chunks(
    prompt: str, tokenizer: Encoder, length: int, named: Mapping[str, Sequence[int]]
) -> list[Chunk]:
    """The prompt in chunks of `length` ids, at least one.

    Args:
        prompt: With its brackets.
        tokenizer: Text to ids.
        length: Of what the text encoder reads at once.
        named: The ids of words that textual inversions taught, which no chunk parts.

    Raises:
        InputError: A weight is beyond what can be meant.
    """
    start, end, *padding = tokenizer.encode("", length)
    comma = tokenizer.words(",")[-1]  # ours knows it behind a blank as well
    room = length - NUM_ENDS
    done: list[list[tuple[int, float]]] = []
    row: list[tuple[int, float]] = []
    for text, weight in spans(prompt):
        if text is None:
            done.append(row)
            row = []
            continue
        for group in _groups(text, tokenizer, named):
            if len(row) == room and group != [comma]:
                whole = _whole(row, comma)
                done.append(row[:whole])
                row = row[whole:]
            if len(row) + len(group) > room:
                done.append(row)
                row = []
            row += [(one, weight) for one in group]
    if row or not done:
        done.append(row)
    return [
        Chunk(
            [start, *(one for one, _ in row), end, *padding[: room - len(row)]],
            [1.0, *(weight for _, weight in row)] + [1.0] * (room - len(row) + 1),
        )
        for row in done
    ]


def read(rows: Sequence[Chunk], encode: Encode) -> tuple[Tensor, Tensor]:
    """All chunks one behind the other, weighed.

    Args:
        rows: The chunks, each read by itself.
        encode: Of one chunk.

    Returns:
        States (1, chunks · L, D), and the vector (1, E) of the first chunk.
    """
    told = [encode(torch.tensor([ids])) for ids, _ in rows]
    states = [weighed(one, row.weights) for (one, _), row in zip(told, rows, strict=True)]
    return torch.cat(states, dim=1), told[0][1]


def lengthened(states: Tensor, nothing: Tensor, num_chunks: int) -> Tensor:
    """States (1, L, D) with those of no text behind them, up to so many chunks."""
    missing = num_chunks - states.shape[1] // nothing.shape[1]
    return torch.cat([states, *[nothing] * missing], dim=1)


def _between_breaks(text: str) -> list[str | None]:
    """The text around its breaks, with a None for each of them."""
    first, *others = _BREAK.split(text)
    return [first, *(piece for other in others for piece in (None, other))]


def _groups(
    text: str, tokenizer: Encoder, named: Mapping[str, Sequence[int]]
) -> list[Sequence[int]]:
    """The ids of the text, those of a taught word together."""
    if not named:
        return [[one] for one in tokenizer.words(text)]
    by_letters = {word.lower(): list(ids) for word, ids in named.items()}
    longest_first = sorted(by_letters, key=len, reverse=True)
    taught = re.compile(f"({'|'.join(map(_as_word, longest_first))})", re.IGNORECASE)
    groups: list[Sequence[int]] = []
    for i, piece in enumerate(taught.split(text)):
        is_taught = i % 2 == 1
        groups += (
            [by_letters[piece.lower()]] if is_taught else [[one] for one in tokenizer.words(piece)]
        )
    return groups


def _as_word(word: str) -> str:
    """A pattern that finds the word where it is no part of another."""
    before, after = (r"\b" if letter.isalnum() else "" for letter in (word[0], word[-1]))
    return f"{before}{re.escape(word)}{after}"


def _whole(row: Sequence[tuple[int, float]], comma: int) -> int:
    """How much of a full row is kept: all, or what ends with the last comma not too far back."""
    for kept in range(len(row), max(0, len(row) - MAX_TAIL), -1):
        if row[kept - 1][0] == comma:
            return kept
    return len(row)


def weighed(states: Tensor, weights: Sequence[float]) -> Tensor:
    """States (1, L, D) times the weights of their tokens, with the mean that they had before."""
    if all(weight == 1 for weight in weights):
        return states
    factors = torch.tensor(weights, device=states.device)[:, None]  # (L, 1)
    weighed = states.float() * factors  # (1, L, D)
    mean = weighed.mean()
    if mean != 0:
        weighed = weighed * (states.float().mean() / mean)
    return weighed.to(states)


def _joined(texts: Sequence[str | None], weights: Sequence[float], prompt: str) -> list[Span]:
    joined: list[Span] = []
    for text, weight in zip(texts, weights, strict=True):
        if not -MAX_WEIGHT <= weight <= MAX_WEIGHT:
            limit = f"a weight in it is {weight:g}; it must be -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}"
            raise InputError("prompt", prompt, limit)
        if text is None:
            joined.append(Span(None, 1.0))
        elif joined and joined[-1].text is not None and joined[-1].weight == weight:
            joined[-1] = Span(joined[-1].text + text, weight)
        elif text:
            joined.append(Span(text, weight))
    return joined
