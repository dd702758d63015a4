"""Tokenizing: sentences to ids and back, with a byte-level BPE as BART's.

The file is the `tokenizers` library's own `tokenizer.json`: published ones load as they are, with
the ends and the padding that they state. One trained here carries our normaliser in it, and puts a
blank before the first word, so that "cat" is the same token wherever it stands. Bytes are the
alphabet: nothing is unknown. The ids of its special tokens are BART's, which also hold where a file
states no others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from nonette.core.errors import CheckpointError, InputError
from nonette.text.normalise import NORMALISER, without_surrogates

START, PAD, END, UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"
SPECIAL_TOKENS = (START, PAD, END, UNKNOWN)
START_ID, PAD_ID, END_ID = 0, 1, 2
NUM_BYTES = 256


class Tokenizer:
    """Text to ids and back.

    Args:
        inner: A tokenizer of the `tokenizers` library that states its ends and its padding, or has
            BART's special tokens at BART's ids.

    Raises:
        CheckpointError: It does neither.
    """

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._start_ids, self._end_ids, self._pad_id = _ends(inner)
        inner.no_padding()
        inner.no_truncation()
        inner.encode_special_tokens = True  # a person who types "</s>" means these four characters
        self._inner = inner

    @classmethod
    def load(cls, path: Path | str) -> Tokenizer:
        """Read a `tokenizer.json`.

        Raises:
            CheckpointError: The file cannot be read, or is no tokenizer with BART's special tokens.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
        return cls.from_bytes(data, str(path))

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "tokenizer.json") -> Tokenizer:
        """The tokenizer that `to_bytes` wrote; `where` names it in errors."""
        try:
            inner = tokenizers.Tokenizer.from_str(data.decode("utf-8"))
        except Exception as error:  # the library raises bare Exceptions for any damage
            raise CheckpointError(f"{where} is no tokenizer: {error}") from error
        return cls(inner)

    def to_bytes(self) -> bytes:
        """The whole tokenizer as the contents of a `tokenizer.json`."""
        return self._inner.to_str(pretty=False).encode("utf-8")

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are; every id is below it."""
        return int(self._inner.get_vocab_size())

    def encode(self, text: str, length: int) -> list[int]:
        """Exactly `length` ids: start, the text's, end, padding; what is too long loses its end.

        Args:
            text: Any text; the tokenizers trained here normalise it themselves.
            length: How many ids, at least 2.

        Raises:
            InputError: The length leaves no room for the two ends.
        """
        room = length - len(self._start_ids) - len(self._end_ids)
        if room < 0:
            raise InputError("length", length, f"it must be at least {length - room}, for the ends")
        ids = [*self._start_ids, *self.words(text)[:room], *self._end_ids]
        return ids + [self._pad_id] * (length - len(ids))

    def count(self, text: str) -> int:
        """How many ids the text needs without being cut, the ends included."""
        return len(self._start_ids) + len(self.words(text)) + len(self._end_ids)

    def words(self, text: str) -> list[int]:
        """The ids of the text alone, without ends, as many as it takes."""
        ids: list[int] = self._inner.encode(without_surrogates(text), add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids, as normalised, up to the first end and without special tokens."""
        ids = list(ids)
        if self._end_ids and self._end_ids[0] in ids:
            ids = ids[: ids.index(self._end_ids[0])]
        return self._inner.decode(ids, skip_special_tokens=True).strip()


def _ends(inner: tokenizers.Tokenizer) -> tuple[list[int], list[int], int]:
    """The ids before a text, those behind it, and the one that fills up.

    Raises:
        CheckpointError: The tokenizer states none, and its special tokens are not BART's.
    """
    processor = json.loads(inner.to_str()).get("post_processor") or {}
    if inner.padding is not None and processor.get("type") == "TemplateProcessing":
        ids_of = {token: one["ids"] for token, one in processor["special_tokens"].items()}
        around: list[list[int]] = [[], []]
        is_behind = False
        for piece in processor["single"]:
            if "Sequence" in piece:
                is_behind = True
            else:
                around[is_behind] += ids_of[piece["SpecialToken"]["id"]]
        return around[0], around[1], int(inner.padding["pad_id"])
    for wanted, token in enumerate(SPECIAL_TOKENS[:3]):
        if inner.token_to_id(token) != wanted:
            raise CheckpointError(
                f"the tokenizer gives {token} the id {inner.token_to_id(token)}, not {wanted}"
            )
    return [START_ID], [END_ID], PAD_ID


def train(captions: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """A byte-level BPE of the captions; the same captions give the same tokenizer.

    Args:
        captions: What to learn from, as people write it.
        vocabulary_size: Most ids in all, at least 260 (256 bytes and the special tokens); there are
            fewer where the captions hold no more pieces to merge.

    Raises:
        InputError: The vocabulary is too small for the bytes.
    """
    least = NUM_BYTES + len(SPECIAL_TOKENS)
    if vocabulary_size < least:
        raise InputError("vocabulary_size", vocabulary_size, f"it must be at least {least}")
    inner = tokenizers.Tokenizer(models.BPE())
    inner.normalizer = NORMALISER
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(captions, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, START_ID), (END, END_ID)]
    )
    return Tokenizer(inner)
