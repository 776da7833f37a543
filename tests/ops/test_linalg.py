"""numpy.linalg on traced arrays: NumPy's values, derivatives against differences, and the points that were chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import directional

import adcore as ad
from adcore.testing import check_grads

RNG = np.random.default_rng(20260102)
A, B = RNG.normal(size=(3, 3)) + 2.0 * np.eye(3), RNG.normal(size=(3, 3))
TALL, WIDE, STACK = RNG.normal(size=(5, 3)), RNG.normal(size=(2, 7)), RNG.normal(size=(2, 3, 3)) + 3.0 * np.eye(3)
COMPLEX = A + 1j * B
SPD = A @ A.T + np.eye(3)
VECTOR = RNG.normal(size=3)
BOX = RNG.normal(size=(2, 3, 5))

FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "solve, a vector": (np.linalg.solve, (A, VECTOR)),
    "solve, matrices": (np.linalg.solve, (STACK, TALL[:3])),
    "solve, one vector for a stack": (np.linalg.solve, (STACK, VECTOR)),
    "solve, complex and real": (np.linalg.solve, (COMPLEX, B)),
    "tensorsolve": (np.linalg.tensorsolve, (RNG.normal(size=(2, 3, 6)), RNG.normal(size=(2, 3)))),
    "tensorsolve, axes": (
        lambda a, b: np.linalg.tensorsolve(a, b, (0,)), (RNG.normal(size=(6, 2, 3)), RNG.normal(size=(2, 3))),
    ),
    "tensorinv": (np.linalg.tensorinv, (RNG.normal(size=(2, 3, 6)),)),
    "inv": (np.linalg.inv, (COMPLEX,)),
    "pinv": (np.linalg.pinv, (TALL,)),
    "pinv, rtol": (lambda a: np.linalg.pinv(a, rtol=1e-10), (WIDE,)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b, None)[0], (TALL, RNG.normal(size=5))),
    "lstsq, residuals": (lambda a, b: np.linalg.lstsq(a, b, None)[1], (TALL, RNG.normal(size=(5, 2)))),
    "det": (np.linalg.det, (COMPLEX,)),
    "slogdet": (lambda a: tuple(np.linalg.slogdet(a)), (-STACK,)),
    "slogdet, complex": (lambda a: tuple(np.linalg.slogdet(a)), (COMPLEX,)),
    "cholesky": (np.linalg.cholesky, (SPD,)),
    "cholesky, upper": (lambda a: np.linalg.cholesky(a, upper=True), (SPD,)),
    "qr": (lambda a: tuple(np.linalg.qr(a)), (TALL,)),
    "qr, complex": (lambda a: tuple(np.linalg.qr(a)), (COMPLEX,)),
    "qr, r": (lambda a: np.linalg.qr(a, "r"), (WIDE,)),
    "svd": (lambda a: tuple(np.linalg.svd(a, full_matrices=False)), (TALL,)),
    "svd, values": (lambda a: np.linalg.svd(a, compute_uv=False), (COMPLEX,)),
    "eigh": (lambda a: tuple(np.linalg.eigh(a)), (A + A.T,)),
    "eigh of what is not symmetric": (lambda a: tuple(np.linalg.eigh(a, "U")), (A,)),
    "eigvalsh": (np.linalg.eigvalsh, (COMPLEX,)),
    "eig": (lambda a: tuple(np.linalg.eig(a)), (COMPLEX,)),
    "eig, a complex pair": (lambda a: tuple(np.linalg.eig(a)), (A + np.array([[0, 3.0, 0], [-3.0, 0, 0], [0, 0, 0]]),)),
    "eigvals": (np.linalg.eigvals, (COMPLEX,)),
    "cond": (np.linalg.cond, (A,)),
    "cond, -2": (lambda a: np.linalg.cond(a, -2), (A,)),
    "cond, 1": (lambda a: np.linalg.cond(a, 1), (A,)),
    "cond, fro": (lambda a: np.linalg.cond(a, "fro"), (STACK,)),
    "matrix_power, 5": (lambda a: np.linalg.matrix_power(a, 5), (A,)),
    "matrix_power, -3": (lambda a: np.linalg.matrix_power(a, -3), (STACK,)),
    "multi_dot": (lambda a, b, c, d: np.linalg.multi_dot([a, b, c, d]), (VECTOR, A, TALL.T, RNG.normal(size=5))),
    "matrix_norm": (np.linalg.matrix_norm, (BOX,)),
    "vector_norm": (lambda x: np.linalg.vector_norm(x, axis=(0, 2), ord=3), (BOX,)),
    "svdvals": (np.linalg.svdvals, (BOX,)),
    "trace": (lambda a: np.linalg.trace(a, offset=1), (BOX,)),
    "diagonal": (lambda a: np.linalg.diagonal(a, offset=1), (BOX,)),
    "matrix_transpose": (np.linalg.matrix_transpose, (BOX,)),
    "outer": (np.linalg.outer, (VECTOR, VECTOR)),
    "cross": (np.linalg.cross, (A, VECTOR)),
    "vecdot": (np.linalg.vecdot, (COMPLEX, COMPLEX)),
}  # fmt: skip

functions = pytest.mark.parametrize("name", FUNCTIONS)


def flat(y: Any) -> Any:
    parts = [np.ravel(part) for part in (y if isinstance(y, tuple) else (y,))]
    return np.concatenate(parts)


@functions
def test_a_traced_function_has_the_value_of_numpy(name: str) -> None:
    f, args = FUNCTIONS[name]
    np.testing.assert_allclose(flat(ad.trace(f, *args)(*args)), flat(f(*args)), rtol=1e-12, atol=1e-13)


@functions
def test_derivatives_agree_with_differences_to_second_order(name: str) -> None:
    f, args = FUNCTIONS[name]
    check_grads(f, args)


# --- norms ---------------------------------------------------------------------------------------

VECTOR_ORDERS = (None, 0, 1, 2, 3, 0.5, -1, -2.5, np.inf, -np.inf)
MATRIX_ORDERS = (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("order", "axis"),
    [(o, a) for o in VECTOR_ORDERS for a in (0, -1)] + [(o, a) for o in MATRIX_ORDERS for a in ((0, 1), (-1, 0))],
)
@pytest.mark.parametrize("dtype", [float, complex])
def test_every_norm_has_numpys_value_and_its_derivative(order: Any, axis: Any, keepdims: bool, dtype: Any) -> None:
    x = BOX if dtype is float else BOX + 1j * np.cos(7 * BOX)
    f = lambda x: np.linalg.norm(x, order, axis, keepdims)
    np.testing.assert_allclose(ad.trace(f, x)(x), f(x), rtol=1e-13)
    check_grads(f, (x,))


@pytest.mark.parametrize("order", [None, 1, 2, 3, 0.5, np.inf])
def test_the_derivative_of_a_norm_at_zero_is_zero(order: Any) -> None:
    gradient = ad.grad(lambda x: np.linalg.norm(x, order))(np.zeros(3))
    np.testing.assert_array_equal(gradient, np.zeros(3))


def test_the_norm_of_an_integer_array_is_a_float() -> None:
    x = np.arange(5)
    assert ad.trace(np.linalg.norm, x)(x) == np.linalg.norm(x)


# --- chosen values -------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("dtype", [float, complex])
def test_the_gradient_of_det_is_right_at_singular_matrices(rank: int, dtype: Any) -> None:
    a = (TALL[:3, :rank] @ TALL[2:5, :rank].T).astype(dtype)
    if dtype is complex:
        a = a @ (np.eye(3) + 0.3j * B)
    dot = B.astype(dtype)
    _, y_dot = ad.jvp(np.linalg.det, (a,), (dot,))
    truth = directional(lambda t: np.linalg.det(a + t * dot).real)
    np.testing.assert_allclose(np.real(y_dot), truth, atol=1e-10)


def test_the_second_derivative_of_det_at_a_singular_matrix_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match=r"linalg::inv: Singular matrix\n  at test_linalg.py:\d+"):
        ad.hvp(lambda a: np.linalg.det(a), (np.zeros((3, 3)),), (A,))


def test_det_of_the_identity_has_its_second_derivative() -> None:
    # d2 det(I)[E, F] = tr E tr F - tr(E F)
    hvp = ad.hvp(np.linalg.det, (np.eye(3),), (A,))[0]
    np.testing.assert_allclose(hvp, np.trace(A) * np.eye(3) - A.T, rtol=1e-12, atol=1e-12)


def test_repeated_eigenvalues_leave_symmetric_functions_of_them_right() -> None:
    # tr A^2 by its eigenvalues: the gradient is 2 A wherever it is
    a = np.diag([2.0, 2.0, 5.0])
    for eigenvalues in (np.linalg.eigvalsh, lambda a: np.linalg.eigh(a)[0], lambda a: np.linalg.eigvals(a).real):
        np.testing.assert_allclose(ad.grad(lambda a, f=eigenvalues: np.sum(f(a) ** 2))(a), 2.0 * a, atol=1e-14)


def test_eigenvectors_of_repeated_eigenvalues_take_no_share() -> None:
    def f(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return np.sum(v * np.arange(9.0).reshape(3, 3)) + np.sum(w)

    def others(a: Any) -> Any:
        return np.linalg.eigh(a)[1][:, 2]

    a = np.diag([2.0, 2.0, 5.0])
    assert np.all(np.isfinite(ad.grad(f)(a)))
    np.testing.assert_array_equal(ad.grad(f)(np.eye(3)), np.eye(3))
    _, dot = ad.jvp(others, (a,), (A + A.T,))
    np.testing.assert_allclose(dot, np.array([*(A + A.T)[:2, 2] / 3.0, 0.0]), rtol=1e-14)


def test_eigenvalues_within_rounding_of_each_other_count_as_repeated() -> None:
    turn = np.linalg.qr(A)[0]
    a = turn @ np.diag([1.0, 1.0 + 1e-15, 3.0]) @ turn.T
    gradient = ad.grad(lambda a: np.sum(np.sin(np.linalg.eigh(a)[1])))(a)
    assert np.max(np.abs(gradient)) < 10.0


def test_eigh_reads_one_triangle_and_so_does_its_derivative() -> None:
    gradient = ad.grad(lambda a: np.linalg.eigh(a)[0][0])(A)
    assert np.all(np.triu(gradient, 1) == 0)
    assert np.all(np.tril(ad.grad(lambda a: np.linalg.eigvalsh(a, "U")[0])(A), -1) == 0)
    assert np.all(np.triu(ad.grad(lambda a: np.sum(np.linalg.cholesky(a)))(SPD), 1) == 0)


def test_log_det_by_cholesky_has_the_inverse_as_its_symmetric_gradient() -> None:
    def log_det(a: Any) -> Any:
        return 2.0 * np.sum(np.log(np.diagonal(np.linalg.cholesky((a + a.T) / 2.0))))

    np.testing.assert_allclose(ad.grad(log_det)(SPD), np.linalg.inv(SPD), rtol=1e-12)


@pytest.mark.parametrize("full", [False, True])
def test_singular_vectors_of_zero_and_of_repeated_values_take_no_share(full: bool) -> None:
    def f(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a, full_matrices=full)
        return np.sum(np.sin(u)) + np.sum(np.cos(vh)) + np.sum(s)

    for a in (np.zeros((3, 2)), np.eye(3), np.outer(VECTOR, VECTOR), np.zeros((0, 3))):
        assert np.all(np.isfinite(ad.grad(f)(a)))


def test_a_low_rank_matrix_has_the_derivative_of_its_svd_product() -> None:
    # U diag(s) V^H is the matrix itself, also where its rank is deficient
    a = np.outer(VECTOR, RNG.normal(size=5))

    def again(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return (u * s) @ vh

    dot = np.outer(VECTOR, RNG.normal(size=5))  # along the matrices of this rank
    np.testing.assert_allclose(ad.jvp(again, (a,), (dot,))[1], dot, atol=1e-12)


def test_pinv_is_differentiated_at_constant_rank() -> None:
    check_grads(lambda x, y: np.linalg.pinv(x @ y, rcond=1e-10), (TALL[:, :2], WIDE))


def test_eig_of_a_real_matrix_is_complex_whatever_its_eigenvalues() -> None:
    graph = ad.trace(lambda a: tuple(np.linalg.eig(a)), SPD)
    assert [y.dtype for y in graph(SPD)] == [np.dtype(complex)] * 2
    np.testing.assert_allclose(graph(SPD)[0], np.linalg.eig(SPD)[0])


def test_matrix_rank_is_an_integer_without_derivative() -> None:
    a = np.stack([np.eye(3), np.outer(VECTOR, VECTOR)])
    np.testing.assert_array_equal(ad.trace(np.linalg.matrix_rank, a)(a), [3, 1])
    f = lambda a: np.linalg.matrix_rank(a, tol=1e-3) * np.sum(a)
    np.testing.assert_array_equal(ad.grad(f)(np.eye(3)), 3.0 * np.ones((3, 3)))


def test_matrix_power_zero_is_the_identity() -> None:
    f = lambda a: np.linalg.matrix_power(a, 0)
    np.testing.assert_array_equal(ad.trace(f, STACK)(STACK), f(STACK))
    np.testing.assert_array_equal(ad.jvp(f, (STACK,), (STACK,))[1], np.zeros((2, 3, 3)))


# --- forms of results, batches -------------------------------------------------------------------


def test_results_have_the_names_that_numpy_gives_them() -> None:
    f = lambda a: np.linalg.svd(a).S.sum() + np.linalg.eigh(a).eigenvalues.sum() + np.linalg.slogdet(a).logabsdet
    assert ad.trace(f, A)(A) == pytest.approx(f(A))
    traced, plain = ad.trace(np.linalg.qr, A)(A), np.linalg.qr(A)
    assert type(traced) is type(plain)


def test_a_batch_of_right_sides_is_one_system() -> None:
    graph = ad.trace(lambda xs: ad.vmap(lambda x: np.linalg.solve(A, x))(xs), TALL)
    (node,) = [n for n in graph.nodes if n.op == "linalg::solve"]
    assert [v.type.shape for v in node.inputs] == [(3, 3), (3, 5)]
    np.testing.assert_allclose(graph(TALL), np.linalg.solve(A, TALL.T).T)


def test_the_jacobian_of_a_solution_takes_one_solve_with_the_matrix() -> None:
    f = lambda b: np.linalg.solve(A, b)
    np.testing.assert_allclose(ad.jacobian(f)(VECTOR), np.linalg.inv(A), rtol=1e-12)


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_singular_matrix_is_named_with_op_and_line() -> None:
    def f(a: Any) -> Any:
        return np.linalg.inv(a)

    with pytest.raises(ad.AdcoreError) as found:
        ad.trace(f, A)(np.zeros((3, 3)))
    assert isinstance(found.value, np.linalg.LinAlgError)
    line = f.__code__.co_firstlineno + 1
    assert str(found.value) == (
        f"linalg::inv: Singular matrix\n  at test_linalg.py:{line}, in graph f\n"
        "  look at the matrix there: its condition, its symmetry, whether it holds nan or inf"
    )


def test_a_matrix_that_is_not_positive_definite_is_an_error() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="linalg::cholesky: Matrix is not positive definite"):
        ad.grad(lambda a: np.sum(np.linalg.cholesky(a)))(-np.eye(3))


@pytest.mark.parametrize(
    ("f", "x", "message"),
    [
        (np.linalg.inv, TALL, "linalg::inv cannot be applied to float64.5,3.: a square matrix is needed"),
        (np.linalg.det, VECTOR, "a matrix, or a stack of them, is needed: at least two axes"),
        (lambda a: np.linalg.solve(a, np.ones(2)), A, "a matrix of 3 columns does not fit a right side of 2 rows"),
        (lambda a: np.linalg.qr(a, "raw"), A, "np.linalg.qr of mode 'raw' gives Householder vectors, which have no op"),
        (np.linalg.inv, A.astype(np.float16), "there is no LAPACK routine for float16; convert it to float32"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_typed_error(f: Any, x: Any, message: str) -> None:
    with pytest.raises(ad.AdcoreError, match=message):
        ad.trace(f, x)
