"""`/v1/models`: what can be asked for, by its own name or by an alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from nonette.server.house import House, Inside
from nonette.server.identity import Asker
from nonette.server.schemas.openai import ModelAnswer, ModelList

router = APIRouter(prefix="/v1/models", tags=["OpenAI dialect"])


@router.get("")
def list_models(house: Inside, caller: Asker) -> ModelList:
    """Every model and every alias of one, the default first."""
    known = house.queue.models()
    names = {name: name for name in known} | house.settings.model_aliases
    return ModelList(
        data=[_answer(name, root, known) for name, root in names.items() if root in known]
    )


@router.get("/{model:path}")
def show_model(model: str, house: Inside, caller: Asker) -> ModelAnswer:
    """One model or alias."""
    return _answer(model, _root(house, model), house.queue.models())


def _root(house: House, model: str) -> str:
    return house.queue.model_name(model or "-")  # "" would be the default


def _answer(name: str, root: str, known: Mapping[str, Mapping[str, Any] | None]) -> ModelAnswer:
    facts = known[root]
    return ModelAnswer(id=name, root=root, capabilities=None if facts is None else dict(facts))
