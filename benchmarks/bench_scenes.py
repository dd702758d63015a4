"""How fast scenes are drawn by lot and painted, on one core: scenes a second.

    python benchmarks/bench_scenes.py                          plain scenes of the CPU world
    python benchmarks/bench_scenes.py --world full --styles    the full world in all its styles

Every scene is new; caches are warmed by other scenes first, as in training. Processor seconds are
the figure to quote on a busy machine, wall seconds on an idle one; both are given.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time

from nonette.data.scenes import captions, painter, world

SIZES = (128, 256)
SEED = 4_000_000  # of nobody else


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--styles", action="store_true", help="told styles too, not plain alone")
    parser.add_argument("--captions", action="store_true", help="tell each scene as well")
    parser.add_argument("--warm-up", type=int, default=6000, help="scenes that are not timed")
    parser.add_argument("--scenes", type=int, default=3000, help="scenes that are timed")
    parser.add_argument("--repeats", type=int, default=3, help="of which the best counts")
    options = parser.parse_args(arguments)
    lived_in = world.CPU_WORLD if options.world == "cpu" else world.full_world()
    if not options.styles:
        lived_in = dataclasses.replace(lived_in, style_shares=(0.0, 0.0, 0.0, 0.0))
    for size in SIZES:
        make(lived_in, size, 0, options.warm_up, options.captions)
        times = []
        for repeat in range(options.repeats):
            start = options.warm_up + repeat * options.scenes
            wall, processor = time.perf_counter(), time.process_time()
            make(lived_in, size, start, options.scenes, options.captions)
            times.append((time.process_time() - processor, time.perf_counter() - wall))
        report = {
            "world": options.world,
            "styles": "all" if options.styles else "plain",
            "captions": options.captions,
            "size": size,
            "scenes": options.scenes,
            "scenes_per_cpu_second": round(options.scenes / min(cpu for cpu, _ in times)),
            "scenes_per_second": round(options.scenes / min(wall for _, wall in times)),
        }
        print(json.dumps(report))


def make(lived_in: world.World, size: int, start: int, num_scenes: int, tells: bool) -> None:
    """Draw and paint scenes, and tell them if asked to."""
    for index in range(start, start + num_scenes):
        scene = world.draw_scene(lived_in, SEED, index)
        painter.paint(scene, size, SEED, index)
        if tells:
            captions.tell(scene, "en", SEED, index)


if __name__ == "__main__":
    main()
