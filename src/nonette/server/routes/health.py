"""Is the server there, and can it draw?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from nonette.server.house import Inside
from nonette.server.identity import address_of, identify, needs_key, operator
from nonette.server.outlook import num_workers
from nonette.server.settings import is_loopback

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


@router.get("/metrics", response_class=Response)
def metrics(request: Request, house: Inside) -> Response:
    """Numbers for Prometheus; from this machine, or for an operator."""
    if needs_key(request, house) and not is_loopback(address_of(request)):
        operator(identify(request))
    return Response(house.metrics.page(), media_type=CONTENT_TYPE_LATEST)
