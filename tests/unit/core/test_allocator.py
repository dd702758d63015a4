"""What the allocator is asked for, seen from outside: heaps and pages of a process of its own."""

from __future__ import annotations

import sys

import pytest

needs_glibc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux's proc")

# Holds every second of many blocks too small for pages of their own, then frees all but the last.
HOLES = """
from nonette.core import allocator

def megabytes():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

blocks = [bytearray(50_000) for _ in range(2000)]
last = bytearray(50_000)
del blocks
before = megabytes()
allocator.give_back()
print(before, megabytes())
"""

HEAPS = """
import sys, threading
from nonette.core import allocator

if sys.argv[1] == "share":
    allocator.share_heaps()
may_end = threading.Barrier(13)

def work():
    blocks = [bytearray(3000) for _ in range(200)]
    may_end.wait()
    may_end.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
may_end.wait()
starts = [int(line.split("-")[0], 16) for line in open("/proc/self/maps") if " rw-p " in line]
print(sum(start % (64 << 20) == 0 for start in starts))  # where glibc's further heaps begin
may_end.wait()
"""


@needs_glibc
def test_what_was_freed_is_given_back(run_python) -> None:
    before, after = map(float, run_python("-c", HOLES).stdout.split())
    assert after < before / 2


@needs_glibc
def test_threads_share_heaps(run_python) -> None:
    apart, shared = (int(run_python("-c", HEAPS, way).stdout) for way in ("apart", "share"))
    assert shared <= 1 < apart
