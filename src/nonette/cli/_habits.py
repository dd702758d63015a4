"""Habits of torch's threads and memory that suit drawing, set before torch is imported.

How long the threads of a product wait for each other by spinning: OpenMP's habit, some
milliseconds, makes a busy machine ten times slower; not spinning at all makes an idle one twice as
slow, since our products are small and a thread that sleeps is slow to wake. Nine pictures of
`scenes` took 0.60 s on two idle cores with as many spins as here, 0.72 to 1.1 s with a third of
them and 0.65 s with ten times as many; beside one busy process 2.3 s, 1.6 s and 8.1 s.

How much memory the system hands out at a time: in pieces of two megabytes, where Linux has them,
the decoder of Stable Diffusion paints 512×512 pixels in 6.4 s instead of 7.3.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

NUM_SPINS = 3000  # of GNU's OpenMP, some microseconds


def adopt(environment: MutableMapping[str, str] = os.environ) -> None:
    """Spin for microseconds and take large pages, unless the environment says otherwise."""
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", str(NUM_SPINS))
        environment["OMP_WAIT_POLICY"] = "PASSIVE"  # for the OpenMP of other compilers
    environment.setdefault("THP_MEM_ALLOC_ENABLE", "1")
