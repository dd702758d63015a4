"""`/v1/safety/cases`: what a revoked key's refusal names, in the shape that `openai` reads."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from nonette.server.errors import not_found
from nonette.server.house import Inside
from nonette.server.identity import Asker

router = APIRouter(prefix="/v1/safety/cases", tags=["OpenAI dialect"])


class Notice(BaseModel):
    """What was done."""

    type: Literal["warning", "deactivation"] = "deactivation"


class Case(BaseModel):
    """Why somebody is refused; `entity_identifier` is the key's prefix, which is no secret."""

    id: str
    object: Literal["safety.case"] = "safety.case"
    created_at: int
    entity_identifier: str
    notice: Notice
    reason: str | None = None


@router.get("/{case_id}", responses={404: {"description": "There is no such case of yours."}})
def show_case(case_id: str, house: Inside, caller: Asker) -> Case:
    """A case of one of the caller's own keys; an operator sees every case."""
    key = house.accounts.revoked_in(case_id)
    if key is None or not (caller.is_operator or caller.account == key.account_id):
        raise not_found("case", case_id)
    assert key.revoked_at is not None
    return Case(
        id=case_id,
        created_at=int(key.revoked_at),
        entity_identifier=key.prefix,
        notice=Notice(),
        reason="The key was revoked.",
    )
