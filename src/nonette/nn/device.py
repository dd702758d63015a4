"""Where and how numbers are worked out: device, number type, threads.

bfloat16 doubles the speed of matrix products where the processor multiplies it in hardware, halves
it on Intel's that have AMX but hide it, as virtual machines may, and makes them several times
slower everywhere else; float16 is never worth it on a CPU. Nothing here changes anything when
imported.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

from nonette.core.errors import InputError

MAX_THREADS = 1024
MOST_IN_FLOAT32 = 1_500_000_000  # parameters, of what would be as good in half the memory
CGROUP = Path("/sys/fs/cgroup")  # where a container sees its own limits

P = ParamSpec("P")
R = TypeVar("R")


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is a GPU where torch can use one, else the CPU.

    Raises:
        InputError: torch has no such device, or cannot use it here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError("device", name, "torch cannot use it here; try 'cpu' or 'auto'") from error
    return device


def pick_dtype(device: torch.device, num_parameters: int = 0) -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, else float32.

    Where hardware multiplies it at half the rate of float32, it is left to models of so many
    parameters that their memory counts for more: float32 takes twice as much.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float32
    if device.type != "cpu" or not _multiplies_bfloat16():
        return torch.float32
    is_worth_it = not _is_slow_in_bfloat16() or num_parameters > MOST_IN_FLOAT32
    return torch.bfloat16 if is_worth_it else torch.float32


def has_amx() -> bool:
    """Whether this CPU multiplies whole tiles of bfloat16, and oneDNN is not told to do without."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if allowed not in ("ALL", "DEFAULT") and "AMX" not in allowed:
        return False
    supports = getattr(torch.cpu, "_is_amx_tile_supported", None)  # no public question, as below
    return supports is not None and bool(supports())


def default_threads() -> int:
    """As many threads as torch would take, but no more than a container's quota of cores.

    torch counts the cores it may run on. In a container that may use two of sixty-four cores' time,
    that many threads mostly wait for each other.
    """
    quota = _quota_of_cores(CGROUP)
    return torch.get_num_threads() if quota is None else min(torch.get_num_threads(), quota)


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function` with what lies between its products fused, where a C++ compiler is at hand.

    Worth it in training alone: the first call of each shape takes tens of seconds. Without a
    compiler it is `function` itself, which gives the same numbers to rounding.
    """
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        return function
    return torch.compile(function, dynamic=False)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Run what is inside with `count` threads; None leaves their number alone.

    Raises:
        InputError: The count is not 1 to 1,024.
    """
    if count is None:
        yield
        return
    if not 1 <= count <= MAX_THREADS:
        raise InputError("threads", count, f"it must be a whole number from 1 to {MAX_THREADS:,}")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _quota_of_cores(cgroup: Path) -> int | None:
    """Cores' worth of time that the control group grants, rounded up; None for no limit."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):  # v2, v1
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
            if int(quota) > 0:
                return max(1, -(-int(quota) // int(period)))
        except (OSError, ValueError, ZeroDivisionError):  # no such group, or "max" for no limit
            continue
    return None


def _multiplies_bfloat16() -> bool:
    """Whether this CPU has AVX512-BF16, and neither torch nor oneDNN is told to do without."""
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if allowed not in ("ALL", "DEFAULT") and "BF16" not in allowed and "AMX" not in allowed:
        return False
    # torch has no public question for this: `torch.cpu.get_capabilities` came after 2.11
    supports = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supports is not None and bool(supports())


def _is_slow_in_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 at half the rate of float32.

    Of Intel's, those of the generations with AMX do where AMX is hidden: the instruction itself is
    slow (one thread of an Emerald Rapids: 80 and 165 GFLOP/s). AVX512-FP16 came with AMX.
    """
    asked = getattr(torch.cpu, "get_capabilities", None)
    has = asked() if asked is not None else {}
    is_of_them = "Intel" in str(has.get("cpu_name")) and bool(has.get("avx512_fp16"))
    return is_of_them and not has_amx()
