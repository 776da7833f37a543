"""Questions about arrays that shapes and dtypes answer, and positions counted one way or the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Tracer, op_call
from adcore_ops.gather import wrap_index
from adcore_ops.shape import lifted


def _stand_in(x: Any) -> Any:
    """What has the dtype and shape of a traced array, and no memory."""
    return np.broadcast_to(np.zeros((), x.dtype), x.shape) if isinstance(x, Tracer) else x


def _of_stand_ins(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose answer depends on dtypes and shapes only."""
    return lambda *args, **kwargs: function(*map(_stand_in, args), **kwargs)


def _dtype(x: Any) -> Any:
    return x.dtype if isinstance(x, Tracer) else x


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """np.unravel_index."""
    sizes = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    rest, found = wrap_index(lifted(indices), size=int(np.prod(sizes))), []
    for n in sizes if order == "F" else reversed(sizes):
        found.append(rest % n)
        rest = rest // n
    return tuple(found if order == "F" else found[::-1])


def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C") -> Any:
    """np.ravel_multi_index, of indices that lie within."""
    if mode != "raise":
        raise TypeError("np.ravel_multi_index of traced indices has the mode 'raise' only")
    sizes = (dims,) if np.ndim(dims) == 0 else tuple(dims)
    pairs = list(zip(map(lifted, multi_index), sizes, strict=True))
    flat: Any = 0
    for i, n in pairs if order == "C" else reversed(pairs):
        flat = flat * n + wrap_index(i, size=n)
    return flat


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.result_type: lambda *args: np.result_type(*map(_dtype, args)),
    np.can_cast: lambda from_, to, casting="safe": np.can_cast(_dtype(from_), to, casting),
    np.common_type: _of_stand_ins(np.common_type),
    np.einsum_path: _of_stand_ins(np.einsum_path),
    np.diag_indices_from: _of_stand_ins(np.diag_indices_from),
    np.tril_indices_from: _of_stand_ins(np.tril_indices_from),
    np.triu_indices_from: _of_stand_ins(np.triu_indices_from),
    np.unravel_index: unravel_index,
    np.ravel_multi_index: ravel_multi_index,
    np.array_repr: lambda arr, *args, **kwargs: repr(arr),
    np.array_str: lambda a, *args, **kwargs: repr(a),
    np.array2string: lambda a, *args, **kwargs: repr(a),
    np.i0: op_call("special::i0"),
}
