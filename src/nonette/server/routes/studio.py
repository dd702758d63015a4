"""The studio's page and its files, which lie in `web/`: read once, served compressed, cached well.

Every file's address holds a hash over all of them, so that browsers keep them for good and modules
of two versions never meet; the page itself is asked for each time and answered 304 where nothing
changed. The page may load nothing from anywhere else, and no script but these files.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from nonette.server.errors import not_found

router = APIRouter(tags=["studio"], include_in_schema=False)

PAGE = "index.html"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
PLAIN = ("early.js", "types.js")  # no module, and one that only tsc reads
UNSERVED = ("jsconfig.json",)
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True)
class File:
    """One file as it is sent."""

    content: bytes
    packed: bytes
    media_type: str


@cache
def files() -> tuple[str, Mapping[str, File]]:
    """The hash of all files, and each by its path below `web/`."""
    found = dict(sorted(_walk(resources.files("nonette") / "web", "")))
    digest = hashlib.sha256()
    for path, content in found.items():
        digest.update(f"{path} {len(content)}\n".encode() + content)
    version = digest.hexdigest()[:16]
    # The browser fetches all modules at once, instead of finding them one in another.
    modules = "\n    ".join(
        f'<link rel="modulepreload" href="studio/{{version}}/{path}">'
        for path in found
        if path.endswith(".js") and path not in PLAIN
    )
    page = found[PAGE].replace(b"<!-- modules -->", modules.encode())
    found[PAGE] = page.replace(b"{version}", version.encode())
    return version, {
        path: File(
            content=content,
            packed=gzip.compress(content, 9, mtime=0),
            media_type=MEDIA_TYPES["." + path.rsplit(".", 1)[1]],
        )
        for path, content in found.items()
    }


@router.get("/")
def page(request: Request) -> Response:
    """The studio."""
    version, known = files()
    tag = f'"{version}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return _answer(request, known[PAGE], headers)


@router.get("/studio/{version}/{path:path}")
def file(request: Request, version: str, path: str) -> Response:
    """One of its files; those of another version are not there any more."""
    current, known = files()
    if version != current or path not in known or path == PAGE:
        raise not_found("file", path)
    return _answer(request, known[path], {"Cache-Control": FOR_EVER})


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    """The files below a folder that browsers are given, by path."""
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        path = prefix + entry.name
        if entry.is_dir():
            found += _walk(entry, path + "/")
        elif path not in UNSERVED and entry.name.endswith(tuple(MEDIA_TYPES)):
            found.append((path, entry.read_bytes()))
    return found


def _answer(request: Request, found: File, headers: Mapping[str, str]) -> Response:
    accepted = request.headers.get("accept-encoding", "")
    own = {"Vary": "Accept-Encoding", **headers}
    if "gzip" in accepted:
        own["Content-Encoding"] = "gzip"
        return Response(found.packed, headers=own, media_type=found.media_type)
    return Response(found.content, headers=own, media_type=found.media_type)
