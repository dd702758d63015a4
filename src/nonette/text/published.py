"""Published vocabularies as tokenizers: CLIP's and BART's byte-level BPE, T5's unigrams.

Each becomes the contents of a `tokenizer.json` of the `tokenizers` library with everything in it
that turning text into ids takes, the ends and the padding included; `tokenizer` reads it back.
It does not read folders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

from nonette.core.errors import CheckpointError

CLIP_START, CLIP_END = "<|startoftext|>", "<|endoftext|>"
CLIP_VOCABULARY_SIZE = 49_408
# What CLIP takes as one piece before merging: endings, words, single digits, runs of signs.
CLIP_PIECES = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)

Merges = Sequence[tuple[str, str]]


def clip_tokenizer(vocabulary: Mapping[str, int], merges: Merges, pad: str | int) -> bytes:
    """CLIP's tokenizer: small letters, BPE with word ends, between its start and its end.

    Args:
        vocabulary: Ids by piece.
        merges: In their order.
        pad: The piece or id that fills up: the end token in transformers' copies of OpenAI's
            weights and in Stable Diffusion 1, "!" or 0 in OpenAI's own code and in OpenCLIP.

    Raises:
        CheckpointError: The vocabulary lacks a piece that the tokenizer needs.
    """
    inner = tokenizers.Tokenizer(
        _bpe(vocabulary, merges, end_of_word_suffix="</w>", unk_token=CLIP_END)
    )
    inner.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    inner.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace("</w>", " ")])
    return _framed(inner, vocabulary, CLIP_START, CLIP_END, pad)


def bart_tokenizer(vocabulary: Mapping[str, int], merges: Merges) -> bytes:
    """BART's tokenizer, which DALL·E mini uses: bytes, case and blanks kept, `<s>` … `</s>`.

    Raises:
        CheckpointError: The vocabulary lacks a piece that the tokenizer needs.
    """
    inner = tokenizers.Tokenizer(_bpe(vocabulary, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return _framed(inner, vocabulary, "<s>", "</s>", "<pad>")


def read_vocabulary(content: bytes, where: str) -> dict[str, int]:
    """The ids of a `vocab.json`.

    Raises:
        CheckpointError: It is none.
    """
    try:
        ids = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where} is no vocabulary: {error}") from error
    is_sound = isinstance(ids, dict) and all(type(one) is int and one >= 0 for one in ids.values())
    if not is_sound or len(set(ids.values())) != len(ids):
        raise CheckpointError(
            f"{where} is no vocabulary: it must give every piece an id of its own"
        )
    return dict(ids)


def read_merges(content: bytes, where: str) -> list[tuple[str, str]]:
    """The pairs of a `merges.txt`, whose first line may name a version.

    Raises:
        CheckpointError: It is none.
    """
    lines = _text(content, where).split("\n")
    lines = lines[1:] if lines[0].startswith("#version") else lines
    pairs = [tuple(line.split(" ")) for line in (one.rstrip("\r") for one in lines) if line]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise CheckpointError(f"{where} holds lines that are no two pieces to merge")
    return pairs  # type: ignore[return-value]


def openai_vocabulary(content: bytes, where: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of OpenAI's `bpe_simple_vocab_16e6.txt`, which lists merges alone.

    Raises:
        CheckpointError: It is none.
    """
    num_merges = CLIP_VOCABULARY_SIZE - 2 * 256 - 2
    pairs = read_merges(_text(content, where).split("\n", 1)[-1].encode(), where)[:num_merges]
    if len(pairs) < num_merges:
        raise CheckpointError(f"{where} holds {len(pairs):,} merges, but CLIP has {num_merges:,}")
    letters = byte_letters()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(one) for one in pairs)]
    pieces += [CLIP_START, CLIP_END]
    return {piece: i for i, piece in enumerate(pieces)}, pairs


def byte_letters() -> list[str]:
    """The letter that stands for each byte in byte-level BPE, in the order of OpenAI's ids.

    Printable bytes are their own letters and come first, the others follow from U+0100 on.
    """
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in own] + [chr(0x100 + i) for i in range(256 - len(own))]


def _bpe(vocabulary: Mapping[str, int], merges: Merges, **settings: Any) -> models.BPE:
    try:
        return models.BPE(dict(vocabulary), list(merges), **settings)
    except Exception as error:  # the library raises bare Exceptions for any misfit
        raise CheckpointError(f"vocabulary and merges do not fit: {error}") from error


def _framed(
    inner: tokenizers.Tokenizer,
    vocabulary: Mapping[str, int],
    start: str,
    end: str,
    pad: str | int,
) -> bytes:
    """The tokenizer's file, with its ends and its padding."""
    ids = dict(vocabulary)
    by_id = {one: piece for piece, one in ids.items()}
    filler = by_id.get(pad) if isinstance(pad, int) else pad
    lacking = [str(piece) for piece in (start, end, filler) if piece not in ids]
    if lacking or filler is None:
        raise CheckpointError(f"the vocabulary lacks {', '.join(lacking) or pad}")
    special = [piece for piece in ids if re.fullmatch(r"<[a-z|]+>", piece)]
    inner.add_special_tokens(special)
    inner.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, ids[start]), (end, ids[end])]
    )
    inner.enable_padding(pad_id=ids[filler], pad_token=filler)
    return inner.to_str(pretty=False).encode("utf-8")


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8")
    except ValueError as error:
        raise CheckpointError(f"{where} is not UTF-8: {error}") from error
