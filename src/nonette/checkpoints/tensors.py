"""The tensors of one network on disk: safetensors files, whole or in shards, never pickle.

`save` writes `<part>.safetensors`, or shards and their index in the layout of Hugging Face. `load`
believes nothing: a file is known by its content and not by its name, its header must fit its
length, and every tensor must have the name, the shape and the kind of number that the network asks
for, and finite values. What the safetensors library itself refuses (overlapping offsets, unknown
types) is passed on as a `CheckpointError` with the file's name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.overrides import TorchFunctionMode

from nonette.core.errors import CheckpointError, some

MAX_HEADER_BYTES = 100_000_000  # the safetensors library's own limit
HEADER_BYTES_PER_TENSOR = (
    160  # beside the name: type, shape, offsets and JSON around them, generously
)
MAX_MAPPED = 2**26  # values of a file that are read before it is closed and opened again
INDEX_SUFFIX = ".safetensors.index.json"

FOREIGN_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive, as torch.save writes around a pickle"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"version https://git-lfs", "a Git LFS pointer and not the weights themselves"),
    (b"<", "a web page"),
)
TYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


INITIALISERS = frozenset(
    name for name in dir(nn.init) if name.endswith("_") and not name.startswith("_")
)


class _WithoutInitialising(TorchFunctionMode):
    """Leaves out the filling of fresh weights, which on the meta device loads torch's compiler."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in INITIALISERS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def skeleton(network_class: Callable[[Any], nn.Module], config: Any) -> nn.Module:
    """The network with every shape and no values, on the meta device; it takes no memory."""
    with torch.device("meta"), _WithoutInitialising():
        return network_class(config)


def save(
    folder: Path,
    part: str,
    parameters: Mapping[str, torch.Tensor],
    dtype: torch.dtype,
    max_shard_bytes: int,
) -> None:
    """Write the tensors of `part` into the folder, floating ones as `dtype`.

    No file is larger than `max_shard_bytes`, unless a single tensor is. The caller makes the folder
    atomic.

    Raises:
        CheckpointError: A tensor holds NaN or an infinity, in itself or after the change of type.
    """
    stored: dict[str, torch.Tensor] = {}
    for name, parameter in parameters.items():
        tensor = parameter.detach().to(
            "cpu", dtype if parameter.is_floating_point() else parameter.dtype
        )
        check_finite(tensor, name, f"{part} as {dtype}")
        stored[name] = tensor.clone(
            memory_format=torch.contiguous_format
        )  # nothing shares memory in the file
    files = layout(part, {name: tensor.nbytes for name, tensor in stored.items()}, max_shard_bytes)
    for file_name, names in files.items():
        save_file(
            {name: stored[name] for name in names}, folder / file_name, metadata={"format": "pt"}
        )
    if len(files) > 1:
        (folder / f"{part}{INDEX_SUFFIX}").write_text(index(stored, files), encoding="utf-8")


def layout(part: str, sizes: Mapping[str, int], max_shard_bytes: int) -> dict[str, list[str]]:
    """Which tensors go into which file, in their order: one file for all, or numbered shards.

    Args:
        part: The name of the network.
        sizes: Bytes of each tensor by name.
        max_shard_bytes: No file is larger, unless a single tensor is.
    """
    shards: list[list[str]] = [[]]
    room = max_shard_bytes - 1024
    for name, size in sizes.items():
        needed = size + len(name.encode()) + HEADER_BYTES_PER_TENSOR
        if shards[-1] and needed > room:
            shards.append([])
            room = max_shard_bytes - 1024
        shards[-1].append(name)
        room -= needed
    if len(shards) == 1:
        return {f"{part}.safetensors": shards[0]}
    return {
        f"{part}-{i:05d}-of-{len(shards):05d}.safetensors": names
        for i, names in enumerate(shards, start=1)
    }


def index(tensors: Mapping[str, torch.Tensor], files: Mapping[str, list[str]]) -> str:
    """The text of the file that says which shard holds which tensor; tensors may be on meta."""
    weight_map = {name: file_name for file_name, names in files.items() for name in names}
    total_size = sum(tensor.nbytes for tensor in tensors.values())
    contents = {"metadata": {"total_size": total_size}, "weight_map": weight_map}
    return json.dumps(contents, indent=2) + "\n"


def load(
    folder: Path, part: str, expected: Mapping[str, torch.Tensor], dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """The tensors of `part`, copied into memory, floating ones as `dtype`.

    Args:
        folder: The checkpoint's folder.
        part: The name of the network in it.
        expected: The network's own parameters and buffers, on the meta device; parameters come back
            as such.
        dtype: Of floating tensors in memory.

    Raises:
        CheckpointError: A file is missing or damaged, names are missing or left over, or a tensor
            has another shape or type than expected or a value that is not finite.
    """
    places = _places(folder, part)
    loaded: dict[str, torch.Tensor] = {}
    for path in dict.fromkeys(places.values()):
        with opened(path) as file:
            names = set(file.keys())
            listed = {name for name, place in places.items() if place == path}
            if listed != {""} and names != listed:
                odd = sorted(names ^ listed)
                raise CheckpointError(
                    f"{path}: its tensors are not those of the index: {some(odd)}"
                )
            left_over = sorted(names - set(expected))
            if left_over:
                raise CheckpointError(
                    f"{path} holds tensors that {part} does not have: {some(left_over)}"
                )
            sizes = {name: expected[name].numel() for name in sorted(names)}
        for group in _stretches(sizes):
            with opened(path) as file:
                for name in group:
                    loaded[name] = _tensor(file, path, name, expected[name], dtype)
    missing = [name for name in expected if name not in loaded]
    if missing:
        raise CheckpointError(f"{folder}: the weights of {part} lack {some(missing)}")
    return loaded


def _stretches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Names in their order, together no more values than are mapped at once.

    A file is mapped into memory, and what was read of it stays there until it is closed.
    """
    stretch: list[str] = []
    room = MAX_MAPPED
    for name, size in sizes.items():
        if stretch and size > room:
            yield stretch
            stretch, room = [], MAX_MAPPED
        stretch.append(name)
        room -= size
    if stretch:
        yield stretch


def files(folder: Path, part: str) -> list[Path]:
    """The files that hold the tensors of `part`.

    Raises:
        CheckpointError: There are none, or their index is damaged.
    """
    return sorted(set(_places(folder, part).values()))


def _places(folder: Path, part: str) -> dict[str, Path]:
    """Which file each tensor is in; for a single file, that file under the name ""."""
    whole, index = folder / f"{part}.safetensors", folder / f"{part}{INDEX_SUFFIX}"
    if whole.is_file():
        return {"": whole}
    if not index.is_file():
        raise CheckpointError(f"{whole} is missing, and there is no {index.name} either")
    try:
        weight_map = json.loads(index.read_bytes())["weight_map"]
        is_sound = bool(weight_map) and all(isinstance(value, str) for value in weight_map.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{index} is damaged: {error}") from error
    if not is_sound:
        raise CheckpointError(f"{index} is damaged: its weight_map names no files")
    for name in set(weight_map.values()):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{index} names {name!r}, which is not a .safetensors file beside it"
            )
    return {name: folder / file_name for name, file_name in weight_map.items()}


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The safetensors file opened for reading, after a look at its first bytes."""
    check_start(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def check_start(path: Path) -> None:
    """Refuse what is plainly not safetensors, and say what it is."""
    try:
        with path.open("rb") as file:
            start = file.read(32)
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    header_bytes = int.from_bytes(start[:8], "little")
    is_plausible = (
        len(start) > 8 and start[8:9] == b"{" and header_bytes <= min(size - 8, MAX_HEADER_BYTES)
    )
    if is_plausible:
        return
    for foreign, kind in FOREIGN_STARTS:
        if start.startswith(foreign):
            raise CheckpointError(f"{path} is {kind}; only safetensors files are opened")
    if size < 10:
        raise CheckpointError(f"{path} is damaged: it has only {size} bytes")
    if start[8:9] != b"{":
        raise CheckpointError(
            f"{path} is not a safetensors file: no header begins at its ninth byte"
        )
    raise CheckpointError(
        f"{path} is damaged: its header claims {header_bytes:,} bytes of a file of {size:,}"
    )


def _tensor(
    file: Any, path: Path, name: str, expected: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """One tensor of the file as the network wants it; a parameter where the network has one."""
    view = file.get_slice(name)
    got, want = tuple(view.get_shape()), tuple(expected.shape)
    if got != want:
        raise CheckpointError(f"{path}: {name} has shape {got}, but the network wants {want}")
    stored_type = TYPES.get(view.get_dtype())
    is_floating = expected.is_floating_point()
    if stored_type is None or (
        not stored_type.is_floating_point if is_floating else stored_type != expected.dtype
    ):
        wanted = (
            "floating-point numbers" if is_floating else str(expected.dtype).removeprefix("torch.")
        )
        raise CheckpointError(
            f"{path}: {name} is of type {view.get_dtype()}, but the network wants {wanted}"
        )
    tensor: torch.Tensor = file.get_tensor(name).to(
        dtype if is_floating else expected.dtype, copy=True
    )
    check_finite(tensor, name, str(path))
    if isinstance(expected, nn.Parameter):
        return nn.Parameter(tensor, requires_grad=False)
    return tensor


def check_finite(tensor: torch.Tensor, name: str, where: str) -> None:
    """Raises a CheckpointError where a floating tensor holds NaN or an infinity."""
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        count = int((~torch.isfinite(tensor)).sum())
        raise CheckpointError(f"{where}: {name} holds {count:,} values that are NaN or infinite")
