"""Pickles read as data: an interpreter of the few opcodes that weights need, which calls nothing.

A pickle is a program, and Python's own reader runs it. This one follows the opcodes and builds
plain values (dicts, lists, text, numbers) and notes of where tensors lie. A name that the program
mentions is never imported: names on the lists below stand for what this file knows of them, and any
other ends the reading with the opcode and the name. Classes on the list become `Record`s, their
attributes without their code.

It does not open files and knows no storages; `archives` does.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from nonette.core.errors import MOST_SHOWN, CheckpointError, shorten

MAX_OPCODES = 20_000_000
MAX_NODES = 200_000  # values that a walk through the result visits; shared ones count each time
MAX_DEPTH = 64

STORAGE_TYPES: Mapping[str, torch.dtype] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# Names that may be mentioned or called, for nothing: what they would give is of no use to weights.
IGNORED = frozenset(
    {
        "_codecs.encode",
        "__builtin__.set",
        "builtins.set",
        "argparse.Namespace",
        "numpy.dtype",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.float32",
        "numpy.float64",
        "numpy.int64",
        "torch.device",
        "torch.jit._pickle.build_boollist",
        "torch.jit._pickle.build_doublelist",
        "torch.jit._pickle.build_intlist",
        "torch.jit._pickle.build_tensorlist",
        "torch.jit._pickle.restore_type_tag",
        "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
        "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    }
    | {f"torch.{name}" for name in ("float16", "float32", "float64", "bfloat16", "int64")}
)
# Modules whose classes become records: networks pickled whole, and TorchScript's own classes.
RECORD_MODULES = ("torch.nn.modules.", "__torch__.", "dall_e.")


_DAMAGE = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


@dataclass(frozen=True)
class Global:
    """A name that the pickle mentions; nothing is imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def is_record(self) -> bool:
        """Whether it is a class whose objects are read as records."""
        return f"{self.module}.".startswith(RECORD_MODULES)


@dataclass
class Record:
    """An object of a class that was not imported: its attributes."""

    of: Global
    attributes: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Storage:
    """Numbers of one type that lie elsewhere in the file."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class Strided:
    """A tensor: a window on a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Opaque:
    """Stands for whatever an ignored call would have given."""


class Input(Protocol):
    """What opcodes are read from: bytes in memory or a memory map."""

    def read(self, count: int = ..., /) -> bytes:
        """At most that many bytes."""
        ...

    def readline(self) -> bytes:
        """Up to the next line's end."""
        ...

    def tell(self) -> int:
        """Where it stands."""
        ...


def interpret(file: Input, where: str) -> Any:
    """The value that the pickle at the file's position describes; the file then stands behind it.

    Raises:
        CheckpointError: The pickle is damaged, or does what no weights need.
    """
    return _Machine(where).run(file)


class _Machine:
    """The stack machine; one method for each kind of opcode."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}
        self.op = ""

    def run(self, file: Input) -> Any:
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
                self.op = opcode.name
                if self.op == "STOP":
                    return self.stack.pop()
                if count >= MAX_OPCODES:
                    raise self._refusal(f"has more than {MAX_OPCODES:,} opcodes")
                self._do(argument)
        except CheckpointError:
            raise
        except (
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            OverflowError,
            MemoryError,
            RecursionError,
        ) as error:
            at = f" at opcode {self.op}" if self.op else ""
            raise CheckpointError(
                f"{self.where} is a damaged pickle{at}: {shorten(str(error), 120)}"
            ) from error
        raise CheckpointError(f"{self.where} is a damaged pickle: it has no end")

    def _do(self, argument: Any) -> None:
        if self.op in _CONSTANTS:
            self.stack.append(_CONSTANTS[self.op]())
        elif self.op in _LITERALS:
            self.stack.append(argument)
        elif self.op in _ACTIONS:
            _ACTIONS[self.op](self, argument)
        elif self.op not in ("PROTO", "FRAME"):
            raise self._refusal("is none that weights need")

    def _refusal(self, what: str) -> CheckpointError:
        return CheckpointError(f"{self.where} is refused: its pickle's opcode {self.op} {what}")

    # --- the stack ---

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._to_mark()

    def pop_mark(self, _: Any) -> None:
        self._to_mark()

    def dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def put(self, index: int) -> None:
        self.memo[int(index)] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[int(index)])

    # --- plain values ---

    def make_tuple(self, _: Any) -> None:
        items = self._to_mark()  # which changes the stack
        self.stack.append(tuple(items))

    def short_tuple(self, _: Any) -> None:
        count = int(self.op[-1])
        if len(self.stack) < count:
            raise IndexError("the stack is too short")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def make_list(self, _: Any) -> None:
        items = self._to_mark()
        self.stack.append(items)

    def make_dict(self, _: Any) -> None:
        made: dict[Any, Any] = {}
        self._set(made, self._to_mark())
        self.stack.append(made)

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self._extend([item])

    def appends(self, _: Any) -> None:
        self._extend(self._to_mark())

    def _extend(self, items: Sequence[Any]) -> None:
        if isinstance(self.stack[-1], Opaque):
            return
        if type(self.stack[-1]) is not list:
            raise self._refusal(f"appends to a {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set(self.stack[-1], [key, value])

    def set_items(self, _: Any) -> None:
        items = self._to_mark()
        self._set(self.stack[-1], items)

    def _set(self, target: Any, items: Sequence[Any]) -> None:
        if isinstance(target, Opaque):
            return
        if type(target) is not dict or len(items) % 2:
            raise self._refusal(f"sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def ignore_set(self, _: Any) -> None:
        """ADDITEMS and FROZENSET: sets hold no weights."""
        self._to_mark()
        if self.op == "FROZENSET":
            self.stack.append(Opaque())

    # --- names, and what is done with them ---

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise self._refusal("names no text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        found = Global(module, name)
        is_storage = module == "torch" and name in STORAGE_TYPES
        is_known = str(found) in _CALLS or str(found) in IGNORED
        if not (is_storage or is_known or found.is_record):
            raise self._refusal(f"names {_called(found)}, which no weights need")
        self.stack.append(found)

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if isinstance(function, Global) and isinstance(arguments, tuple):
            if str(function) in IGNORED:
                self.stack.append(Opaque())
                return
            if str(function) in _CALLS:
                self.stack.append(_CALLS[str(function)](*arguments))
                return
        raise self._refusal(f"would call {_called(function)}")

    def new_object(self, _: Any) -> None:
        _arguments, of = self.stack.pop(), self.stack.pop()
        if isinstance(of, Global) and of.is_record:
            self.stack.append(Record(of))
        elif isinstance(of, Global) and str(of) in IGNORED:
            self.stack.append(Opaque())
        else:
            raise self._refusal(f"would make an object of {_called(of)}")

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Record):
            if type(state) is not dict:
                raise self._refusal(f"gives {target.of} a {type(state).__name__} as its state")
            target.attributes.update(state)
        elif not isinstance(target, Opaque | dict):  # a state dict's own note of versions
            raise self._refusal(f"would change a {type(target).__name__}")

    def persistent(self, _: Any) -> None:
        reference = self.stack.pop()
        kind = reference[0] if isinstance(reference, tuple) and reference else None
        if kind == "module" and len(reference) == 4 and isinstance(reference[1], Global):
            self.stack.append(reference[1])  # a class with its source text, which stays text
            return
        if kind != "storage" or len(reference) not in (5, 6):
            raise self._refusal("refers to something that is no storage")
        _, of, key, _, count = reference[:5]
        if len(reference) == 6 and reference[5] is not None:
            raise self._refusal("refers to a part of a storage, as torch before 0.4 did")
        if not isinstance(of, Global) or of.module != "torch" or of.name not in STORAGE_TYPES:
            raise self._refusal(f"refers to a storage of {_called(of)}")
        if type(count) is not int or count < 0 or not isinstance(key, str):
            raise self._refusal("refers to a storage without a name or a length")
        self.stack.append(Storage(key, STORAGE_TYPES[of.name], count))


def _called(thing: Any) -> str:
    """What a pickle would call or make, for the refusal."""
    if not isinstance(thing, Global):
        return f"a {type(thing).__name__}"
    name = str(thing)
    return name if name.isprintable() and len(name) <= MOST_SHOWN else shorten(name)


def _key(key: Any) -> Any:
    """A key of a dict; hashing one that holds others could go down without end."""
    if not isinstance(key, str | int | float | bytes | Global | None):
        raise ValueError(f"a {type(key).__name__} as a key")
    return key


def _ordered_dict(items: Sequence[Any] = ()) -> dict[Any, Any]:
    return {_key(key): value for key, value in items}


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Strided:
    """`torch._utils._rebuild_tensor_v2`, checked to lie within its storage."""
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, Storage) or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError("a tensor without a storage, or with negative sizes")
    if len(shape) != len(stride) or len(shape) > MAX_DEPTH:
        raise ValueError(f"a tensor of shape {shape} and stride {stride}")
    count = math.prod(shape)
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if count and (last >= storage.count or count > storage.count):
        raise ValueError(f"a tensor of shape {tuple(shape)} reaches beyond its storage")
    return Strided(storage, offset, tuple(shape), tuple(stride))


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _size(sizes: Sequence[Any] = ()) -> tuple[Any, ...]:
    return tuple(sizes)


_CALLS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": _size,
}
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": Opaque,
}
_LITERALS = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8".split()
)
_ACTIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.dup,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": _Machine.short_tuple,
    "TUPLE2": _Machine.short_tuple,
    "TUPLE3": _Machine.short_tuple,
    "LIST": _Machine.make_list,
    "DICT": _Machine.make_dict,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.ignore_set,
    "FROZENSET": _Machine.ignore_set,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.new_object,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}


def flatten(tree: Any, where: str) -> dict[str, Strided]:
    """All tensors in nested dicts, lists and records by dotted names.

    A module pickled whole gives the names its state dict would have.

    Raises:
        CheckpointError: It is nested too deeply or without end, or two tensors get one name.
    """
    found: dict[str, Strided] = {}
    num_nodes = 0

    def walk(value: Any, name: str, depth: int) -> None:
        nonlocal num_nodes
        num_nodes += 1
        if depth > MAX_DEPTH or num_nodes > MAX_NODES:
            raise CheckpointError(f"{where} is refused: it is nested too deeply or without end")
        if isinstance(value, Strided):
            if name in found:
                raise CheckpointError(f"{where} is refused: two tensors are both {shorten(name)}")
            found[name] = value
        for key, inner in _children(value):
            walk(inner, f"{name}.{key}" if name else str(key), depth + 1)

    walk(tree, "", 0)
    return found


def _children(value: Any) -> list[tuple[Any, Any]]:
    """What a value holds, by name."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if isinstance(value, Record):
        parts = [value.attributes.get(kind) for kind in ("_parameters", "_buffers", "_modules")]
        if any(isinstance(part, dict) for part in parts):
            return [item for part in parts if isinstance(part, dict) for item in part.items()]
        return list(value.attributes.items())
    return []
