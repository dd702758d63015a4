"""How long the threads of a product wait for each other by spinning, set before torch is imported.

OpenMP's habit, some milliseconds, makes a busy machine ten times slower; not spinning at all makes
an idle one twice as slow, since our products are small and a thread that sleeps is slow to wake.
Nine pictures on two cores took 0.76 s without spinning, 0.38 s with this much, and on a machine
with two other busy processes 0.83 s and 1.12 s.
"""

from __future__ import annotations

import os

NUM_SPINS = 1000  # of GNU's OpenMP, some microseconds


def wait_briefly() -> None:
    """Spin for microseconds and sleep then, unless the environment says otherwise."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(NUM_SPINS))
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # for the OpenMP of other compilers
