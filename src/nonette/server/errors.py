"""Answers that say what went wrong, in the one shape that OpenAI's clients read.

`{"error": {"message", "type", "param", "code"}}`, all four always there. Whatever a person can mend
is 4xx and names the field; what nobody foresaw is 500 and says nothing but its request id, under
which the log has the rest. Input that is not understood is 400 in the OpenAI dialect (`/v1`,
`/sdapi`) and 422 elsewhere.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from nonette.core.errors import InputError, NonetteError, shorten
from nonette.provenance.headers import FormatRefused

MAX_RETRY_AFTER = 120  # seconds; clients wait no longer, but give up
DIALECTS = ("/v1/", "/sdapi/")
FULL = (errno.ENOSPC, errno.EDQUOT)

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}

log = structlog.get_logger(__name__)


class ApiError(NonetteError):
    """An answer other than success, as the client will read it.

    Args:
        status: The HTTP status.
        message: One sentence for people: what, why, and what to try next.
        code: A word for programs, such as `model_not_found`.
        param: The field of the request that it is about.
        type: The kind of error; by default the status's own.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = type or TYPES.get(status) or _type_of(status)
        self.headers = dict(headers or {})
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> JSONResponse:
        """The answer itself."""
        return JSONResponse(self.body(), self.status, headers=self.headers)


def not_found(what: str, name: str) -> ApiError:
    """The answer for a thing that is not there, or is another's: nobody learns which."""
    return ApiError(404, f"There is no {what} {shorten(name)}.", code=f"{what}_not_found")


def try_later(message: str, *, seconds: float, code: str, status: int = 429) -> ApiError:
    """The answer of a server that has too much to do; clients come back after `seconds`."""
    wait = max(1, min(MAX_RETRY_AFTER, math.ceil(seconds)))
    return ApiError(status, message, code=code, headers={"Retry-After": str(wait)})


def install(app: FastAPI) -> None:
    """Make every foreseen failure of the app an answer; `middleware.py` has the others."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(InputError, _on_input_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(DBAPIError, _on_database_error)
    app.add_exception_handler(OSError, _on_os_error)


def bad_input(path: str, message: str, param: str | None, code: str = "invalid_value") -> ApiError:
    """The answer to input that is not understood, on the path it came to."""
    status = 400 if path.startswith(DIALECTS) else 422
    return ApiError(status, message, code=code, param=param)


async def _on_api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return _told(request, error)


async def _on_input_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InputError)
    if isinstance(error, FormatRefused):
        refusal = ApiError(415, str(error), code="unsupported_file", param=error.field)
        return _told(request, refusal)
    return _told(request, bad_input(request.url.path, str(error), error.field))


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    field = ".".join(place) or "body"
    is_unread = first["loc"] == ("body",) and isinstance(first.get("input"), bytes)
    if first["type"] == "json_invalid" or is_unread:
        field, code = "body", "invalid_json"
        message = "The body is not JSON that can be read."
    elif first["type"] == "missing":
        message, code = f"{field} must be given.", "missing_required_parameter"
    elif first["type"] == "extra_forbidden":
        message, code = f"{shorten(field)} is not known here.", "unknown_parameter"
    else:
        value = shorten(first.get("input"))
        message, code = f"{field} is {value}, but: {first['msg']}", "invalid_value"
    return _told(request, bad_input(request.url.path, message, field, code))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code < 400:  # not a failure: an answer without a body, such as 204
        return Response(status_code=error.status_code, headers=error.headers)
    message = str(error.detail)
    code = None
    if error.status_code == 404:
        message, code = f"There is nothing at {shorten(request.url.path)}.", "unknown_url"
    elif error.status_code == 405:
        message, code = f"{request.method} is not answered here.", "method_not_allowed"
    elif error.status_code == 400:
        message, code = "The body cannot be read.", "invalid_body"
    found = ApiError(error.status_code, message, code=code, headers=error.headers)
    return _told(request, found)


async def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    """A database that is full, locked or away is a state of the machine that may pass."""
    assert isinstance(error, DBAPIError)
    reason = str(error.orig)
    log.error("database_error", reason=reason)
    if "disk is full" in reason or "No space left" in reason:
        return _told(request, _out_of_space())
    away = try_later(
        "The database cannot be used at the moment; please try again.",
        seconds=5,
        code="database_unavailable",
        status=503,
    )
    return _told(request, away)


async def _on_os_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    log.error("os_error", reason=str(error))
    if error.errno in FULL:
        return _told(request, _out_of_space())
    away = try_later(
        "The disk cannot be used at the moment; please try again.",
        seconds=10,
        code="storage_unavailable",
        status=503,
    )
    return _told(request, away)


def unforeseen(error: Exception, request_id: str) -> ApiError:
    """The answer to what has no handler here; what it was is in the log alone."""
    log.error("unforeseen", error=type(error).__name__, exc_info=error)
    message = f"Something went wrong that nobody foresaw; the log has it as {request_id}."
    return ApiError(500, message, code="internal_error")


def _told(request: Request, error: ApiError) -> JSONResponse:
    """The error as the answer; its code is noted for the log and the metrics."""
    request.state.code = error.code
    return error.response()


def _out_of_space() -> ApiError:
    return ApiError(507, "The server's disk is full; nothing was kept.", code="out_of_space")


def _type_of(status: int) -> str:
    return "invalid_request_error" if status < 500 else "server_error"
