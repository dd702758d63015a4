"""Train a small vocabulary of T5's form, and write down how SentencePiece itself reads with it.

    pip install sentencepiece
    python scripts/build_unigrams.py            into tests/manifests/originals

tests/unit/text/test_unigrams.py holds our reading against the ids in this file, gzipped JSON:
{"source": …, "model": the file in base64, "cases": [[text, ids], …]}. The sentences, the rules for
characters and the lot are ours; only the trainer is theirs.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import sys
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "tests" / "vocabularies" / "unigrams.json.gz"
TEXTS = ("README.md", "docs/log.md", "docs/decisions/0001-the-house.md")
BLANKS = "\t\n\r\u00a0\u2003\u3000"
NOTHING = "\u00ad\u200b\ufeff"
ALPHABETS = (
    [chr(i) for i in range(32, 127)],
    [*"aeiouncAEO", *(letter + chr(mark) for letter in "aeunAE" for mark in range(0x300, 0x310))],
    [*BLANKS, *NOTHING, " ", "a", "red", "cat", "▁", "ﬁ", "½", "\uff21", "\uff5e"],
    ["</s>", "<unk>", "<pad>", "<extra_id_0>", "a", " ", "日本", "語", "🐈", "\u1100\u1161"],
)


def rules() -> str:
    """Which characters become which, in the trainer's form; all of them follow from Unicode."""
    table = dict.fromkeys(BLANKS, " ") | dict.fromkeys(NOTHING, "")
    for code in (*range(0xA0, 0x180), *range(0xFB00, 0xFB05), *range(0xFF01, 0xFF5E)):
        whole = chr(code)
        apart = unicodedata.normalize("NFD", whole)
        if len(apart) > 1:
            table[apart] = whole
        folded = unicodedata.normalize("NFKC", whole)
        if folded != whole and whole not in table:
            table[whole] = folded
    return "".join(f"{hexed(before)}\t{hexed(after)}\n" for before, after in sorted(table.items()))


def hexed(text: str) -> str:
    """The numbers of the letters, as the trainer wants them."""
    return " ".join(f"{ord(letter):X}" for letter in text)


def main(arguments: Sequence[str]) -> int:
    """Train, read, write."""
    import sentencepiece

    lines = [
        line
        for name in TEXTS
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as file:
        file.write(rules())
        file.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=500,
            model_type="unigram",
            character_coverage=0.999,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            num_threads=1,
            normalization_rule_tsv=file.name,
        )
    reader = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    lot = random.Random(0)
    texts = [*lines[:60], "", " ", "a red cat", "A  red\tcat ", "3½ pêches, naïve cafe\u0301"]
    for alphabet in ALPHABETS:
        for _ in range(150):
            texts.append("".join(lot.choices(alphabet, k=lot.randrange(12))))
    found = {
        "source": f"sentencepiece {sentencepiece.__version__}, trained on this repository's text",
        "model": base64.b64encode(model.getvalue()).decode(),
        "cases": [[text, reader.encode(text)] for text in texts],
    }
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes, {len(texts)} texts")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
