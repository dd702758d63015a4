"""Device, number type and threads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nonette.core.errors import InputError
from nonette.nn import device
from nonette.nn.device import compiled, default_threads, pick_device, pick_dtype, threads


def pretend(
    monkeypatch: pytest.MonkeyPatch, name: str, *, has_amx: bool, has_fp16: bool = True
) -> None:
    """A processor with AVX512-BF16 that nothing is forbidden on."""
    has = {"cpu_name": name, "avx512_fp16": has_fp16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)


def test_threads_are_set_inside_and_restored_even_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="no"), threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError("no")
    assert torch.get_num_threads() == before
    with threads(None):
        assert torch.get_num_threads() == before


@pytest.mark.parametrize("count", [0, -1, 10**9])
def test_impossible_thread_counts_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="threads"), threads(count):
        pass


def test_a_device_torch_lacks_is_refused_by_name() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(InputError, match="toaster"):
        pick_device("toaster")


def test_bfloat16_is_left_alone_where_it_is_forbidden_or_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = torch.device("cpu")
    pretend(monkeypatch, "AMD EPYC", has_amx=False)
    assert pick_dtype(cpu) == torch.bfloat16
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert pick_dtype(cpu) == torch.float32
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert pick_dtype(cpu) == torch.float32
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert pick_dtype(cpu) == torch.float32


def test_bfloat16_is_left_to_large_models_where_it_is_slower_than_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu, small, large = torch.device("cpu"), 1_000_000_000, 3_000_000_000
    pretend(monkeypatch, "Intel Xeon", has_amx=False)
    assert pick_dtype(cpu, small) == torch.float32
    assert pick_dtype(cpu, large) == torch.bfloat16
    for name, has_amx in (("Intel Xeon", True), ("AMD EPYC", False)):
        pretend(monkeypatch, name, has_amx=has_amx)
        assert pick_dtype(cpu, small) == torch.bfloat16
    pretend(monkeypatch, "Intel Xeon", has_amx=False, has_fp16=False)  # of before AMX
    assert pick_dtype(cpu, small) == torch.bfloat16
    pretend(monkeypatch, "Intel Xeon", has_amx=True)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
    assert pick_dtype(cpu, small) == torch.float32


def test_amx_is_not_used_where_it_is_forbidden_or_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    for is_there in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: is_there)  # noqa: B023
        assert device.has_amx() == is_there
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
    assert not device.has_amx()


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "1000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu.max": "6400000 100000\n"}, 8),
        ({"cpu.max": "nonsense"}, 8),
        ({}, 8),
    ],
)
def test_a_container_gets_no_more_threads_than_its_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(device, "CGROUP", tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert default_threads() == cores


def test_without_a_compiler_a_function_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiled(torch.sin) is torch.sin


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of its parts
def test_what_is_compiled_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)

    def gated(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(x) * x + 1

    x = torch.linspace(-3, 3, 64)
    assert torch.allclose(compiled(gated)(x), gated(x), atol=1e-6)
