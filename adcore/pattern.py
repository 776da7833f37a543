"""Which elements of a result depend on which elements of an input, read from the graph.

Each value has a bool matrix: a row per element of it, a column per element of the input. A node combines the rows of
its inputs as its op says by `pattern`:

    elementwise ops   broadcast rows, joined
    "moves"           each element is one of an input's, or the sum of one of each: the op is run on their numbers
    "axes", "axis"    each element depends on all along the axes that go away, or along the axis that stays
    "...ij,...j->...i"    a product of sums; zeros of a constant factor count
    a function        of (node, rows, known, follow), for ops that carry graphs
    None              every element depends on all that any element of the inputs depends on

The pattern holds for all values of the inputs: it may be larger than that of the numbers, never smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adcore.errors import MissingExtraError
from adcore.graph import Graph, Node, Value, bodies
from adcore.registry import Op, find_op
from adcore.trace import array_type

Rows = Any
"""A bool csr_array; None where nothing depends on the input."""

MOST = 50_000_000
"""Index pairs of a product that are written out; a larger one counts as dense."""


def matrices() -> Any:
    """scipy.sparse. Raises MissingExtraError when SciPy is not installed."""
    try:
        import scipy.sparse
    except ImportError:
        raise MissingExtraError("sparse derivatives need SciPy", "", "pip install 'adcore[scipy]'") from None
    return scipy.sparse


def pattern_of(graph: Graph, wrt: int, of: int) -> Any:
    """The pattern of d output / d input: bool csr_array, (size of the output, size of the input)."""
    n = array_type(graph.inputs[wrt]).size
    seed = matrices().eye_array(n, format="csr", dtype=bool)
    rows = [seed if i == wrt else None for i in range(len(graph.inputs))]
    found = follow(graph, rows, [None] * len(graph.inputs))[of]
    if found is None:
        return matrices().csr_array((array_type(graph.outputs[of]).size, n), dtype=bool)
    found = found.tocsr()
    found.sum_duplicates()
    found.sort_indices()
    return found


def follow(graph: Graph, rows: Sequence[Rows], known: Sequence[Any]) -> list[Rows]:
    """The rows of a graph's outputs from those of its inputs. known: arrays of inputs that are constants."""
    env = {v: r for v, r in zip(graph.inputs, rows, strict=True) if r is not None}
    fixed: dict[Value, Any] = dict(graph.constants)
    fixed |= {v: a for v, a in zip(graph.inputs, known, strict=True) if a is not None}
    for node in graph.nodes:
        op = find_op(node.op)
        given = [env.get(v) for v in node.inputs]
        if all(r is None for r in given):
            _fold(op, node, fixed)
            continue
        if op.rule is not None and op.rule.kind == "zero":
            continue
        found = zip(node.outputs, _node(op, node, given, fixed), strict=True)
        env.update({v: r for v, r in found if r is not None and v.type.differentiable})
    return [env.get(v) for v in graph.outputs]


def _fold(op: Op, node: Node, fixed: dict[Value, Any]) -> None:
    """Compute what depends on constants only, if it is small: positions are made that way."""
    small = all(array_type(v).size <= 1_000_000 for v in node.outputs if hasattr(v.type, "shape"))
    if not small or any(bodies(node)) or any(v not in fixed for v in node.inputs) or len(node.outputs) != 1:
        return
    with np.errstate(all="ignore"):
        fixed[node.outputs[0]] = np.asarray(op.run(*(fixed[v] for v in node.inputs), **node.params))


def _node(op: Op, node: Node, rows: list[Rows], fixed: Mapping[Value, Any]) -> Sequence[Rows]:
    known = [fixed.get(v) for v in node.inputs]
    if callable(op.pattern):
        return op.pattern(node, rows, known, follow)  # type: ignore[no-any-return]
    if op.elementwise:
        found = _elementwise(node, rows)
    elif op.pattern == "moves":
        found = _moved(op, node, rows, known)
    elif op.pattern in ("axes", "axis"):
        found = _along(node, rows[0], keep=op.pattern == "axis")
    elif isinstance(op.pattern, str) and "->" in op.pattern:
        found = _product(op.pattern, node, rows, known)
    else:
        found = None
    return [_dense(v, rows) for v in node.outputs] if found is None else [found] * len(node.outputs)


def joined(rows: Sequence[Rows]) -> Rows:
    """Rows that depend on whatever any of them does."""
    some = [r for r in rows if r is not None]
    total = some[0] if some else None
    for r in some[1:]:
        total = total + r
    return total


def _dense(v: Value, rows: Sequence[Rows]) -> Rows:
    """Every element depends on all that any element of the inputs depends on."""
    sparse, size = matrices(), array_type(v).size
    columns = np.unique(np.concatenate([r.indices for r in rows if r is not None]))
    n = next(r.shape[1] for r in rows if r is not None)
    indptr = np.arange(size + 1) * len(columns)
    return sparse.csr_array((np.ones(size * len(columns), bool), np.tile(columns, size), indptr), shape=(size, n))


def _numbers(shape: tuple[int, ...], start: int = 0) -> Any:
    return np.arange(start, start + int(np.prod(shape))).reshape(shape)


def _elementwise(node: Node, rows: list[Rows]) -> Rows:
    shape = array_type(node.outputs[0]).shape
    parts = []
    for v, r in zip(node.inputs, rows, strict=True):
        if r is not None:
            own = array_type(v).shape
            parts.append(r if own == shape else r[np.broadcast_to(_numbers(own), shape).ravel()])
    return joined(parts)


def _moved(op: Op, node: Node, rows: list[Rows], known: list[Any]) -> Rows:
    """Run the op on the numbers of the elements of one input, from 1 on, the other inputs being zero."""
    types = [array_type(v) for v in node.inputs]
    if any(a is None and not t.differentiable for a, t in zip(known, types, strict=True)):
        return None  # positions that are not known
    nothing = [np.zeros(t.shape, np.int64) if t.differentiable else a for a, t in zip(known, types, strict=True)]
    parts = []
    for i, (t, r) in enumerate(zip(types, rows, strict=True)):
        if r is not None:
            source = np.asarray(op.run(*nothing[:i], _numbers(t.shape, 1), *nothing[i + 1 :], **node.params)).ravel()
            at = np.flatnonzero(source)
            picks = (np.ones(at.size, bool), (at, source[at] - 1))
            parts.append(matrices().csr_array(picks, shape=(source.size, t.size)) @ r)
    return joined(parts)


def _along(node: Node, r: Rows, keep: bool) -> Rows:
    t, params = array_type(node.inputs[0]), node.params
    axes = params["axes"] if "axes" in params else (params["axis"],)
    kept = tuple(1 if i - t.ndim in axes or i in [a % t.ndim for a in axes] else n for i, n in enumerate(t.shape))
    group = np.broadcast_to(_numbers(kept), t.shape).ravel()
    size = int(np.prod(kept))
    gather = matrices().csr_array((np.ones(t.size, bool), (group, np.arange(t.size))), shape=(size, t.size))
    summed = gather @ r
    return summed[group] if keep else summed


def _product(signature: str, node: Node, rows: list[Rows], known: list[Any]) -> Rows:
    """Rows of a product of sums: element by element of each factor that depends on the input."""
    inputs, output = signature.replace(" ", "").split("->")
    labels, out, sizes = _labels(inputs.split(","), output, node)
    if int(np.prod(list(sizes.values()))) > MOST:
        return None
    grid = dict(zip(sizes, np.ogrid[tuple(slice(n) for n in sizes.values())], strict=True)) if sizes else {}
    whole = tuple(sizes.values())
    live = np.ones(whole, bool)
    for names, v, a in zip(labels, node.inputs, known, strict=True):
        if a is not None:
            live = live & (a[_index(names, array_type(v).shape, grid)] != 0)
    shape = array_type(node.outputs[0]).shape
    target = np.broadcast_to(_flat(out, shape, grid), whole)[live]
    parts = []
    for names, v, r in zip(labels, node.inputs, rows, strict=True):
        if r is not None:
            t = array_type(v)
            source = np.broadcast_to(_flat(names, t.shape, grid), whole)[live]
            pairs = (np.ones(len(target), bool), (target, source))
            parts.append(matrices().csr_array(pairs, shape=(int(np.prod(shape)), t.size)) @ r)
    return joined(parts)


def _labels(inputs: list[str], output: str, node: Node) -> tuple[list[list[str]], list[str], dict[str, int]]:
    """Axis labels of every input and the output, leading axes named by their place from the right; and all sizes."""
    sizes: dict[str, int] = {}

    def named(text: str, shape: tuple[int, ...]) -> list[str]:
        core = list(text.removeprefix("..."))
        lead = len(shape) - len(core)
        return [f"-{lead - i}" for i in range(lead)] + core

    labels = [named(text, array_type(v).shape) for text, v in zip(inputs, node.inputs, strict=True)]
    for names, v in zip(labels, node.inputs, strict=True):
        for name, n in zip(names, array_type(v).shape, strict=True):
            sizes[name] = max(sizes.get(name, 1), n) if n != 1 or name in sizes else 1
    return labels, named(output, array_type(node.outputs[0]).shape), sizes


def _index(names: list[str], shape: tuple[int, ...], grid: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(grid[name] if n != 1 else 0 * grid[name] for name, n in zip(names, shape, strict=True))


def _flat(names: list[str], shape: tuple[int, ...], grid: Mapping[str, Any]) -> Any:
    flat: Any = 0
    for index, n in zip(_index(names, shape, grid), shape, strict=True):
        flat = flat * n + index
    return flat


Pattern = str | Callable[..., Sequence[Rows]] | None
"""What an op says of itself; see above."""
