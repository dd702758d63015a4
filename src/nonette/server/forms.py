"""Bodies that bring pictures: multipart forms, and JSON with pictures as data URLs.

Addresses of pictures elsewhere are refused: the server fetches nothing for anybody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from nonette.server.errors import ApiError
from nonette.server.schemas.openai import UNSUPPORTED

MAX_FILES = 17  # sixteen images and a mask, as OpenAI's clients may send
MAX_FIELDS = 64
MAX_FIELD_BYTES = 1 << 17
SMALL = 1 << 14  # bytes of JSON that are read sooner than a thread is found for them
DATA_URL = re.compile(r"data:[\w.+/-]*;base64,(?P<content>.*)", re.DOTALL)

Wish = TypeVar("Wish", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What a body brought: values by name, and files by name, both in their order.

    Attributes:
        values: Texts of a form, or JSON values.
        files: Contents of files; `image[]` is `image`.
        is_form: Whether the values are texts.
    """

    values: dict[str, Any]
    files: dict[str, list[bytes]]
    is_form: bool

    @property
    def digest(self) -> str:
        """A hash of the files, to know them again."""
        digest = hashlib.sha256()
        for name, contents in sorted(self.files.items()):
            for content in contents:
                digest.update(f"{name},{len(content)}\n".encode() + content)
        return digest.hexdigest()

    def wish(self, model: type[Wish]) -> Wish:
        """The values as this model.

        Raises:
            RequestValidationError: They are not.
        """
        try:
            if self.is_form:
                given = {name: text for name, text in self.values.items() if text or name in KEPT}
                return model.model_validate_strings(given, strict=False)
            return model.model_validate(self.values)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error


KEPT = ("prompt",)  # texts that are wrong when empty; other empty ones are as good as absent


async def read(request: Request, files: Iterable[str], ids: Iterable[str] = ()) -> Sent:
    """The body of a request.

    Args:
        request: Whose body.
        files: The names of its files.
        ids: Those of them that may be texts instead, which name what is here already; as JSON they
            are nothing else.

    Raises:
        ApiError: 415 where the body is of another kind, 400 where it brings a file where none
            belongs.
        RequestValidationError: It is not JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request, set(files), set(ids))
    if kind == "application/json":
        content, names = await request.body(), set(files) - set(ids)
        if len(content) <= SMALL:
            return _read_json(content, names)
        return await run_sync(_read_json, content, names)
    message = "The body must be multipart/form-data, or JSON with pictures as data URLs."
    raise ApiError(415, message, code="unsupported_media_type")


async def _read_form(request: Request, names: set[str], ids: set[str]) -> Sent:
    values: dict[str, Any] = {}
    files: dict[str, list[bytes]] = {}
    limits = {"max_files": MAX_FILES, "max_fields": MAX_FIELDS, "max_part_size": MAX_FIELD_BYTES}
    async with request.form(**limits) as form:
        for key, value in form.multi_items():
            name = key.removesuffix("[]")
            if (base := name.partition("[")[0]) in UNSUPPORTED:
                raise _unsupported(base)
            is_file = isinstance(value, UploadFile)
            if is_file != (name in names) and (is_file or name not in ids):
                wanted = "a file" if name in names else "text, not a file"
                raise _bad(name, f"{name[:40]} must be {wanted}.")
            if isinstance(value, UploadFile):
                files.setdefault(name, []).append(await value.read())
            elif name in values:
                raise _bad(name, f"{name[:40]} is given twice.")
            else:
                values[name] = value
    return Sent(values=values, files=files, is_form=True)


def _read_json(content: bytes, names: set[str]) -> Sent:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestValidationError([{"type": "json_invalid", "loc": ("body",)}]) from error
    if not isinstance(values, dict):
        raise _bad("body", "The body must be a JSON object.")
    files: dict[str, list[bytes]] = {}
    for name in names:
        for key in (name, f"{name}s"):
            given = values.pop(key, None)
            if given is not None:
                listed = given if isinstance(given, list) else [given]
                files.setdefault(name, []).extend(_from_url(one, name) for one in listed)
    return Sent(values=values, files=files, is_form=False)


def from_text(given: str, name: str) -> bytes:
    """The content of base64, alone or in a data URL.

    Raises:
        ApiError: 400 where it is neither.
    """
    found = DATA_URL.fullmatch(given)
    return _decoded(found["content"] if found else given, name)


def _from_url(given: Any, name: str) -> bytes:
    """The content of a data URL, given as text or as `{"image_url": ...}`."""
    if isinstance(given, dict) and set(given) == {"image_url"}:
        given = given["image_url"]
    found = DATA_URL.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        message = f"{name} must be a data URL of base64; pictures are not fetched from elsewhere."
        raise _bad(name, message, "unsupported_value")
    return _decoded(found["content"], name)


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad(name, f"{name} is not base64 that can be read.") from error


def _bad(name: str, message: str, code: str = "invalid_value") -> ApiError:
    return ApiError(400, message, code=code, param=name[:40])


def _unsupported(name: str) -> ApiError:
    message = f"{name} is not supported: {UNSUPPORTED[name]}."
    return ApiError(400, message, code="unsupported_parameter", param=name)
