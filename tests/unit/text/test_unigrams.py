"""T5's unigrams: SentencePiece's own ids, the libraries', a plain search's; damage in one line."""

from __future__ import annotations

import math

import pytest
import tokenizers
import transformers
from hypothesis import example, given
from hypothesis import strategies as st

import foreign_files
from nonette.core.errors import CheckpointError
from nonette.text import unigrams
from nonette.text.tokenizer import Tokenizer

TRAINED = foreign_files.trained_unigrams()
MODEL = foreign_files.unigram_model()
VOCABULARY = unigrams.read_model(MODEL, "spiece.model")
FILE = unigrams.unigram_tokenizer(VOCABULARY)
OURS = Tokenizer.from_bytes(FILE)
UNKNOWN_PENALTY = 10.0  # below the rarest piece, as SentencePiece has it


def ids(text: str) -> list[int]:
    return OURS.encode(text, OURS.count(text))


def test_sentencepiece_reads_the_same() -> None:
    wanted = [[*theirs, 1] for _, theirs in TRAINED["cases"]]
    assert [ids(text) for text, _ in TRAINED["cases"]] == wanted
    assert len(wanted) > 600 and any(2 in one for one in wanted)


LIBRARY = transformers.T5Tokenizer(
    vocab=[*VOCABULARY.pieces], _spm_precompiled_charsmap=VOCABULARY.characters, extra_ids=0
)


@given(st.text(st.characters(exclude_characters="▁<", exclude_categories=["Cs"])))
@example("3½ ﬁne pêches\u00a0and cafe\u0301")
def test_the_library_reads_the_same(text: str) -> None:
    spaced = OURS._inner.normalizer.normalize_str(text)
    if not set(spaced) & set("\t\n\x0b\x0c\r\x85\u1680\u2028\u2029"):  # blanks to the library alone
        assert ids(text) == LIBRARY(text).input_ids


@given(st.text("acdert ▁x</s>語", max_size=12))
def test_the_best_cut_is_found(text: str) -> None:
    """Against a search that tries every cut of the normalised text."""
    words = OURS._inner.normalizer.normalize_str(text)
    assert " " not in words
    known = {one: score for one, score in VOCABULARY.pieces if one not in VOCABULARY.unspoken}
    rarest = min(known.values()) - UNKNOWN_PENALTY
    best = [0.0]
    for end in range(1, len(words) + 1):
        best.append(
            max(
                best[start] + known.get(words[start:end], rarest if end == start + 1 else -math.inf)
                for start in range(end)
            )
        )
    pieces = dict(enumerate(VOCABULARY.pieces))
    found = [known[pieces[one][0]] for one in ids(text)[:-1] if one != VOCABULARY.unknown]
    unknown = sum(letter not in known for letter in words)
    assert math.isclose(sum(found) + rarest * unknown, best[-1], abs_tol=1e-4)


def test_ends_and_padding() -> None:
    assert OURS.encode("a", 5) == [*ids("a"), 0, 0, 0][:5]
    assert OURS.encode("a red cat " * 20, 8)[-1] == 1
    assert OURS.encode("", 3) == [1, 0, 0]
    assert OURS.decode(OURS.encode("a red cat", 16)) == "a red cat"


def test_a_person_who_types_an_end_means_its_letters() -> None:
    assert not {0, 1} & set(ids("</s> <pad>")[:-1])


def test_small_letters_where_wanted() -> None:
    small = Tokenizer.from_bytes(unigrams.unigram_tokenizer(VOCABULARY, is_small=True))
    assert small.encode("A RED Cat", 12) == OURS.encode("a red cat", 12)
    assert ids("A RED Cat") != ids("a red cat")


def test_a_table_of_the_library_is_the_same_vocabulary() -> None:
    table = LIBRARY.backend_tokenizer.to_str().encode()
    read = unigrams.read_table(table, "tokenizer.json")
    again = Tokenizer.from_bytes(unigrams.unigram_tokenizer(read))
    for text, _ in TRAINED["cases"]:
        assert again.encode(text, 64) == OURS.encode(text, 64), text


def varint(number: int) -> bytes:
    small, more = number & 0x7F, number >> 7
    return bytes([small | 0x80]) + varint(more) if more else bytes([small])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


BAD = {
    "cut": (MODEL[:-9], "beyond the end"),
    "empty": (b"", "no unknown piece"),
    "text": (b"a red cat", "no SentencePiece model"),
    "endless number": (b"\xff" * 20, "does not end"),
    "a group": (b"\x0b", "wire type 3"),
    "a number for a piece": (b"\x08\x01", "should"),
    "bytes": (MODEL + field(2, varint(35 << 3) + b"\x01"), "without bytes"),
    "BPE": (MODEL + field(2, varint(3 << 3) + b"\x02"), "only unigrams"),
    "other blanks": (MODEL + field(3, varint(3 << 3) + b"\x00"), "blanks"),
    "a piece twice": (MODEL + field(1, field(1, "▁".encode()) * 1), "name of its own"),
    "a user's piece": (MODEL + field(1, field(1, b"zz") + varint(3 << 3) + b"\x04"), "T5 has not"),
    "not UTF-8": (MODEL + field(1, field(1, b"\xff")), "utf-8"),
    "an endless score": (MODEL + field(1, field(1, b"zz") + b"\x15\x00\x00\x80\x7f"), "finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_damage_is_told(name: str) -> None:
    content, message = BAD[name]
    with pytest.raises(CheckpointError, match=message) as caught:
        unigrams.read_model(content, "spiece.model")
    assert str(caught.value).startswith("spiece.model") and "\n" not in str(caught.value)


@given(st.binary(max_size=60), st.integers(0, len(MODEL) - 1))
def test_any_damage_is_told_or_harmless(noise: bytes, place: int) -> None:
    damaged = MODEL[:place] + noise + MODEL[place + len(noise) :]
    try:
        Tokenizer.from_bytes(
            unigrams.unigram_tokenizer(unigrams.read_model(damaged, "spiece.model"))
        ).encode("a red cat", 9)
    except CheckpointError:
        pass


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'{"model": {"type": "BPE"}}',
        b'{"model": {"type": "Unigram", "vocab": [["a"]], "unk_id": 0}}',
        b'{"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}}',
        b"[" * 100_000,
    ],
)
def test_a_table_of_another_kind_is_told(content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"^tokenizer\.json"):
        unigrams.read_table(content, "tokenizer.json")


def test_a_vocabulary_without_an_end_is_told() -> None:
    few = unigrams.Unigrams((("<unk>", 0.0), ("a", -1.0)), frozenset(), 0, b"")
    with pytest.raises(CheckpointError, match="lacks </s>, <pad>"):
        unigrams.unigram_tokenizer(few)


def test_a_damaged_table_of_characters_is_told() -> None:
    odd = unigrams.Unigrams(VOCABULARY.pieces, VOCABULARY.unspoken, 2, b"\xff\xff\xff\xff\xff")
    with pytest.raises(CheckpointError, match="damaged"):
        unigrams.unigram_tokenizer(odd)


def test_the_file_is_the_tokenizers_librarys() -> None:
    inner = tokenizers.Tokenizer.from_str(FILE.decode())
    assert inner.encode("a red cat").ids == ids("a red cat")
