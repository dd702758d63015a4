"""A picture that comes onto the page: Nonette's recalls its settings, others are edited."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from nonette.provenance import encode

from .test_look import drop

HEAR = """() => document.addEventListener("nonette-source", ({ detail }) => {
  window.heard = [detail.file.name, detail.file.size];
})"""
PASTE = """(bytes) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "one.png", {type: "image/png"}));
  const event = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
  document.querySelector("#sentence").dispatchEvent(event);
}"""


@pytest.fixture
def photo():
    """A picture that Nonette did not make."""
    file = io.BytesIO()
    Image.fromarray(np.full((40, 60, 3), 99, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def drawn(server):
    """A file of Nonette that tells its settings."""
    job = server.ended(server.submit("a red fox", num_pictures=1, negative_prompt="rain")["id"])
    return server.client.get(f"/api/jobs/{job['id']}/files/{job['results'][0]['id']}").content


@pytest.mark.parametrize("way", ["drop", "paste", "open"])
def test_a_picture_of_nonette_recalls_its_settings(page, drawn, way):
    bring(page, drawn, way)
    page.wait_for_selector("text=The settings of that picture are in the fields.")
    assert page.input_value("#sentence") == "a red fox"
    assert page.input_value("#negative") == "rain"
    assert page.input_value("#seed") == str(encode.read(drawn)["seed"])


@pytest.mark.parametrize("way", ["drop", "paste", "open"])
def test_any_other_picture_is_told_to_whoever_edits(page, photo, way):
    page.evaluate(HEAR)
    bring(page, photo, way)
    page.wait_for_function("() => window.heard")
    assert page.evaluate("window.heard") == ["one.png", len(photo)]
    assert page.locator(".trouble:visible").count() == 0


def test_what_is_no_picture_is_refused(page):
    bring(page, b"\x89PNG no picture", "drop")
    page.wait_for_selector("text=The server does not take this")


def test_text_is_pasted_as_ever(page):
    page.evaluate(HEAR)
    page.focus("#sentence")
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/plain", "a red fox");
          const options = {clipboardData: data, bubbles: true, cancelable: true};
          const event = new ClipboardEvent("paste", options);
          window.isLeft = document.querySelector("#sentence").dispatchEvent(event);
        }"""
    )
    assert page.evaluate("[window.isLeft, window.heard]") == [True, None]


def bring(page, content, way):
    if way == "drop":
        drop(page, content)
    elif way == "paste":
        page.evaluate(PASTE, list(content))
    else:
        page.get_by_text("More", exact=True).click()
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Open a picture …").click()
        file = {"name": "one.png", "mimeType": "image/png", "buffer": content}
        chooser.value.set_files(file)
