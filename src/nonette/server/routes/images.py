"""`/v1/images`: pictures of a sentence, edits of a picture, variations of one."""

from __future__ import annotations

from typing import Any

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from PIL import Image

from nonette.core.errors import InputError
from nonette.provenance.decode import Intake, NoAlpha, decode, decode_mask
from nonette.server import forms
from nonette.server.errors import ApiError
from nonette.server.forms import Sent
from nonette.server.house import House, Inside
from nonette.server.identity import Asker
from nonette.server.orders import RESPONSES, Order, drawn_by, fulfil, num_patches
from nonette.server.schemas.openai import Edit, Generation, Images, Variation

router = APIRouter(prefix="/v1/images", tags=["OpenAI dialect"])

MOST_IMAGES = 2  # of one edit: two are blended

STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
FILE = {"type": "string", "format": "binary"}
DATA_URL = {"type": "string", "pattern": "^data:image/(png|jpeg|webp);base64,"}


def _body(model: type[Edit | Variation], **files: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI page says of a body with files."""
    schema = model.model_json_schema()
    needed = [*schema.get("required", ()), "image"]
    form = schema | {"properties": schema["properties"] | files, "required": needed}
    urls = dict.fromkeys(files, DATA_URL)
    sent = schema | {"properties": schema["properties"] | urls, "required": needed}
    content = {"multipart/form-data": {"schema": form}, "application/json": {"schema": sent}}
    return {"requestBody": {"required": True, "content": content}}


@router.post("/generations", response_model=Images, responses=RESPONSES | STREAMED)
async def generate(wish: Generation, house: Inside, caller: Asker, request: Request) -> Response:
    """Pictures of a sentence."""
    drawn = await run_sync(lambda: drawn_by(wish, house, task="draw"))
    order = Order(wish=wish, request=drawn, kind="images.generations")
    return await fulfil(order, house, caller, request)


@router.post(
    "/edits",
    response_model=Images,
    responses=RESPONSES | STREAMED,
    openapi_extra=_body(Edit, image=FILE, mask=FILE),
)
async def edit(house: Inside, caller: Asker, request: Request) -> Response:
    """A picture drawn anew where its mask is transparent, or where it is transparent itself.

    Without either the whole picture is drawn anew. Two pictures without a mask are blended.
    """
    sent = await forms.read(request, ("image", "mask"))
    limiter = house.desk.decoders
    order = await run_sync(_edit_order, sent.wish(Edit), sent, house, limiter=limiter)
    return await fulfil(order, house, caller, request)


@router.post(
    "/variations",
    response_model=Images,
    responses=RESPONSES,
    openapi_extra=_body(Variation, image=FILE),
)
async def vary(house: Inside, caller: Asker, request: Request) -> Response:
    """Other pictures like a square one."""
    sent = await forms.read(request, ("image",))
    limiter = house.desk.decoders
    order = await run_sync(_variation_order, sent.wish(Variation), sent, house, limiter=limiter)
    return await fulfil(order, house, caller, request)


def _edit_order(wish: Edit, sent: Sent, house: House) -> Order:
    images, masks = sent.files.get("image", []), sent.files.get("mask", [])
    if not 1 <= len(images) <= MOST_IMAGES or len(masks) > 1:
        raise _missing(images) if not images else _too_many(images, masks)
    if masks and len(images) > 1:
        raise _bad("mask", "A mask belongs to one picture, but two were sent.")
    intakes = [decode(content, "image") for content in images]
    if len(intakes) == MOST_IMAGES:
        fields = {"source": intakes[0].pixels, "second_source": intakes[1].pixels}
        return _order(wish, sent, house, "images.edits", task="blend", **fields)
    source = intakes[0].pixels
    mask = _mask(masks[0], source) if masks else intakes[0].erased
    if wish.size not in (None, "auto"):
        source, mask = _scaled(source, mask, str(wish.size))
    fields = {"source": source} if mask is None else {"source": source, "mask": mask}
    return _order(wish, sent, house, "images.edits", task="edit", **fields)


def _variation_order(wish: Variation, sent: Sent, house: House) -> Order:
    images = sent.files.get("image", [])
    if len(images) != 1:
        raise _missing(images) if not images else _too_many(images, [])
    intake: Intake = decode(images[0], "image")
    height, width = intake.pixels.shape[:2]
    if height != width:
        raise InputError("image", f"{width}x{height}", "variations are of square pictures")
    return _order(wish, sent, house, "images.variations", task="vary", source=intake.pixels)


def _order(wish: Edit | Variation, sent: Sent, house: House, kind: str, **fields: Any) -> Order:
    """The order, with its pictures on disk."""
    drawn = drawn_by(wish, house, **fields)
    pictures = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    sizes = [value.shape[:2] for name, value in pictures.items() if name != "mask"]
    return Order(
        wish=wish,
        request=drawn,
        kind=kind,
        inputs={name: house.uploads.keep(value) for name, value in pictures.items()},
        input_tokens=sum(num_patches(width, height) for height, width in sizes),
        digest=sent.digest,
    )


def _mask(content: bytes, source: np.ndarray) -> np.ndarray:
    """Where the mask is transparent, bool (H, W)."""
    height, width = source.shape[:2]
    try:
        return decode_mask(content, (width, height), needs_alpha=True)
    except NoAlpha as error:
        raise ApiError(
            400,
            str(error),
            code="invalid_mask_image_format",
            param="mask",
            type="image_generation_user_error",
        ) from error


def _scaled(
    source: np.ndarray, mask: np.ndarray | None, size: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """The picture and its mask at the size asked for, which must be of their shape."""
    height, width = source.shape[:2]
    wide, high = (int(side) for side in size.split("x"))
    if (wide, high) == (width, height):
        return source, mask
    if wide * height != high * width:
        limit = f"the picture is {width}x{height}, and edits keep its shape"
        raise InputError("size", size, limit)
    scaled = np.array(Image.fromarray(source).resize((wide, high), Image.Resampling.LANCZOS))
    if mask is not None:
        mask = np.array(Image.fromarray(mask).resize((wide, high), Image.Resampling.NEAREST))
        if not mask.any():
            raise InputError("size", size, "nothing of the mask is left at that size")
    return scaled, mask


def _missing(images: list[bytes]) -> ApiError:
    return _bad("image", "image must be given.", "missing_required_parameter")


def _too_many(images: list[bytes], masks: list[bytes]) -> ApiError:
    if len(masks) > 1:
        return _bad("mask", f"{len(masks)} masks were sent, but a picture has one.")
    return _bad("image", f"{len(images)} pictures were sent, more than can be used here.")


def _bad(param: str, message: str, code: str = "invalid_value") -> ApiError:
    return ApiError(400, message, code=code, param=param)
