"""OpenAI's dVAE, imported from modules pickled whole, against the plain reading of it."""

from __future__ import annotations

import sys
import types

import pytest
import torch
from torch import nn

import reference_dalle
from nonette.checkpoints import importing
from nonette.checkpoints.foreign.folder import Found
from nonette.checkpoints.format import read
from nonette.core.errors import CheckpointError

TOLERANCE = 1e-4
WIDTH, CODES, INITIAL = 16, 40, 12


@pytest.fixture
def theirs(monkeypatch):
    """Modules that pickle under the names of OpenAI's: as their classes, with `w` and `b`."""
    module = types.ModuleType("dall_e.utils")

    class Conv2d(nn.Module):
        def __init__(self, n_in, n_out, kernel):
            super().__init__()
            self.w = nn.Parameter(
                torch.randn(n_out, n_in, kernel, kernel) * (n_in * kernel) ** -0.5
            )
            self.b = nn.Parameter(torch.randn(n_out) * 0.1)
            self.use_float16, self.device = True, torch.device("cpu")

    class Stack(nn.Module):
        def __init__(self, **parts):
            super().__init__()
            for name, part in parts.items():
                self.add_module(name, part)

    for made in (Conv2d, Stack):
        made.__module__, made.__qualname__ = "dall_e.utils", made.__name__
        setattr(module, made.__name__, made)
    monkeypatch.setitem(sys.modules, "dall_e", types.ModuleType("dall_e"))
    monkeypatch.setitem(sys.modules, "dall_e.utils", module)
    return module


def build(theirs, kernel_in, kernels, before, multipliers, channels):
    """One side with random weights, in OpenAI's names."""
    parts = {"input": theirs.Conv2d(channels[0], before, kernel_in)}
    for i, multiplier in enumerate(multipliers, start=1):
        blocks = {}
        for j in (1, 2):
            after = multiplier * WIDTH
            widths = (before, after // 4, after // 4, after // 4, after)
            branch = {
                f"conv_{k + 1}": theirs.Conv2d(widths[k], widths[k + 1], kernels[k])
                for k in range(4)
            }
            is_same = before == after
            path = nn.Identity() if is_same else theirs.Conv2d(before, after, 1)
            blocks[f"block_{j}"] = theirs.Stack(id_path=path, res_path=theirs.Stack(**branch))
            before = after
        parts[f"group_{i}"] = theirs.Stack(**blocks)
    parts["output"] = theirs.Stack(conv=theirs.Conv2d(before, channels[1], 1))
    return theirs.Stack(blocks=theirs.Stack(**parts))


def test_both_ways(tmp_path, monkeypatch, theirs):
    monkeypatch.setenv("NONETTE_HOME", str(tmp_path / "home"))
    torch.manual_seed(0)
    sides = {
        "encoder": build(theirs, 7, (3, 3, 3, 1), WIDTH, (1, 2, 4, 8), (3, CODES)),
        "decoder": build(theirs, 1, (1, 3, 3, 3), INITIAL, (8, 4, 2, 1), (CODES, 6)),
    }
    (tmp_path / "dvae").mkdir()
    for side, module in sides.items():
        path = tmp_path / "dvae" / f"{side}.pkl"
        torch.save(module, path)
    found = Found([tmp_path / "dvae"])
    importer, plan = importing.recognise(found)
    ours = read(importing.write(plan, found, importer, "tiny")).network("dvae")

    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(2, 3, 32, 32, generator=generator)
    codes = torch.randint(0, CODES, (2, 4, 4), generator=generator)
    states = {side: module.state_dict() for side, module in sides.items()}
    with torch.no_grad():
        logits = reference_dalle.dvae_logits(states["encoder"], pixels)
        drawn = reference_dalle.dvae_pixels(states["decoder"], codes)
        assert logits.std() > 0.3 and drawn.std() > 0.03
        assert (ours.logits(pixels * 2 - 1) - logits).abs().max() < TOLERANCE
        assert ((ours.decode_codes(codes) + 1) / 2 - drawn).abs().max() < TOLERANCE
        assert torch.equal(ours.encode(pixels * 2 - 1), logits.argmax(1))

    (tmp_path / "dvae" / "decoder.pkl").unlink()
    with pytest.raises(CheckpointError, match="half a dVAE: only the encoder"):
        importing.recognise(Found([tmp_path / "dvae"]))
