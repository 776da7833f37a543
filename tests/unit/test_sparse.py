"""Sparse derivatives: the numbers of the dense ones, in as few passes as the structure allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adcore as ad
from adcore.colour import distance_two, star
from adcore.errors import InputError
from adcore.pattern import matrices

RNG = np.random.default_rng(20260105)
BANDED = np.triu(np.tril(RNG.normal(size=(31, 31)), 1), -1)


def tridiagonal(x):
    return np.concatenate([x[:1], np.sin(x[1:-1]) * x[:-2] - x[2:] ** 2, x[-1:]])


def blocks(x):
    rows = np.reshape(x, (-1, 4))
    return np.sum(rows[:, :, None] * rows[:, None, :], axis=1)


def laplacian(x):
    u = np.zeros_like(x, shape=(9, 9))
    u[1:-1, 1:-1] = np.reshape(x, (7, 7))
    return 4 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:] + np.exp(u[1:-1, 1:-1])


JACOBIANS = [
    (tridiagonal, 101, 3),
    (lambda x: x[1:-1] ** 2 + x[:-2] - x[2:], 1000, 3),
    (blocks, 44, 4),
    (lambda x: np.tanh(BANDED @ x), 31, 3),
    (lambda x: np.reshape(x, (7, 5)) @ np.eye(5) * 2.0, 35, 1),
    (lambda x: np.sum(np.reshape(x, (7, 5)) ** 2, axis=1), 35, 1),
    (lambda x: np.max(np.reshape(x, (5, 7)), axis=0), 35, 1),
    (laplacian, 49, 7),
    (lambda x: x[np.array([3, 1, 1, 0])] * x[:4], 11, 2),
    (lambda x: np.where(x > 0, x * np.roll(x, 1), np.roll(x, 1)), 21, 3),
    (lambda x: ad.scan(lambda c, y: (y, c * y), x[0], x[1:])[1], 29, 2),
    (lambda x: ad.cond(x[0] > 0, lambda x: x * x, lambda x: x[::-1], x), 13, 2),
    (ad.region(lambda x: x * np.flip(x), name="part"), 13, 2),
    (lambda x: np.ones(3) * 2.0 + 0.0 * x[:3], 7, 1),
    (lambda x: np.cumsum(x), 7, 7),
    (lambda x: np.linalg.solve(BANDED + 9 * np.eye(31), x), 31, 31),
]


@pytest.mark.parametrize("f, n, passes", JACOBIANS)
@pytest.mark.parametrize("strategy", [None, "forward", "reverse"])
def test_a_sparse_jacobian_has_the_numbers_of_the_dense_one(f, n, passes, strategy):
    x = RNG.normal(size=n)
    sparse = ad.sparse_jacobian(f, strategy=strategy) if strategy else ad.sparse_jacobian(f)
    found = sparse(x)
    dense = ad.jacobian(f)(x).reshape(-1, n)
    np.testing.assert_allclose(found.toarray(), dense, rtol=1e-13, atol=1e-13)
    told = sparse.sparsity(x)
    assert told.pattern.shape == dense.shape
    assert strategy is not None or told.passes == passes
    assert told.by == {"forward": "columns", "reverse": "rows"}.get(strategy or "", told.by)


HESSIANS = [
    (lambda x: np.sum(x[1:] * x[:-1] ** 2), 101, 3),
    (lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), 50, 3),
    (lambda x: x[0] * np.sum(x**2), 31, 2),
    (lambda x: np.sum(np.prod(np.reshape(x, (-1, 3)), axis=1)), 33, 3),
    (lambda x: np.sum(x[np.arange(0, 30, 3)] * x[np.arange(1, 30, 3)]), 30, 2),
    (lambda x: np.sum(x**4), 17, 1),
    (lambda x: np.sum(laplacian(x) ** 2), 49, None),
]


@pytest.mark.parametrize("f, n, passes", HESSIANS)
def test_a_sparse_hessian_has_the_numbers_of_the_dense_one(f, n, passes):
    x = RNG.normal(size=n)
    sparse = ad.sparse_hessian(f)
    found = sparse(x).toarray()
    np.testing.assert_allclose(found, ad.hessian(f)(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found, found.T, rtol=1e-12, atol=1e-12)
    assert passes is None or sparse.sparsity(x).passes == passes
    assert sparse.sparsity(x).passes < n


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_no_row_meets_two_columns_of_one_colour(m, n, seed):
    pattern = np.random.default_rng(seed).random((m, n)) < 0.3
    colours = distance_two(matrices().csr_array(pattern))
    assert colours.min() >= 0
    for row in pattern:
        met = colours[row]
        assert len(set(met)) == len(met)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_every_entry_of_a_symmetric_matrix_can_be_read_off(n, seed):
    rng = np.random.default_rng(seed)
    pattern = rng.random((n, n)) < 0.25
    pattern |= pattern.T | np.eye(n, dtype=bool)
    colours = star(matrices().csr_array(pattern))
    for i, j in zip(*np.nonzero(pattern), strict=True):
        alone = [np.sum(colours[pattern[a]] == colours[b]) == 1 for a, b in ((i, j), (j, i))]
        assert any(alone)


def test_other_arguments_and_dtypes_are_passed_through():
    f = lambda a, x, b: a * x[1:] * x[:-1] + b
    x = RNG.normal(size=9).astype(np.float32)
    found = ad.sparse_jacobian(f, wrt="x")(np.float32(2.0), x, np.float32(1.0))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), ad.jacobian(f, wrt=1)(np.float32(2.0), x, np.float32(1.0)))


def test_a_saved_graph_has_a_sparse_jacobian():
    graph = ad.loads(ad.trace(tridiagonal, np.ones(30)).dumps())
    x = RNG.normal(size=30)
    np.testing.assert_array_equal(ad.sparse_jacobian(graph)(x).toarray(), ad.sparse_jacobian(tridiagonal)(x).toarray())


def test_several_arrays_are_refused():
    with pytest.raises(InputError, match=r"^a sparse derivative is by one array; 2 were named\n  in <lambda>\n"):
        ad.sparse_jacobian(lambda a, b: a * b, wrt=[0, 1])(np.ones(3), np.ones(3))
    with pytest.raises(InputError, match=r"^a sparse derivative is of one array; <lambda> gives 2$"):
        ad.sparse_jacobian(lambda a: (a, a))(np.ones(3))
