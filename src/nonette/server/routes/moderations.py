"""`/v1/moderations`: what the prompt policy says of texts, in OpenAI's shape; no pictures."""

from __future__ import annotations

import secrets

from fastapi import APIRouter

from nonette.safety import words
from nonette.server.errors import ApiError
from nonette.server.house import Inside
from nonette.server.identity import Asker
from nonette.server.schemas.openai import (
    MAX_INPUT_CHARACTERS,
    MAX_INPUTS,
    ImagePart,
    Moderation,
    ModerationResult,
    ModerationWish,
    TextPart,
)

router = APIRouter(prefix="/v1/moderations", tags=["OpenAI dialect"])


@router.post("", responses={400: {"description": "Nothing to judge, or too much."}})
def moderate(wish: ModerationWish, house: Inside, caller: Asker) -> Moderation:
    """One result a text; parts of one message are judged together, as one result."""
    results = [
        ModerationResult(**words.moderation(house.policy.judge(*texts))) for texts in _texts(wish)
    ]
    name = f"nonette-words-{house.policy.version}"
    return Moderation(id=f"modr-{secrets.token_hex(12)}", model=name, results=results)


def _texts(wish: ModerationWish) -> list[list[str]]:
    """The texts of each result."""
    given = [wish.input] if isinstance(wish.input, str) else wish.input
    if not given:
        raise _bad("input is empty, but at least one text must be given.")
    if len(given) > MAX_INPUTS:
        raise _bad(f"input has {len(given):,} texts, but at most {MAX_INPUTS} are judged at once.")
    if any(isinstance(part, ImagePart) for part in given):
        raise _bad("input has a picture, but only texts are judged.", "unsupported_value")
    texts = [part.text if isinstance(part, TextPart) else str(part) for part in given]
    length = sum(map(len, texts))
    if length > MAX_INPUT_CHARACTERS:
        most = f"{MAX_INPUT_CHARACTERS:,}"
        raise _bad(f"input has {length:,} characters, but at most {most} are judged at once.")
    return [texts] if isinstance(given[0], TextPart) else [[text] for text in texts]


def _bad(message: str, code: str = "invalid_value") -> ApiError:
    return ApiError(400, message, code=code, param="input")
