"""Every form of index, read and written, and the functions that pick and put elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ops_check import Case, case, check

import adcore as ad
from adcore.errors import CheckError, TraceError

K = np.array([[0, 2, 1], [2, 2, -1]])
J = np.array([1, 0, 1])
MASK = np.array([[True, False, True], [False, True, True]])
ROWS = np.array([True, False])

READS: dict[str, Any] = {
    "integer array": lambda x: x[J],
    "negative and repeated": lambda x: x[[-1, 0, 0, -1]],
    "two axes of integers": lambda x: x[:, K],
    "arrays that broadcast": lambda x: x[[[0], [1]], [0, 2]],
    "array beside an int": lambda x: x[0, J],
    "array beside a slice": lambda x: x[::-1, [2, 0]],
    "separated by a slice": lambda x: x[[0, 1], :, [0, 4]],
    "int separated from an array": lambda x: x[1, :, [0, 4]],
    "separated by None": lambda x: x[[0, 1], None, [0, 2]],
    "after None": lambda x: x[None, :, [0, 2]],
    "ellipsis": lambda x: x[..., [4, 0, 0]],
    "ellipsis between": lambda x: x[[1, 0], ..., [0, 1]],
    "ellipsis that stands for nothing": lambda x: x[:, [0], ..., 0],
    "two adjacent in the middle": lambda x: x[:, [0, 2, 2], [1, 1, 3]],
    "mask of all leading axes": lambda x: x[MASK],
    "mask of one axis": lambda x: x[ROWS],
    "mask in the middle": lambda x: x[:, [True, False, True]],
    "mask with an array": lambda x: x[ROWS, [0, 2]],
    "list of lists": lambda x: x[[[0, 1], [1, 1]]],
    "nothing": lambda x: x[[]],
    "mask of nothing": lambda x: x[np.zeros((2, 3), bool)],
    "scalar true": lambda x: x[True],
    "scalar array index": lambda x: x[np.array(1)],
    "take": lambda x: np.take(x, K, axis=1),
    "take flat": lambda x: np.take(x, [0, 7, 29]),
    "take wrapped": lambda x: np.take(x, [-7, 8], axis=2, mode="wrap"),
    "take clipped": lambda x: np.take(x, [-7, 8], axis=2, mode="clip"),
    "take_along_axis": lambda x: np.take_along_axis(x, np.arange(10).reshape(1, 2, 5) % 3, 1),
    "take_along_axis broadcast": lambda x: np.take_along_axis(x, np.array([[[0], [2]]]), 1),
    "take_along_axis flat": lambda x: np.take_along_axis(x, np.array([3, 0]), None),
    "compress": lambda x: np.compress([True, False, True], x, axis=1),
    "extract": lambda x: np.extract(np.arange(30).reshape(2, 3, 5) % 4 == 0, x),
    "method": lambda x: x.take([0, 1, 1], axis=0),
    "insert": lambda x: np.insert(x, 1, 7.0, axis=1),
    "insert several": lambda x: np.insert(x, [0, 2, 2], x[:, :1], axis=1),
    "insert flat": lambda x: np.insert(x, 3, [1.0, 2.0]),
    "delete": lambda x: np.delete(x, [0, 2], axis=1),
    "delete slice": lambda x: np.delete(x, slice(1, 4), axis=-1),
}
CASES = [case(name, f, (2, 3, 5), complex=True) for name, f in READS.items()]


def written(write: Any) -> Any:
    """A function that writes v into a copy of x."""

    def f(x: Any, v: Any) -> Any:
        y = x * 1.0
        write(y, v)
        return y

    return f


def _setter(index: Any) -> Any:
    def write(y: Any, v: Any) -> None:
        y[index] = v

    return written(write)


def _adder(index: Any) -> Any:
    def write(y: Any, v: Any) -> None:
        y[index] += v

    return written(write)


def _view_write(y: Any, v: Any) -> None:
    rows = y[1:]
    rows[:, [0, 2]] = v


def _put_along(y: Any, v: Any) -> None:
    np.put_along_axis(y, np.array([[[0], [2]], [[1], [0]]]), v, 1)


WRITES: list[tuple[str, Any, tuple[int, ...]]] = [
    ("array", _setter(J[:2]), (2, 3, 5)),
    ("repeated: the last wins", _setter([0, 0, 1, 0]), (4, 3, 5)),
    ("value broadcast", _setter((slice(None), K)), (5,)),
    ("number", _setter(([0, 1], [2, 0])), ()),
    ("separated", _setter(([0, 1], slice(None), [0, 4])), (2, 3)),
    ("slice and array", _setter((0, slice(None, None, 2), [4, 1])), (2, 2)),
    ("mask", _setter(MASK), (4, 5)),
    ("mask with one value", _setter(MASK), (1, 5)),
    ("mask of rows", _setter(ROWS), (3, 5)),
    ("added once per place", _adder([0, 0, 1]), (3, 5)),
    ("mask added", _adder(MASK), ()),
    ("through a view", written(_view_write), (1, 2, 5)),
    ("add.at", written(lambda y, v: np.add.at(y, [0, 1, 1, 0], v)), (4, 3, 5)),
    ("add.at two axes", written(lambda y, v: np.add.at(y, (slice(None), [2, 2, 0]), v)), (3, 5)),
    ("subtract.at", written(lambda y, v: np.subtract.at(y, ([0, 0], [1, 1]), v)), (2, 5)),
    ("put_along_axis", written(_put_along), (2, 2, 1)),
    ("put", written(lambda y, v: np.put(y, [3, 3, 29], v)), (2,)),
    ("putmask", written(lambda y, v: np.putmask(y, np.arange(30).reshape(2, 3, 5) % 4 == 0, v)), (7,)),
    ("place", written(lambda y, v: np.place(y, np.arange(30).reshape(2, 3, 5) % 4 == 0, v)), (3,)),
    ("copyto where", written(lambda y, v: np.copyto(y, v, where=MASK[..., None])), (3, 1)),
    ("fill_diagonal", written(lambda y, v: np.fill_diagonal(y[0], v)), ()),
]
CASES += [case(name, f, (2, 3, 5), shape, complex=True) for name, f, shape in WRITES]
CASES += [
    case("choose", lambda a, b: np.choose(K % 3, [a, b, a * b]), (3,), (2, 1), complex=True),
    case("select", lambda a, b: np.select([K == 0, K == 2], [a, b], 5.0), (2, 3), (3,), complex=True),
    case("select traced", lambda a, b: np.select([a > 1, a > 0], [a * b, b], a), (2, 3), (3,)),
    case("piecewise", lambda x: np.piecewise(x, [x < 0, x > 1], [lambda t: t * t, 3.0, np.sin]), (7,)),
    case("piecewise real", lambda x: np.piecewise(x, [J == 0, J == 1], [np.cos, 2.0]), (3,)),
    case("fill_diagonal wrap", written(lambda y, v: np.fill_diagonal(y, v, wrap=True)), (7, 3), ()),
    case("fill_diagonal of transposed", written(lambda y, v: np.fill_diagonal(y.T, v)), (3, 2), (2,)),
]


@pytest.mark.parametrize("c", CASES, ids=repr)
def test_indexing(c: Case) -> None:
    check(c)


def _rows(x: Any, i: Any) -> Any:
    return x[np.arange(2), i] * x[i, 0]


TRACED: list[tuple[str, Any]] = [
    ("scalar", lambda x, i: x[i[0]]),
    ("scalar and slice", lambda x, i: x[i[0], 1:]),
    ("array", lambda x, i: x[i]),
    ("two arrays", lambda x, i: x[i, i]),
    ("beside a real array", _rows),
    ("list of scalars", lambda x, i: x[[i[0], i[1], 0]]),
    ("take_along_axis", lambda x, i: np.take_along_axis(x, i[:, None], 1)),
    ("take", lambda x, i: np.take(x, i, axis=1)),
    ("choose", lambda x, i: np.choose(i, [x[0, :2], x[1, 1:]])),
]


@pytest.mark.parametrize("name, f", TRACED, ids=[n for n, _ in TRACED])
def test_index_may_be_traced(name: str, f: Any) -> None:
    x, i = np.random.default_rng(3).normal(size=(2, 3)), np.array([1, 0])
    graph = ad.trace(f, x, i)
    np.testing.assert_array_equal(graph(x, i), f(x, i))
    found = ad.grad(lambda x: np.sum(np.sin(f(x, i))))(x)
    both = ad.grad(lambda x, i: np.sum(np.sin(f(x, i))))(x, i)
    np.testing.assert_array_equal(found, both)


def test_traced_index_written_twice_keeps_the_last() -> None:
    def f(x: Any, v: Any, i: Any) -> Any:
        y = x * 1.0
        y[i] = v
        return y

    x, v, i = np.arange(5.0), np.array([10.0, 20.0, 30.0]), np.array([1, 3, -4])
    graph = ad.trace(f, x, v, i)
    np.testing.assert_array_equal(graph(x, v, i), f(x, v, i))
    x_bar, v_bar = ad.grad(lambda x, v: np.sum(f(x, v, i) ** 2), wrt=[0, 1])(x, v)
    traced = ad.grad(lambda x, v, i: np.sum(f(x, v, i) ** 2), wrt=[0, 1])(x, v, i)
    np.testing.assert_array_equal(x_bar, [0, 0, 4, 0, 8])
    np.testing.assert_array_equal(v_bar, [0, 40, 60])
    np.testing.assert_array_equal(traced[0], x_bar)
    np.testing.assert_array_equal(traced[1], v_bar)


def test_traced_mask_may_be_written_through() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        y[x > 0] = 0.0
        y[x[:, 0] < 0, 1] = x[0, 0]
        y[:, x[0] > 0] += 1.0 * 0
        return y

    def plain(x: Any) -> Any:
        y = x * 2.0
        y[x > 0] = 0.0
        y[x[:, 0] < 0, 1] = x[0, 0]
        return y

    x = np.array([[1.0, -2.0, 0.5], [-1.0, 3.0, -0.5]])
    with pytest.raises(TraceError, match=r"(?s)a traced mask selects a number of elements.*use np.where\(mask, x, 0\)"):
        ad.trace(f, x)
    np.testing.assert_array_equal(ad.trace(plain, x)(x), plain(x))


def test_index_out_of_bounds_is_an_error_when_it_is_known() -> None:
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 3"):
        ad.trace(lambda x: x[[0, 5]], np.zeros(3))
    graph = ad.trace(lambda x, i: x[i], np.zeros(3), np.array([0, 1]))
    with pytest.raises(CheckError, match=r"(?s)index -4 is out of bounds for an axis of 3.*wrap_index at test_in"):
        graph(np.zeros(3), np.array([0, -4]))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.zeros(3)[np.rint(x).astype(int)],
        lambda x: np.zeros(3)[np.argmax(x)],
        lambda x: np.array([1.0, 2.0, 3.0])[x > 0],
    ],
)
def test_real_array_indexed_by_a_traced_one_says_what_to_write(call: Any) -> None:
    with pytest.raises(TraceError, match=r"adcore\.numpy\.take"):
        ad.trace(call, np.arange(3.0))


@pytest.mark.parametrize("index", [0.5, np.array([0.5]), "a"])
def test_index_of_another_kind_is_an_index_error(index: Any) -> None:
    with pytest.raises(IndexError, match="arrays used as indices must be of integer"):
        ad.trace(lambda x: x[index], np.arange(3.0))
