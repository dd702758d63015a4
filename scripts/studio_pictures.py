"""Takes the pictures in docs/studio: every view at three widths, with the bundled model.

    python scripts/studio_pictures.py --output docs/studio --most-bytes 390000

It serves a new data folder on loopback, draws what the views show, and looks at them in Debian's
Chromium. The pictures are WebP, at the best quality by which all together stay below the limit.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image
from playwright.sync_api import Page, sync_playwright

SIZES = {360: 740, 768: 1000, 1440: 900}  # width and height of a window, in pixels
KEPT = {360: 360, 768: 576, 1440: 960}  # how wide the files are
DARK = {("earlier", 768), ("picture", 360), ("blend", 1440), ("server", 360)}
SENTENCES = (
    "three green apples",
    "a watercolour of an owl in the forest",
    "a blueprint of a bicycle",
    "un bonhomme de neige à la plage",
    "a red fox in the snow",
    "a kangaroo made of cheese on the moon",
)
FOX, KANGAROO = -2, -1


class House:
    """A server with pictures, collections, published ones, reports and people."""

    def __init__(self, folder: Path) -> None:
        words = ("serve", "--port", "0", "--data-dir", str(folder / "data"), "--model", "scenes")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nonette.cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]
        self.client = httpx2.Client(base_url=self.url, timeout=120, trust_env=False)

    def furnish(self) -> None:
        """Draw, collect, publish, report, and let somebody wait."""
        self.jobs = [self.drawn(prompt=one, seed=11 + i) for i, one in enumerate(SENTENCES)]
        best = [job["results"][0]["id"] for job in self.jobs]
        animals = self.post("/api/collections", name="Animals")["id"]
        self.post("/api/collections", name="For the kitchen wall")
        for picture in (best[1], best[FOX], best[KANGAROO]):
            self.client.put(f"/api/collections/{animals}/pictures/{picture}")
            self.client.patch(f"/api/pictures/{picture}", json={"is_favourite": True})
        for job, maker in zip(self.jobs, ("", "Ada", "", "Blaise", "Ada", "Mary"), strict=True):
            for place in (0, 1):
                facts = {"is_published": True, "tells_prompt": place == 0, "maker": maker}
                self.client.patch(f"/api/pictures/{job['results'][place]['id']}", json=facts)
        what = {
            "category": "rights",
            "message": "That is my snowman.",
            "contact": "eve@example.org",
        }
        self.post(f"/api/gallery/{best[3]}/report", **what)
        self.post("/api/waitlist", name="Mary", email="mary@example.org")
        self.post("/api/admin/accounts", name="Ada Lovelace", email="ada@example.org")

    def post(self, path: str, **body: Any) -> Any:
        """What the server answers."""
        answer = self.client.post(path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def drawn(self, **wish: Any) -> Any:
        """A job once it has ended."""
        job = self.post("/api/jobs", **wish)
        while job["state"] in ("waiting", "running"):
            time.sleep(0.2)
            job = self.client.get(f"/api/jobs/{job['id']}").json()
        assert job["state"] == "done", job
        return job

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()


def draw(page: Page, house: House) -> None:
    """Nine pictures beside their sentence."""
    page.goto(f"{house.url}/?job={house.jobs[KANGAROO]['id']}")
    page.locator(".grid button.tile img").nth(8).wait_for()


def picture(page: Page, house: House) -> None:
    """One of them, large."""
    draw(page, house)
    page.locator(".grid button.tile").first.click()


def edit(page: Page, house: House) -> None:
    """A fox half painted over, from near, with a sentence."""
    best = house.jobs[FOX]["results"][0]["id"]
    page.goto(f"{house.url}/?view=edit&picture={best}")
    page.locator(".board canvas").wait_for(state="attached")
    page.locator(".board").scroll_into_view_if_needed()
    box = page.locator(".board").bounding_box()
    assert box is not None
    places = ((0.3, 0.35), (0.45, 0.5), (0.62, 0.42), (0.5, 0.6), (0.66, 0.62))
    across = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*across[0])
    page.mouse.down()
    for place in across[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()
    page.fill("#edit-sentence", "a blue fox in the snow")
    page.evaluate("scrollTo(0, 0)")


def extend(page: Page, house: House) -> None:
    """Candidates of what is beyond a picture's side."""
    edit(page, house)
    page.locator(".modes").get_by_role("button", name="Extend").click()
    page.get_by_role("button", name="On the right").click()
    page.fill("#edit-sentence", "a red fox in the snow")
    page.get_by_role("button", name="Run", exact=True).last.click()
    page.locator(".candidates .tile").nth(4).wait_for()
    page.evaluate("scrollTo(0, 0)")


def blend(page: Page, house: House) -> None:
    """What lies between a fox and a kangaroo."""
    first, second = (house.jobs[one]["results"][0]["id"] for one in (FOX, 0))
    job = house.drawn(
        task="blend", source=first, second_source=second, mix=0.5, prompt="a green fox", seed=3
    )
    page.goto(f"{house.url}/?job={job['id']}")
    page.locator(".grid button.tile img").nth(8).wait_for()
    page.locator(".pair img").nth(1).wait_for()


def earlier(page: Page, house: House) -> None:
    """All that was drawn."""
    page.goto(f"{house.url}/?view=history")
    page.locator("nonette-history .strip img").nth(20).wait_for()


def collect(page: Page, house: House) -> None:
    """Several of them on their way into a collection."""
    earlier(page, house)
    history = page.locator("nonette-history")
    history.get_by_role("button", name="Choose several").click()
    for place in (0, 2, 10):
        history.locator(".strip button").nth(place).click()
    history.locator(".bar").get_by_role("button", name="Collections").click()
    page.locator("dialog[open]").wait_for()


def gallery(page: Page, house: House) -> None:
    """What people publish."""
    page.goto(f"{house.url}/?view=gallery")
    page.locator("nonette-gallery .cards img").nth(3).wait_for()


def publish(page: Page, house: House) -> None:
    """A picture that is about to be published."""
    picture(page, house)
    page.locator("nonette-viewer").get_by_role("button", name=re.compile("Publish")).click()
    page.locator("nonette-publish dialog[open]").wait_for()


def report(page: Page, house: House) -> None:
    """A picture that is about to be reported."""
    gallery(page, house)
    page.locator("nonette-gallery .cards li").first.locator(".row button").last.click()
    page.locator("dialog[open]").wait_for()


def server(page: Page, house: House) -> None:
    """What an operator sees."""
    page.goto(f"{house.url}/?view=operator")
    page.locator("nonette-operator .plain-table .stamp").first.wait_for()


VIEWS = (draw, picture, edit, extend, blend, earlier, gallery, server)
DIALOGS = (collect, publish, report)  # which are as wide on a desk as on a phone


def looks(house: House, only: str) -> dict[str, Image.Image]:
    """Every view at every width, by the file's name."""
    taken = {}
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for width, height in SIZES.items():
            for view in (*VIEWS, *DIALOGS) if width == min(SIZES) else VIEWS:
                name = f"{view.__name__}-{width}"
                if only not in name:
                    continue
                theme = "dark" if (view.__name__, width) in DARK else "light"
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    locale="en-GB",
                    color_scheme=theme,
                    reduced_motion="reduce",
                )
                page = context.new_page()
                page.set_default_timeout(120_000)
                view(page, house)
                page.wait_for_load_state("networkidle")
                page.wait_for_timeout(400)
                image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                small = KEPT[width], round(height * KEPT[width] / width)
                taken[name] = image.resize(small, Image.Resampling.LANCZOS)
                context.close()
        browser.close()
    return taken


def packed(taken: dict[str, Image.Image], most: int) -> dict[str, bytes]:
    """The pictures as WebP files, which have at most so many bytes in all."""
    for quality in range(80, 9, -4):
        files = {}
        for name, image in taken.items():
            content = io.BytesIO()
            image.save(content, "WEBP", quality=quality, method=6)
            files[name] = content.getvalue()
        if sum(map(len, files.values())) <= most:
            return files
    raise SystemExit(f"{len(taken)} pictures do not fit into {most} bytes")


def main(argv: list[str] | None = None) -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the folder they go to")
    parser.add_argument("--most-bytes", type=int, required=True, help="of all of them")
    parser.add_argument("--only", default="", help="those with this in their name")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        with contextlib.closing(house.client):
            try:
                house.furnish()
                taken = looks(house, options.only)
            finally:
                house.end()
    options.output.mkdir(parents=True, exist_ok=True)
    for name, content in packed(taken, options.most_bytes).items():
        (options.output / f"{name}.webp").write_bytes(content)


if __name__ == "__main__":
    main()
