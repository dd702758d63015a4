"""The OpenAPI document: what routes say of themselves, and the failures that every one can have.

Failures have one shape (`schemas.openai.Error`) and come from the frame, the guard or the queue, so
they are written here once. What a route says of a status of its own stays.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from nonette.server.errors import DIALECTS
from nonette.server.schemas.openai import Error, ErrorBody

ALWAYS = {
    401: "The key is missing or unknown.",
    403: "The key was revoked, or the name or page it came by is not let in.",
    404: "There is no such thing, or it is another's.",
    405: "This method is not answered here.",
    429: "Too much at once; `Retry-After` says when to come back.",
    500: "Something that nobody foresaw; the log has it under `x-request-id`.",
    503: "The database or the disk is away, or the server restarts.",
    507: "The disk is full.",
}
WITH_BODY = {
    400: "The body cannot be read.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body is of a kind that is not taken.",
}
CONTRADICTS = "It contradicts what is there."
WRONG = "A value is wrong; the error names it."
METHODS = ("get", "post", "put", "patch", "delete")
REFERENCE = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
OPEN = ("/healthz", "/readyz", "/metrics")  # of machines; nothing in them can be refused


def describe(app: FastAPI) -> None:
    """Let the app's OpenAPI document tell every failure; the document is made when first asked."""
    plain = app.openapi

    def told() -> dict[str, Any]:
        if app.openapi_schema is None:
            _tell(plain())
        return plain()

    app.openapi = told  # type: ignore[method-assign]


def _tell(document: dict[str, Any]) -> None:
    """Put the failures into a document, which `app.openapi` keeps."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (Error, ErrorBody):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations and path not in OPEN:
                _tell_of(operations[method], method, path)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def _tell_of(operation: dict[str, Any], method: str, path: str) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    failures = dict(ALWAYS)
    if "requestBody" in operation:
        failures |= WITH_BODY
    if method != "get":
        failures[409] = CONTRADICTS
    failures[400 if f"{path}/".startswith(DIALECTS) else 422] = WRONG
    for status, description in failures.items():
        responses.setdefault(str(status), {"description": description})
    for status, told in responses.items():
        if int(status) >= 400:
            told["content"] = REFERENCE
    operation["responses"] = dict(sorted(responses.items()))
