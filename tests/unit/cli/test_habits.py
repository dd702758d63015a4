"""What torch finds in its environment."""

from __future__ import annotations

from nonette.cli import _habits


def test_threads_spin_briefly_and_pages_are_large() -> None:
    environment: dict[str, str] = {}
    _habits.adopt(environment)
    assert environment == {
        "GOMP_SPINCOUNT": "3000",
        "OMP_WAIT_POLICY": "PASSIVE",
        "THP_MEM_ALLOC_ENABLE": "1",
    }


def test_what_somebody_chose_stays() -> None:
    chosen = {"OMP_WAIT_POLICY": "ACTIVE", "THP_MEM_ALLOC_ENABLE": "0"}
    environment = dict(chosen)
    _habits.adopt(environment)
    assert environment == chosen
