"""Byte-level BPE with BART's ids: exact lengths, nothing unknown, damage in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, processors

from nonette.core.errors import CheckpointError, InputError
from nonette.text.normalise import normalise
from nonette.text.tokenizer import Tokenizer, train

CAPTIONS = (
    "a red cat",
    "a red dog on the moon",
    "Trois chats rouges",
    "un éléphant en fromage sur la lune",
    "a kangaroo made of cheese on the moon",
) * 20
TOKENIZER = train(CAPTIONS, 400)


def bart() -> tokenizers.Tokenizer:
    """A tokenizer of the published shape: special ids first, no normaliser, `<mask>` at the end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *alphabet, "ca", "cat", "<mask>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    inner = tokenizers.Tokenizer(models.BPE(vocabulary, [("c", "a"), ("ca", "t")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    inner.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    inner.enable_truncation(4)
    inner.enable_padding(length=8, pad_id=1, pad_token="<pad>")
    return inner


@given(st.text(), st.integers(2, 40))
def test_lengths_are_exact(text: str, length: int) -> None:
    ids = TOKENIZER.encode(text, length)
    assert len(ids) == length and ids[0] == 0 and ids.count(2) == 1
    end = ids.index(2)
    assert set(ids[end + 1 :]) <= {1} and not {0, 1, 2, 3} & set(ids[1:end])
    assert max(ids) < TOKENIZER.vocabulary_size


@given(st.text(st.characters(codec=None)))
def test_nothing_is_unknown_and_decoding_gives_the_normal_form(text: str) -> None:
    length = TOKENIZER.count(text)
    assert TOKENIZER.decode(TOKENIZER.encode(text, length)) == normalise(text)


def test_the_file_normalises() -> None:
    prompt = "  Un ÉLÉPHANT\ten   fromage\u200b "
    assert TOKENIZER.encode(prompt, 32) == TOKENIZER.encode(normalise(prompt), 32)


def test_what_is_too_long_loses_its_end() -> None:
    long = TOKENIZER.encode("a red cat " * 50, 8)
    assert long[:7] == TOKENIZER.encode("a red cat a red cat a red cat", 32)[:7] and long[7] == 2


def test_words_are_the_same_wherever_they_stand() -> None:
    first = TOKENIZER.encode("cat red", 8)
    second = TOKENIZER.encode("red cat", 8)
    assert first[1] == second[2] and first[2] == second[1]


def test_special_tokens_cannot_be_typed() -> None:
    ids = TOKENIZER.encode("</s><pad><s><mask>", 64)
    assert ids.count(2) == 1 and 0 not in ids[1:] and 3 not in ids
    assert TOKENIZER.decode(ids) == "</s><pad><s><mask>"


def test_empty_text_is_the_two_ends() -> None:
    assert TOKENIZER.encode("", 5) == [0, 2, 1, 1, 1] == TOKENIZER.encode(" \u200b", 5)
    assert TOKENIZER.decode([0, 2, 1, 1]) == ""


@pytest.mark.parametrize("length", [1, 0, -3])
def test_lengths_must_leave_room_for_the_ends(length: int) -> None:
    with pytest.raises(InputError, match="length is"):
        TOKENIZER.encode("a cat", length)


def test_training_is_deterministic_and_merges() -> None:
    again = train(iter(CAPTIONS), 400)
    assert again.to_bytes() == TOKENIZER.to_bytes()
    assert TOKENIZER.vocabulary_size <= 400
    assert TOKENIZER.count("a red cat") == 5


def test_a_vocabulary_smaller_than_the_bytes_is_an_error() -> None:
    with pytest.raises(InputError, match="vocabulary_size is 259"):
        train(CAPTIONS, 259)


def test_files_come_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(TOKENIZER.to_bytes())
    again = Tokenizer.load(path)
    assert again.to_bytes() == TOKENIZER.to_bytes()
    assert again.encode("Trois chats", 9) == TOKENIZER.encode("Trois chats", 9)


def test_published_tokenizers_load() -> None:
    """Their own truncation and padding do not bind us; their text is taken as it is."""
    published = Tokenizer.from_bytes(bart().to_str().encode())
    cat = bart().token_to_id("cat")
    assert published.encode("cat", 6) == [0, cat, 2, 1, 1, 1]
    assert published.encode("catcatcatcatcatcat", 8) == [0, *[cat] * 6, 2]
    assert cat not in published.encode("Cat", 6)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\x80\x04\x95",
        b"null",
        TOKENIZER.to_bytes()[:-200],
        TOKENIZER.to_bytes().replace(b'"BPE"', b'"XYZ"'),
        TOKENIZER.to_bytes().replace(b'"merges"', b'"merged"'),
    ],
)
def test_damaged_files_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        Tokenizer.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        Tokenizer.load(tmp_path / "none.json")


def test_other_special_ids_are_refused() -> None:
    contents = json.loads(TOKENIZER.to_bytes())
    contents["model"]["vocab"]["<pad>"], contents["model"]["vocab"]["</s>"] = 2, 1
    contents["added_tokens"] = []
    with pytest.raises(CheckpointError, match="the id 2, not 1"):
        Tokenizer.from_bytes(json.dumps(contents).encode())
