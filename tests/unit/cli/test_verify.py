"""`nonette verify` tells what a file says, and that nothing of it is signed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from nonette.cli.verify import TRUST

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_a_picture_of_ours_tells_how_it_was_made(call: Any, ending: str) -> None:
    call("draw", "a cat", "--model", "flat", "--seed", "7", "-o", f"cat.{ending}")
    status, out, err = call("verify", f"cat.{ending}")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "origin: drawn by a trained model (trainedAlgorithmicMedia)"
    assert lines[1].startswith("made by Nonette ")
    assert {"  prompt: a cat", "  seed: 7", "  model: flat"} <= set(lines)
    assert lines[-1] == TRUST
    told = json.loads(call("verify", f"cat.{ending}", "--json")[1])
    assert (told["signed"], told["record"]["prompt"]) == (False, "a cat")
    assert told["source_type"] == f"{IPTC}trainedAlgorithmicMedia"


def test_an_edit_tells_that_a_part_was_somebodys(call: Any) -> None:
    Image.fromarray(PIXELS).save("photo.png")
    assert call("edit", "photo.png", "a cat", "--model", "flat")[0] == 0
    out = call("verify", "edited.png")[1]
    assert "partly drawn by a trained model (compositeWithTrainedAlgorithmicMedia)" in out


def test_a_strangers_picture_tells_nothing(call: Any) -> None:
    Image.fromarray(PIXELS).save("photo.png")
    status, out, _ = call("verify", "photo.png")
    assert status == 0
    assert out.splitlines() == [
        "origin: not said to be drawn by a machine",
        "It holds no settings of Nonette.",
        TRUST,
    ]
    told = json.loads(call("verify", "photo.png", "--json")[1])
    assert told == {"source_type": None, "signed": False, "record": None}


def test_what_a_stranger_wrote_does_nothing_to_the_terminal(call: Any) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("nonette", json.dumps({"prompt": "\x1b[2Jgone\r\n", "\x07": [1, "\x1b"]}))
    packet = f"<x xmlns:i='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'><i:DigitalSourceType>{IPTC}"
    chunks.add_itxt("XML:com.adobe.xmp", f"{packet}odd\x9b</i:DigitalSourceType></x>")
    Image.fromarray(PIXELS).save("odd.png", pnginfo=chunks)
    _, out, _ = call("verify", "odd.png")
    assert "origin: not said to be drawn by a machine (odd\ufffd)" in out
    assert "  prompt: \ufffd[2Jgone\ufffd\ufffd" in out.split("\n")
    assert all(character.isprintable() or character == "\n" for character in out)


def test_what_is_no_picture_is_refused(call: Any) -> None:
    Path("a.svg").write_text("<svg/>")
    for name, told in (("a.svg", "an SVG or XML file"), ("none.png", "No such file")):
        status, out, err = call("verify", name)
        assert (status, out) == (2, "") and err.startswith("nonette: IMAGE is ") and told in err
