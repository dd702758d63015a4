"""Malformed and hostile weight files, made on the fly, each with a word of its refusal.

Pickles are assembled opcode by opcode, so that nothing here can run them by accident.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator

import msgpack
import numpy as np
import torch
from safetensors.torch import save

import foreign_files

SAVED_MAGIC = 0x1950A86A20F9469CFC6C


def safetensors(header: dict | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A file with that header, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(first: int, last: int, shape: list[int], dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def archive(
    program: bytes, storages: dict[str, bytes] | None = None, compression: int = 0
) -> bytes:
    """A zip archive of torch.save's form around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        made.writestr("archive/data.pkl", program)
        made.writestr("archive/byteorder", "little")
        for key, content in (storages or {}).items():
            made.writestr(f"archive/data/{key}", content)
    return buffer.getvalue()


def legacy(program: bytes, keys: list[str] | None = None, tail: bytes = b"") -> bytes:
    """A file of torch.save's older form around a pickle."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    before = [pickle.dumps(value, 2) for value in (SAVED_MAGIC, 1001, system)]
    return b"".join([*before, program, pickle.dumps(keys or [], 2), tail])


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def called(module: str, name: str, argument: bytes) -> bytes:
    """A program that calls a function with one argument when it is run."""
    return b"\x80\x02" + named(module, name) + argument + b"\x85R."


def storage(count: int = 4, kind: str = "FloatStorage") -> bytes:
    """The opcodes of a reference to storage 0."""
    parts = text("storage") + named("torch", kind) + text("0") + text("cpu")
    return b"(" + parts + b"J" + struct.pack("<i", count) + b"tQ"


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(shape: tuple, stride: tuple, offset: int = 0, count: int = 4) -> bytes:
    """A program that gives {"w": a tensor}."""
    window = b"J" + struct.pack("<i", offset) + numbers(*shape) + numbers(*stride)
    arguments = b"(" + storage(count) + window + b"\x89" + b"}" + b"t"
    rebuilt = named("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"
    return b"\x80\x02}" + text("w") + rebuilt + b"s."


def shared_lists(depth: int) -> bytes:
    """Lists that hold the one before twice: a short program with 2 ** depth leaves."""
    program = b"\x80\x02]q\x00"
    for _ in range(depth):
        program += b"](h\x00h\x00eq\x00"
    return program + b"."


def overlapping_zip() -> bytes:
    """Two entries of one place: the second's directory line points at the first."""
    whole = bytearray(archive(b"\x80\x02}.", {"0": bytes(64), "1": bytes(64)}))
    lines = [i for i in range(len(whole)) if whole[i : i + 4] == b"PK\x01\x02"]
    whole[lines[-1] + 42 : lines[-1] + 46] = whole[lines[-2] + 42 : lines[-2] + 46]
    return bytes(whole)


def renamed_entry(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/data.pkl", b"\x80\x02}.")
        made.writestr(name, b"x")
    return buffer.getvalue()


def big_endian() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/data.pkl", b"\x80\x02}.")
        made.writestr("archive/byteorder", "big")
    return buffer.getvalue()


def saved(changes: dict[str, torch.Tensor | None]) -> bytes:
    """The tiny CLIP with some tensors changed or left out."""
    state = foreign_files.clip_state() | changes
    return save({name: one for name, one in state.items() if one is not None})


def flax_array(shape: tuple, content: bytes, name: str = "float32") -> bytes:
    return msgpack.packb({"w": msgpack.ExtType(1, msgpack.packb((shape, name, content)))})


def chunked(**changes: object) -> bytes:
    piece = msgpack.ExtType(1, msgpack.packb(((4,), "float32", bytes(16))))
    parts = {"__msgpack_chunked_array__": True, "shape": {"0": 4}, "chunks": {"0": piece}}
    return msgpack.packb({"w": parts | changes})


NAN, INFINITE = torch.full((16,), float("nan")), torch.full((16,), float("inf"))
NORM = "text_model.final_layer_norm.weight"
SYSTEM = called("posix", "system", text("touch hacked"))
GOOD = flax_array((4,), bytes(16))

FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "it has only 0 bytes"),
    "eight bytes": (lambda: bytes(8), "only 8 bytes"),
    "header of 2^63 bytes": (lambda: safetensors(b"{}", bytes(64), 2**63), "header claims"),
    "header longer than the file": (lambda: safetensors({}, b"", 1000), "header claims"),
    "header that is no JSON": (lambda: safetensors(b'{"w": [}', bytes(16)), "damaged"),
    "header in UTF-16": (lambda: safetensors(b"{\xff\xfe\x00}", bytes(16)), "damaged"),
    "half a safetensors file": (lambda: saved({})[:6000], "damaged"),
    "overlapping offsets": (
        lambda: safetensors({"a": entry(0, 16, [4]), "b": entry(8, 24, [4])}, bytes(24)),
        "damaged",
    ),
    "a hole between offsets": (
        lambda: safetensors({"a": entry(0, 16, [4]), "b": entry(32, 48, [4])}, bytes(48)),
        "damaged",
    ),
    "offsets beyond the end": (lambda: safetensors({"a": entry(0, 16, [4])}, bytes(8)), "damaged"),
    "offsets backwards": (lambda: safetensors({"a": entry(16, 0, [4])}, bytes(16)), "damaged"),
    "shape that its bytes do not fill": (
        lambda: safetensors({"a": entry(0, 16, [5])}, bytes(16)),
        "damaged",
    ),
    "shape of 2^64 numbers": (
        lambda: safetensors({"a": entry(0, 16, [2**32, 2**32])}, bytes(16)),
        "damaged",
    ),
    "negative shape": (lambda: safetensors({"a": entry(0, 16, [-4])}, bytes(16)), "damaged"),
    "unknown type": (lambda: safetensors({"a": entry(0, 16, [4], "F31")}, bytes(16)), "damaged"),
    "bytes behind the last tensor": (
        lambda: safetensors({"a": entry(0, 16, [4])}, bytes(99)),
        "damaged",
    ),
    "a name of control characters": (
        lambda: safetensors({"a\x1b[2J": entry(0, 16, [4])}, bytes(16)),
        "not printable",
    ),
    "NaN": (lambda: saved({NORM: NAN}), "NaN or infinite"),
    "infinity": (lambda: saved({NORM: INFINITE}), "NaN or infinite"),
    "wrong shape": (lambda: saved({NORM: torch.ones(17)}), "final_layer_norm"),
    "missing tensor": (lambda: saved({NORM: None}), "lacks"),
    "a tensor too many": (lambda: saved({"backdoor": torch.ones(1)}), "not known: backdoor"),
    "whole numbers for weights": (lambda: saved({NORM: torch.ones(16).long()}), "of type"),
    "a pickle that calls a shell": (lambda: archive(SYSTEM), "opcode GLOBAL names posix.system"),
    "the same in the older form": (lambda: legacy(SYSTEM), "opcode GLOBAL names posix.system"),
    "the same by itself": (lambda: SYSTEM, "opcode GLOBAL names posix.system"),
    "a pickle that evaluates": (
        lambda: archive(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x0211\x85R."),
        "opcode STACK_GLOBAL names builtins.eval",
    ),
    "a pickle that loads a pickle": (
        lambda: archive(called("torch.storage", "_load_from_bytes", b"C\x00")),
        "opcode GLOBAL names torch.storage._load_from_bytes",
    ),
    "a call by INST": (lambda: archive(b"(X\x02\x00\x00\x00idios\nsystem\n."), "opcode INST"),
    "a call by OBJ": (lambda: archive(b"(" + named("torch", "Size") + b"o."), "opcode OBJ"),
    "a call of a storage type": (
        lambda: archive(b"\x80\x02" + named("torch", "FloatStorage") + b")R."),
        "opcode REDUCE would call torch.FloatStorage",
    ),
    "an object of a function": (
        lambda: archive(b"\x80\x02" + named("torch._utils", "_rebuild_tensor_v2") + b")\x81."),
        "opcode NEWOBJ would make",
    ),
    "an extension code": (lambda: archive(b"\x80\x02\x82\x01."), "opcode EXT1"),
    "a change of a list's class": (lambda: archive(b"\x80\x02]}b."), "opcode BUILD would change"),
    "a foreign persistent id": (
        lambda: archive(b"\x80\x02" + text("http://x") + b"Q."),
        "opcode BINPERSID refers",
    ),
    "lists that double forty times": (lambda: archive(shared_lists(40)), "nested too deeply"),
    "tuples ten thousand deep": (lambda: archive(b"\x80\x02N" + b"\x85" * 10_000 + b"."), "deeply"),
    "a tuple as a key": (
        lambda: archive(b"\x80\x02}" + b"N" + b"\x85" * 100_000 + b"Ns."),
        "tuple as a key",
    ),
    "a tensor beyond its storage": (
        lambda: archive(tensor((8,), (1,)), {"0": bytes(16)}),
        "beyond its storage",
    ),
    "a tensor before its storage": (
        lambda: archive(tensor((2,), (-1,), 1), {"0": bytes(16)}),
        "negative",
    ),
    "a tensor of 2^60 numbers": (
        lambda: archive(tensor((2**30, 2**30), (0, 0)), {"0": bytes(16)}),
        "beyond its storage",
    ),
    "a storage that is not there": (lambda: archive(tensor((4,), (1,))), "lacks the numbers"),
    "a storage too short": (lambda: archive(tensor((4,), (1,)), {"0": bytes(8)}), "shorter"),
    "a pickle cut in half": (lambda: archive(tensor((4,), (1,))[:60]), "damaged pickle"),
    "a pickle of nothing": (lambda: archive(b""), "damaged pickle"),
    "a memo that was never written": (lambda: archive(b"\x80\x02h\x07."), "damaged pickle"),
    "a text of 2^62 bytes": (
        lambda: archive(b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a."),
        "damaged pickle",
    ),
    "a zip bomb": (
        lambda: archive(tensor((4,), (1,)), {"0": bytes(2**24)}, zipfile.ZIP_DEFLATED),
        "compressed",
    ),
    "overlapping zip entries": (overlapping_zip, "overlap"),
    "a zip entry that climbs out": (lambda: renamed_entry("archive/../../etc/x"), "leads out"),
    "a zip entry at the root": (lambda: renamed_entry("/etc/x"), "leads out"),
    "a zip of something else": (
        lambda: archive(b"").replace(b"data.pkl", b"data.txt"),
        "without a data.pkl",
    ),
    "half a zip archive": (lambda: archive(tensor((4,), (1,)), {"0": bytes(16)})[:150], "zip"),
    "bytes in the other order": (big_endian, "big-endian"),
    "an older file cut short": (
        lambda: legacy(tensor((4,), (1,)), ["0"], struct.pack("<q", 4) + bytes(8)),
        "cut short",
    ),
    "an older file of 2^62 numbers": (
        lambda: legacy(tensor((4,), (1,)), ["0"], struct.pack("<q", 2**62) + bytes(16)),
        "cut short",
    ),
    "numpy's pickled objects": (
        lambda: pickle.dumps(np.array([None, 1], dtype=object), 2),
        "opcode GLOBAL names numpy",
    ),
    "half a Flax file": (lambda: GOOD[:-5], "within an array"),
    "a Flax array of other bytes": (lambda: flax_array((5,), bytes(16)), "16 bytes for shape"),
    "a Flax array of objects": (lambda: flax_array((4,), bytes(16), "object"), "not read"),
    "a negative Flax shape": (lambda: flax_array((-4,), bytes(16)), "has the shape"),
    "a Flax array of 2^32 bytes": (
        lambda: b"\x81\xa1w\xc9\xff\xff\xff\xff\x01" + bytes(64),
        "within an array",
    ),
    "bytes behind a Flax file": (lambda: GOOD + b"more", "4 bytes follow"),
    "Flax maps a thousand deep": (lambda: b"\x81\xa1a" * 1000 + b"\xc0", "nested too deeply"),
    "a Flax map of 2^32 entries": (lambda: b"\xdf\xff\xff\xff\xff\xa1w\x01", "damaged at byte"),
    "Flax keys that are numbers": (lambda: b"\x82\xa1w\x01\x07\x01", "no key"),
    "a Flax array that lacks a piece": (
        lambda: chunked(chunks={"1": msgpack.ExtType(1, b"")}),
        "damaged",
    ),
    "Flax pieces of another size": (lambda: chunked(shape={"0": 5}), "wrong pieces"),
    "a large-file pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "a web page": (lambda: b"<!DOCTYPE html><title>404</title>", "web page"),
    "GGUF": (lambda: b"GGUF" + bytes(64), "GGUF"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
}
SUFFIXES = ("safetensors", "bin", "pt", "ckpt", "msgpack")


def every_file() -> Iterator[tuple[str, str]]:
    """Each name with a suffix, which changes from file to file and means nothing."""
    for i, name in enumerate(FILES):
        yield name, SUFFIXES[i % len(SUFFIXES)]
