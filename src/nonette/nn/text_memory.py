"""What attention to texts needs at every step of a decoder, computed once.

T texts, R rows, H heads, L text tokens, E width of a head
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

TEXT_STEP = 16  # tokens: remembered texts are as many of these long as their words need


@dataclass(frozen=True)
class TextMemory:
    """What the decoder's cross-attention needs of T texts, computed once, for R rows.

    A text is kept up to its own last word, in steps of `TEXT_STEP` tokens, whatever lies beside it.

    Attributes:
        keys: Of each text, ready to multiply, (layers, H, E, L).
        values: Of each text, (layers, H, L, E).
        bias: Of each text, 0 where it has a token, -inf where it is padded; (1, L).
        text_of_row: Which text each row looks at; (R,).
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    bias: tuple[Tensor, ...]
    text_of_row: Tensor

    @cached_property
    def is_asked(self) -> list[Tensor]:
        """Of each text, which rows look at it: (R, 1, 1)."""
        return [(self.text_of_row == text)[:, None, None] for text in range(len(self.bias))]

    def rows(self, index: Tensor) -> TextMemory:
        """The memory of new rows, which look at what the old rows `index` (R,) looked at."""
        used, text_of_row = self.text_of_row[index].unique(return_inverse=True)
        keys, values, bias = (
            tuple(of_texts[text] for text in used.tolist())
            for of_texts in (self.keys, self.values, self.bias)
        )
        return TextMemory(keys, values, bias, text_of_row)

    @staticmethod
    def join(memories: Sequence[TextMemory]) -> TextMemory:
        """The rows and texts of all memories, one after another."""
        first = [sum(len(one.bias) for one in memories[:i]) for i in range(len(memories))]
        rows = [one.text_of_row + start for one, start in zip(memories, first, strict=True)]
        return TextMemory(
            tuple(key for one in memories for key in one.keys),
            tuple(value for one in memories for value in one.values),
            tuple(bias for one in memories for bias in one.bias),
            torch.cat(rows),
        )
