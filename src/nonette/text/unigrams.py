"""T5's tokenizer: pieces with scores, and of all ways to cut a sentence the one that scores most.

Kudo (2018), "Subword Regularization", section 3.2, as SentencePiece keeps it: characters are
replaced by a compiled table, runs of blanks become one, every blank and the beginning become "▁",
and Viterbi finds the best cut. A letter that no piece has is the unknown one, and neighbours of the
kind are one id. T5 ends a sentence with `</s>` and starts it with nothing.

`read_model` reads a `spiece.model`, a protocol buffer of which four fields matter here;
`read_table` the `tokenizer.json` that newer libraries write instead. `unigram_tokenizer` makes of
either the contents of a `tokenizer.json` of ours, which `tokenizer` reads back.

Ids are SentencePiece's own, but for letters with two marks or more that no rule knows as a whole:
there the `tokenizers` library leaves the first mark apart.

Pieces that only stand for something (the ends, sentinels) keep their ids, but under a name that no
text can spell: a person who types "</s>" means these four characters.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, processors

from nonette.core.errors import CheckpointError

END, PAD = "</s>", "<pad>"
BLANK = "▁"
NORMAL, UNKNOWN, CONTROL, UNUSED = 1, 2, 3, 5  # types of pieces, sentencepiece_model.proto
UNIGRAM = 1
PIECES, TRAINER, NORMALISER = 1, 2, 3  # fields of the whole
PIECE, SCORE, KIND = 1, 2, 3  # of a piece
MODEL_KIND, BYTE_FALLBACK = 3, 35  # of how it was trained
CHARACTERS, ADDS_BLANK, REMOVES_BLANKS, ESCAPES_BLANKS = 2, 3, 4, 5  # of how text is normalised
VARINT, LONG, BYTES, SHORT = 0, 1, 2, 5  # types of fields on the wire
MAX_VARINT = 10  # bytes


@dataclass(frozen=True)
class Unigrams:
    """A vocabulary, its ids the places in it.

    Attributes:
        pieces: Each with the logarithm of its probability.
        unspoken: Of which pieces no text is made.
        unknown: The id of what no piece spells.
        characters: The compiled table of replacements; b"" for none.
    """

    pieces: tuple[tuple[str, float], ...]
    unspoken: frozenset[str]
    unknown: int
    characters: bytes


def unigram_tokenizer(vocabulary: Unigrams, *, is_small: bool = False) -> bytes:
    """The tokenizer's file.

    Args:
        vocabulary: Of a published model.
        is_small: Whether text becomes small letters first, as DeepFloyd IF does.

    Raises:
        CheckpointError: It lacks the end or the padding, or its table is damaged.
    """
    ids = {piece: i for i, (piece, _) in enumerate(vocabulary.pieces)}
    lacking = [piece for piece in (END, PAD) if piece not in ids]
    if lacking:
        raise CheckpointError(f"the vocabulary lacks {', '.join(lacking)}")
    pieces = [
        (f" {piece}" if piece in vocabulary.unspoken else piece, score)
        for piece, score in vocabulary.pieces
    ]
    steps: list[normalizers.Normalizer] = [normalizers.Lowercase()] if is_small else []
    try:
        inner = tokenizers.Tokenizer(models.Unigram(pieces, vocabulary.unknown, False))
        if vocabulary.characters:
            steps.append(normalizers.Precompiled(vocabulary.characters))
    except Exception as error:  # the library raises bare Exceptions for any misfit
        raise CheckpointError(f"the vocabulary is damaged: {error}") from error
    steps += [
        normalizers.Replace(Regex(rf"\A +|[ {BLANK}]+\z"), ""),
        normalizers.Replace(Regex(" +"), BLANK),
        normalizers.Prepend(BLANK),
    ]
    inner.normalizer = normalizers.Sequence(steps)
    inner.decoder = decoders.Metaspace(replacement=BLANK, prepend_scheme="always")
    inner.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, ids[END])]
    )
    inner.enable_padding(pad_id=ids[PAD], pad_token=PAD)
    return inner.to_str(pretty=False).encode("utf-8")


def read_model(content: bytes, where: str) -> Unigrams:
    """The vocabulary of a `spiece.model`.

    Raises:
        CheckpointError: It is none, or one of another kind.
    """
    try:
        return _read_model(content, where)
    except (ValueError, IndexError, struct.error) as error:
        raise CheckpointError(f"{where} is no SentencePiece model: {error}") from error


def read_table(content: bytes, where: str) -> Unigrams:
    """The vocabulary of a `tokenizer.json` with unigrams in it.

    Raises:
        CheckpointError: It is none, or one of another kind.
    """
    try:
        values = json.loads(content)
        model = values["model"]
        if model.get("type") != "Unigram" or model.get("byte_fallback"):
            raise ValueError("only unigrams without bytes are known")
        pieces = tuple((str(piece), float(score)) for piece, score in model["vocab"])
        rules = values.get("normalizer") or {}
        compiled = [
            one["precompiled_charsmap"]
            for one in (rules, *rules.get("normalizers", ()))
            if one.get("type") == "Precompiled"
        ]
        characters = base64.b64decode(compiled[0]) if compiled else b""
        unknown = int(model["unk_id"])
        unspoken = {str(one["content"]) for one in values.get("added_tokens") or ()}
        unspoken |= {piece for piece, _ in pieces[unknown : unknown + 1]}
        return _checked(Unigrams(pieces, frozenset(unspoken), unknown, characters), where)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{where} is no tokenizer of unigrams: {error}") from error


def _read_model(content: bytes, where: str) -> Unigrams:
    """The four fields that matter; the others tell how it was trained."""
    pieces: list[tuple[str, float, int]] = []
    characters = b""
    for number, value in _fields(content):
        if number == PIECES:
            pieces.append(_piece(dict(_fields(_bytes(value)))))
        elif number == TRAINER:
            fields = dict(_fields(_bytes(value)))
            if fields.get(MODEL_KIND, UNIGRAM) != UNIGRAM or fields.get(BYTE_FALLBACK, 0):
                raise ValueError("only unigrams without bytes are known")
        elif number == NORMALISER:
            fields = dict(_fields(_bytes(value)))
            if not all(fields.get(one, 1) for one in (ADDS_BLANK, REMOVES_BLANKS, ESCAPES_BLANKS)):
                raise ValueError("it treats blanks in another way than T5")
            characters = _bytes(fields.get(CHARACTERS, b""))
    unknown = [i for i, (_, _, kind) in enumerate(pieces) if kind == UNKNOWN]
    vocabulary = Unigrams(
        pieces=tuple((piece, score) for piece, score, _ in pieces),
        unspoken=frozenset(piece for piece, _, kind in pieces if kind != NORMAL),
        unknown=unknown[0] if unknown else -1,
        characters=characters,
    )
    return _checked(vocabulary, where)


def _piece(fields: dict[int, int | bytes]) -> tuple[str, float, int]:
    """A piece, its score and its kind."""
    piece, kind = _bytes(fields.get(PIECE, b"")).decode("utf-8"), fields.get(KIND, NORMAL)
    if not isinstance(kind, int) or kind not in (NORMAL, UNKNOWN, CONTROL, UNUSED):
        raise ValueError(f"{piece!r} is of a kind that T5 has not")
    (score,) = struct.unpack("<f", _bytes(fields.get(SCORE, bytes(4))))
    return piece, score, kind


def _checked(vocabulary: Unigrams, where: str) -> Unigrams:
    """The vocabulary, if it is one."""
    if not 0 <= vocabulary.unknown < len(vocabulary.pieces):
        raise CheckpointError(f"{where}: it has no unknown piece")
    names = [piece for piece, _ in vocabulary.pieces]
    if len(set(names)) != len(names) or not all(names):
        raise CheckpointError(f"{where}: every piece must have a name of its own")
    if not all(-1e9 < score < 1e9 for _, score in vocabulary.pieces):
        raise CheckpointError(f"{where}: a score is no finite number")
    return vocabulary


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The numbers and values of a protocol buffer's fields, in their order.

    Raises:
        ValueError: It ends too early, or is none.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind not in (LONG, BYTES, SHORT):
            raise ValueError(f"field {number} is of wire type {kind}")
        size = 8 if kind == LONG else 4
        if kind == BYTES:
            size, place = _varint(message, place)
        if size > len(message) - place:
            raise ValueError(f"field {number} goes beyond the end")
        yield number, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number at a place, and the place behind it."""
    number = 0
    for i in range(MAX_VARINT):
        byte = message[place + i]
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return number, place + i + 1
    raise ValueError("a number does not end")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where bytes should")
    return value
