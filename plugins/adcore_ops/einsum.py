"""np.einsum, two operands at a time, as transposes, sums, products and one matmul each.

An index that is repeated within an operand takes its diagonal; one that occurs in this operand alone,
and not in the result, is summed at once. For a pair the others are of four kinds:

    batch (in both and in the result) · rows (left only) · columns (right only) · summed (in both, not in the result)

which is matmul of (batch, rows, summed) and (batch, summed, columns), or a product if nothing is summed.
The order of the pairs is NumPy's own (np.einsum_path).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore_ops.matmul import matmul
from adcore_ops.shape import lifted, np_reshape, np_transpose

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def einsum(*operands: Any, out: Any = None, optimize: Any = False, **kwargs: Any) -> Any:
    """np.einsum, in both of its forms."""
    if isinstance(operands[0], str):
        terms, result = _parsed(operands[0], [np.ndim(x) for x in operands[1:]])
        arrays = [lifted(x) for x in operands[1:]]
    else:
        terms, result, arrays = _from_lists(operands)
    dtype = kwargs.get("dtype")
    dtype = np.result_type(*(x.dtype for x in arrays)) if dtype is None else np.dtype(dtype)
    arrays = [x if x.dtype == dtype else x.astype(dtype) for x in arrays]
    for term, x in zip(terms, arrays, strict=True):
        if len(term) != x.ndim:
            raise ValueError(f"einsum: an operand of {x.ndim} axes has the indices {term!r}")
    sizes = _sizes(terms, arrays)
    work = list(zip(terms, arrays, strict=True))
    for pair in _path(terms, result, arrays, optimize):
        chosen = [work.pop(i) for i in sorted(pair, reverse=True)][::-1]
        wanted = set(result).union(*(t for t, _ in work))
        while len(chosen) > 1:
            left, right = chosen.pop(0), chosen.pop(0)
            rest = wanted.union(*(t for t, _ in chosen))
            chosen.insert(0, _pair(left, right, rest, sizes))
        work.append(chosen[0])
    term, x = _alone(*work[0], set(result))
    return _arranged(x, term, result, sizes)


# --- the words -----------------------------------------------------------------------------------


def _parsed(subscripts: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """The indices of each operand and of the result, ellipses written out."""
    text = subscripts.replace(" ", "")
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {len(terms)} terms for {len(ndims)} operands")
    used = set(text.replace(".", ""))
    extra = [n - len(t.replace("...", "")) for t, n in zip(terms, ndims, strict=True)]
    longest = max([e for t, e in zip(terms, extra, strict=True) if "..." in t], default=0)
    dots = "".join([c for c in LETTERS if c not in used][:longest])
    full = [t.replace("...", dots[longest - e :] if e > 0 else "") for t, e in zip(terms, extra, strict=True)]
    if not arrow:
        letters = "".join(terms).replace(".", "")
        result = dots + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    else:
        result = result.replace("...", dots)
    known = set("".join(full))
    if len(set(result)) != len(result) or not set(result) <= known or not known | {*result} <= set(LETTERS):
        raise ValueError(f"einsum: the subscripts {subscripts!r} are not valid")
    return full, result


def _from_lists(operands: Sequence[Any]) -> tuple[list[str], str, list[Any]]:
    """The form with lists of integers: operand, indices, operand, indices, ..., [indices of the result]."""

    def term(indices: Any) -> str:
        return "".join("..." if i is Ellipsis else LETTERS[i] for i in indices)

    pairs = len(operands) // 2
    arrays = [lifted(operands[2 * i]) for i in range(pairs)]
    text = ",".join(term(operands[2 * i + 1]) for i in range(pairs))
    if len(operands) % 2:
        text += "->" + term(operands[-1])
    terms, result = _parsed(text, [x.ndim for x in arrays])
    return terms, result, arrays


def _sizes(terms: Sequence[str], arrays: Sequence[Any]) -> dict[str, int]:
    """The size of every index; 1 broadcasts."""
    sizes: dict[str, int] = {}
    for term, x in zip(terms, arrays, strict=True):
        for c, n in zip(term, x.shape, strict=True):
            if n != 1 and sizes.get(c, 1) not in (1, n):
                raise ValueError(f"einsum: index {c!r} has sizes {sizes[c]} and {n}")
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    return sizes


def _path(terms: Sequence[str], result: str, arrays: Sequence[Any], optimize: Any) -> list[tuple[int, ...]]:
    """Which operands are taken together, step by step."""
    if len(arrays) < 3:
        return [tuple(range(len(arrays)))]
    stand_ins = [np.broadcast_to(np.zeros(()), x.shape) for x in arrays]
    way = optimize if isinstance(optimize, str | list | tuple) else "greedy"
    return list(np.einsum_path(f"{','.join(terms)}->{result}", *stand_ins, optimize=way)[0][1:])


# --- the work ------------------------------------------------------------------------------------


def _alone(term: str, x: Any, wanted: set[str]) -> tuple[str, Any]:
    """An operand with diagonals taken of repeated indices, and unwanted ones summed."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ValueError(f"einsum: the repeated index {c!r} has sizes {x.shape[i]} and {x.shape[j]}")
            x = np.diagonal(x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    gone = tuple(i for i, c in enumerate(term) if c not in wanted)
    return "".join(c for c in term if c in wanted), np.sum(x, axis=gone) if gone else x


def _pair(left: tuple[str, Any], right: tuple[str, Any], rest: set[str], sizes: dict[str, int]) -> tuple[str, Any]:
    """The contraction of two operands. rest: indices that are still wanted."""
    (s, a), (t, b) = _alone(*left, rest | set(right[0])), _alone(*right, rest | set(left[0]))
    both = [c for c in s if c in t]
    summed = [c for c in both if c not in rest]
    batch = [c for c in both if c in rest]
    rows, columns = [c for c in s if c not in t], [c for c in t if c not in s]
    if not summed:
        order = "".join((*batch, *rows, *columns))
        return order, _spread(a, s, order) * _spread(b, t, order)
    for c in summed:  # an index of size 1 in one of them only
        a, b = _grown(a, s.index(c), sizes[c]), _grown(b, t.index(c), sizes[c])
    a = np_transpose(a, [s.index(c) for c in (*batch, *rows, *summed)])
    b = np_transpose(b, [t.index(c) for c in (*batch, *summed, *columns)])
    n, k = len(batch), len(summed)
    m = math.prod(sizes[c] for c in summed)
    a = np_reshape(a, (*a.shape[:n], math.prod(a.shape[n : a.ndim - k]), m))
    b = np_reshape(b, (*b.shape[:n], m, math.prod(b.shape[n + k :])))
    shape = tuple(sizes[c] for c in (*rows, *columns))
    y = matmul(a, b)
    return "".join((*batch, *rows, *columns)), np_reshape(y, (*y.shape[:n], *shape))


def _grown(x: Any, axis: int, size: int) -> Any:
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    return x if x.shape == shape else lifted(np.broadcast_to(x, shape))


def _spread(x: Any, term: str, order: str) -> Any:
    """x with its axes in that order, and axes of length 1 for the indices that it has not."""
    x = np_transpose(x, [term.index(c) for c in order if c in term])
    return x[tuple(slice(None) if c in term else None for c in order)]


def _arranged(x: Any, term: str, result: str, sizes: dict[str, int]) -> Any:
    y = np_transpose(x, [term.index(c) for c in result])
    shape = tuple(sizes[c] for c in result)
    return y if y.shape == shape else np.broadcast_to(y, shape)


FUNCTIONS: dict[Any, Callable[..., Any]] = {np.einsum: einsum}
