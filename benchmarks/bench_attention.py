"""Which way of working out attention is fastest on this machine: fused, tiled or plain.

    python benchmarks/bench_attention.py                 the shapes of Stable Diffusion at 512×512
    python benchmarks/bench_attention.py --dtype float32

Fused is torch's own; plain is two products with all scores held at once; tiled is the same for so
many queries at a time that their scores stay in the cache, with its own shortcuts. What
`nn/attention.py` chooses, the way `chosen`, follows from these figures. Processor seconds are the
figure to compare on a busy machine; rates are of the two products alone, beside that of a square
product of the same type.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.nn import attention as ways_of

SHAPES = {  # (batch, heads, queries, keys, width of a head)
    "UNet 64x64, itself": (1, 4, 4096, 4096, 40),
    "UNet 32x32, itself": (1, 8, 1024, 1024, 80),
    "UNet 16x16, itself": (1, 8, 256, 256, 160),
    "UNet 64x64, text": (1, 8, 4096, 77, 40),
    "SD 2, 64x64, itself": (1, 4, 4096, 4096, 64),
    "autoencoder, 64x64": (1, 1, 4096, 4096, 512),
}
TILES = (64, 128, 256, 512)  # queries at a time
PEAK_SIDE = 2048  # of the square product


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    dtype = getattr(torch, options.dtype)
    with torch.inference_mode():
        square = torch.randn(PEAK_SIDE, PEAK_SIDE).to(dtype)
        seconds = best(lambda: square @ square, options.repeats)
        peak = 2 * PEAK_SIDE**3 / seconds / 1e9
        print(json.dumps({"dtype": options.dtype, "threads": options.threads, "peak": round(peak)}))
        for name, shape in SHAPES.items():
            print(json.dumps({"shape": name} | rates(shape, dtype, options.repeats)), flush=True)


def rates(shape: tuple[int, ...], dtype: torch.dtype, repeats: int) -> dict[str, float]:
    """GFLOP a processor second of each way."""
    batch, heads, num_queries, num_keys, width = shape
    query = torch.randn(batch, heads, num_queries, width).to(dtype)
    key, value = (torch.randn(batch, heads, num_keys, width).to(dtype) for _ in range(2))
    work = 4 * batch * heads * num_queries * num_keys * width / 1e9
    ways: dict[str, Callable[[], Tensor]] = {
        "fused": lambda: F.scaled_dot_product_attention(query, key, value),
        "plain": lambda: ways_of.plain_attention(query, key, value),
        "chosen": lambda: ways_of.attention(query, key, value),
    }
    for tile in TILES:
        ways[f"tiled {tile}"] = lambda tile=tile: tiled(query, key, value, tile)
    exact = F.scaled_dot_product_attention(query.float(), key.float(), value.float())
    for way in ways.values():
        torch.testing.assert_close(way().float(), exact, atol=0.05, rtol=0)
    return {name: round(work / best(way, repeats)) for name, way in ways.items()}


def tiled(query: Tensor, key: Tensor, value: Tensor, tile: int) -> Tensor:
    """Ours, with another number of queries at a time."""
    ways_of.TILE_SCORES = tile * key.shape[-2]
    return ways_of.tiled_attention(query, key, value)


def best(work: Callable[[], object], repeats: int) -> float:
    """The fewest processor seconds of some repeats, after one to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
