"""Is the server there, and can it draw?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from nonette.server.house import Inside
from nonette.server.queue import num_workers

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "The database or every worker is away."}})
def readyz(house: Inside) -> JSONResponse:
    """The database can be read, and a worker of each model has reported lately."""
    with house.database.read() as session:
        workers = {
            name: num_workers(session, house.database, name) for name in house.settings.models
        }
    is_ready = all(workers.values())
    answer: dict[str, Any] = {"status": "ready" if is_ready else "waiting", "workers": workers}
    return JSONResponse(answer, 200 if is_ready else 503)
