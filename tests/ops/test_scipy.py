"""adcore.scipy: SciPy's values, with and without tracing, and derivatives against differences in both modes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, special

import adcore as ad
from adcore.testing import check_grads

RNG = np.random.default_rng(20260104)
A, B = RNG.normal(size=(3, 3)) + 3.0 * np.eye(3), RNG.normal(size=(3, 2))
SPD = A @ A.T + np.eye(3)
TALL, WIDE = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 5))
COMPLEX = A + 1j * RNG.normal(size=(3, 3))
X = RNG.normal(size=7)
IMAGE, KERNEL = RNG.normal(size=(5, 7)), RNG.normal(size=(2, 3))
BANDS = RNG.normal(size=(4, 5)) + 5.0 * (np.arange(4) == 2)[:, None]
P = np.array([0.1, 0.45, 0.85])

CASES: list[tuple[str, Callable[[Any], Callable[..., Any]], tuple[Any, ...]]] = [
    # name, f from the module (ours or SciPy's), arguments
    ("linalg.solve", lambda m: m.solve, (A, B)),
    ("linalg.solve transposed", lambda m: lambda a, b: m.solve(a, b, transposed=True), (A, B[:, 0])),
    ("linalg.inv", lambda m: m.inv, (COMPLEX,)),
    ("linalg.det", lambda m: m.det, (A,)),
    ("linalg.pinv", lambda m: m.pinv, (TALL,)),
    ("linalg.solve_triangular", lambda m: m.solve_triangular, (A, B)),
    ("linalg.solve_triangular lower T", lambda m: lambda a, b: m.solve_triangular(a, b, "T", True), (A, B[:, 0])),
    ("linalg.solve_triangular C", lambda m: lambda a, b: m.solve_triangular(a, b, 2), (COMPLEX, B)),
    ("linalg.solve_triangular unit", lambda m: lambda a, b: m.solve_triangular(a, b, 0, True, True), (A, B)),
    ("linalg.solve_banded", lambda m: lambda ab, b: m.solve_banded((1, 2), ab, b), (BANDS, X[:5])),
    ("linalg.solve_sylvester", lambda m: m.solve_sylvester, (A, TALL[:2, :2], B)),
    ("linalg.solve_continuous_lyapunov", lambda m: m.solve_continuous_lyapunov, (COMPLEX, A)),
    ("linalg.solve_discrete_lyapunov", lambda m: m.solve_discrete_lyapunov, (A / 9, SPD)),
    ("linalg.cholesky", lambda m: m.cholesky, (SPD,)),
    ("linalg.cholesky lower", lambda m: lambda a: m.cholesky(a, lower=True), (SPD,)),
    ("linalg.cho_solve", lambda m: lambda a, b: m.cho_solve(m.cho_factor(a), b), (SPD, B)),
    ("linalg.cho_solve lower", lambda m: lambda a, b: m.cho_solve(m.cho_factor(a, True), b), (SPD, B[:, 0])),
    ("linalg.lu_factor", lambda m: lambda a: m.lu_factor(a)[0], (WIDE,)),
    ("linalg.lu_solve", lambda m: lambda a, b: m.lu_solve(m.lu_factor(a), b), (A[::-1], B)),
    ("linalg.lu_solve T", lambda m: lambda a, b: m.lu_solve(m.lu_factor(a), b, 1), (A[::-1], B[:, 0])),
    ("linalg.lu_solve C", lambda m: lambda a, b: m.lu_solve(m.lu_factor(a), b, 2), (COMPLEX, B)),
    ("linalg.lu", lambda m: lambda a: m.lu(a)[1:], (TALL,)),
    ("linalg.lu permuted", lambda m: lambda a: m.lu(a, True), (WIDE,)),
    ("linalg.qr", lambda m: lambda a: m.qr(a, mode="economic"), (TALL,)),
    ("linalg.svd", lambda m: lambda a: m.svd(a, full_matrices=False), (WIDE,)),
    ("linalg.svdvals", lambda m: m.svdvals, (TALL,)),
    ("linalg.eigh", lambda m: lambda a: (m.eigh(a)[0], np.abs(m.eigh(a)[1])), (SPD,)),
    ("linalg.eigh general", lambda m: lambda a, b: (m.eigh(a, b)[0], np.abs(m.eigh(a, b)[1])), (A + A.T, SPD)),
    ("linalg.eigvalsh general upper", lambda m: lambda a, b: m.eigvalsh(a, b, lower=False), (A + A.T, SPD)),
    ("linalg.eigvals", lambda m: m.eigvals, (COMPLEX,)),
    ("linalg.norm", lambda m: lambda a: m.norm(a, "nuc"), (TALL,)),
    ("linalg.expm", lambda m: m.expm, (A,)),
    ("linalg.expm complex", lambda m: m.expm, (COMPLEX,)),
    ("linalg.expm stack", lambda m: m.expm, (np.stack([A, SPD / 9]),)),
    ("linalg.logm", lambda m: m.logm, (SPD,)),
    ("linalg.sqrtm", lambda m: m.sqrtm, (COMPLEX,)),
    ("linalg.cosm", lambda m: m.cosm, (A,)),
    ("linalg.tanhm", lambda m: m.tanhm, (A / 5,)),
    ("linalg.expm_frechet", lambda m: m.expm_frechet, (A, SPD)),
    ("linalg.block_diag", lambda m: m.block_diag, (A, B, X)),
    ("linalg.toeplitz", lambda m: m.toeplitz, (X, X[:3])),
    ("linalg.toeplitz complex", lambda m: m.toeplitz, (COMPLEX[0],)),
    ("linalg.circulant", lambda m: m.circulant, (X,)),
    ("linalg.hankel", lambda m: m.hankel, (X, X[:3])),
    ("linalg.khatri_rao", lambda m: m.khatri_rao, (A, TALL)),
    ("special.logsumexp", lambda m: lambda x: m.logsumexp(x, axis=1, keepdims=True), (IMAGE,)),
    ("special.logsumexp weighted", lambda m: lambda x, b: m.logsumexp(x, axis=(0, 1), b=b), (IMAGE, IMAGE**2)),
    ("special.logsumexp signed", lambda m: lambda x, b: m.logsumexp(x, 0, b, return_sign=True)[0], (IMAGE, IMAGE)),
    ("special.logsumexp complex", lambda m: m.logsumexp, (COMPLEX,)),
    ("special.softmax", lambda m: lambda x: m.softmax(x, axis=0), (IMAGE,)),
    ("special.log_softmax", lambda m: m.log_softmax, (IMAGE,)),
    ("special.polygamma", lambda m: lambda x: m.polygamma(np.array([[0], [1], [4]]), x), (P,)),
    ("special.multigammaln", lambda m: lambda x: m.multigammaln(x, 3), (P + 2.0,)),
    ("special.comb", lambda m: m.comb, (P + 4.0, P + 1.0)),
    ("special.comb repetition", lambda m: lambda n, k: m.comb(n, k, repetition=True), (P + 4.0, P + 1.0)),
    ("special.perm", lambda m: m.perm, (P + 4.0, P + 1.0)),
    ("special.sinc", lambda m: m.sinc, (P,)),
    ("special.softplus", lambda m: m.softplus, (X,)),
    ("special.spherical_jn", lambda m: lambda x: m.spherical_jn(np.array([[0], [2]]), x), (P,)),
    ("special.spherical_kn slope", lambda m: lambda x: m.spherical_kn(2, x, derivative=True), (P,)),
    ("special.gamma", lambda m: m.gamma, (P,)),
    ("fft.fft", lambda m: lambda x: m.fft(x, 9, norm="ortho"), (X,)),
    ("fft.rfftn", lambda m: lambda x: m.rfftn(x, (4, 6)), (IMAGE,)),
    ("fft.irfft2", lambda m: m.irfft2, (COMPLEX,)),
    ("fft.hfft", lambda m: m.hfft, (COMPLEX,)),
    ("fft.hfftn", lambda m: m.hfftn, (COMPLEX,)),
    ("fft.ihfftn", lambda m: m.ihfftn, (IMAGE,)),
    ("fft.fftshift", lambda m: m.fftshift, (IMAGE,)),
    *(
        (f"fft.{name} {kind} {norm} {n}", lambda m, name=name, kind=kind, norm=norm, n=n: lambda x: getattr(m, name)(
            x, kind, n, 0, norm), (IMAGE,))
        for name in ("dct", "idct", "dst", "idst")
        for kind in (1, 2, 3, 4)
        for norm, n in ((None, None), ("ortho", 4), ("forward", 8))
    ),
    *(
        (f"signal.{name} {mode} {method}", lambda m, name=name, mode=mode, method=method: lambda a, b: getattr(m, name)(
            a, b, mode, method), args)
        for name in ("convolve", "correlate")
        for mode in ("full", "same", "valid")
        for method, args in (
            ("direct", (X, X[:4])), ("fft", (IMAGE, KERNEL)), ("auto", (KERNEL, IMAGE)), ("auto", (COMPLEX, KERNEL)),
        )
    ),
    ("signal.fftconvolve", lambda m: lambda a, b: m.fftconvolve(a, b, "same", axes=1), (IMAGE, KERNEL[:1])),
    *(
        (f"signal.{name} {mode} {boundary}", lambda m, name=name, mode=mode, boundary=boundary: lambda a, b: getattr(
            m, name)(a, b, mode, boundary), (IMAGE, KERNEL))
        for name in ("convolve2d", "correlate2d")
        for mode in ("full", "same", "valid")
        for boundary in ("fill", "wrap", "symm")
    ),
    ("signal.convolve2d fillvalue", lambda m: lambda a, b: m.convolve2d(a, b, "same", "fill", 2.0), (IMAGE, KERNEL)),
]  # fmt: skip


def modules(name: str) -> tuple[Any, Any]:
    part = name.split(".")[0]
    return importlib.import_module(f"adcore.scipy.{part}"), importlib.import_module(f"scipy.{part}")


def flat(y: Any) -> Any:
    return np.concatenate([np.ravel(part) for part in (y if isinstance(y, tuple) else (y,))])


@pytest.mark.parametrize(("name", "make", "args"), CASES, ids=[c[0] for c in CASES])
def test_a_function_has_scipys_value_and_its_derivatives(name: str, make: Any, args: tuple[Any, ...]) -> None:
    ours, theirs = modules(name)
    wanted = flat(make(theirs)(*args))
    np.testing.assert_allclose(flat(make(ours)(*args)), wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(flat(ad.trace(make(ours), *args)(*args)), wanted, rtol=1e-10, atol=1e-12)
    check_grads(make(ours), args, order=1)


# --- distributions -------------------------------------------------------------------------------

SHAPES: dict[str, tuple[tuple[float, ...], float]] = {
    "norm": ((), 0.3), "t": ((3.5,), 0.3), "gamma": ((2.5,), 0.7), "beta": ((2.5, 1.5), 0.3), "chi2": ((3.5,), 0.7),
    "expon": ((), 0.7), "uniform": ((), 0.3), "laplace": ((), 0.3), "logistic": ((), 0.3), "cauchy": ((), 0.3),
    "lognorm": ((0.8,), 0.7),
}  # fmt: skip
FUNCTIONS = ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf")


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_distribution_has_scipys_functions(name: str, function: str) -> None:
    ours, theirs = (getattr(getattr(m, name), function) for m in modules("stats.x"))
    shapes, x = SHAPES[name]
    at = P if function in ("ppf", "isf") else np.array([x, 2.0 * x]) * 1.3 + 0.1
    args = (*shapes, 0.1, 1.3)
    np.testing.assert_allclose(ours(at, *args), theirs(at, *args), rtol=1e-12)
    np.testing.assert_allclose(ours(at, *shapes, scale=1.3, loc=0.1), theirs(at, *args), rtol=1e-12)
    check_grads(lambda at, loc, scale: ours(at, *shapes, loc, scale), (at, 0.1, 1.3))
    if shapes:
        check_grads(lambda *shapes: ours(at, *shapes), shapes)
    if function in ("pdf", "logpdf"):
        outside = {"gamma": -1.0, "beta": 2.0, "chi2": -1.0, "expon": -1.0, "uniform": 2.0, "lognorm": -1.0}
        if name in outside:
            assert ours(outside[name], *shapes) == theirs(outside[name], *shapes)
            assert ad.grad(lambda x: ours(x, *shapes))(outside[name]) == 0.0


@pytest.mark.parametrize(
    ("name", "args", "k"),
    [("poisson", (2.3,), 5), ("bernoulli", (0.3,), 1), ("binom", (7, 0.3), 5), ("geom", (0.3,), 5)],
)
def test_a_discrete_distribution_has_scipys_masses(name: str, args: tuple[Any, ...], k: int) -> None:
    ours, theirs = (getattr(m, name) for m in modules("stats.x"))
    ks = np.arange(-1, k + 4)
    np.testing.assert_allclose(ours.pmf(ks, *args), theirs.pmf(ks, *args), rtol=1e-12)
    np.testing.assert_array_equal(ours.logpmf(np.array([0.5]), *args), [-np.inf])
    *fixed, p = args
    check_grads(lambda p: ours.logpmf(k, *fixed, p), (p,))
    if name == "poisson":
        np.testing.assert_allclose(ours.cdf(ks, *args), theirs.cdf(ks, *args), rtol=1e-12)
        np.testing.assert_allclose(ours.sf(ks, *args), theirs.sf(ks, *args), rtol=1e-12)
        check_grads(lambda p: ours.cdf(k, p), (p,))


def test_normal_vectors_have_scipys_density() -> None:
    ours, theirs = (m.multivariate_normal for m in modules("stats.x"))
    mean, points = X[:3], RNG.normal(size=(2, 5, 3))
    for cov in (SPD, 1.7, np.array([1.0, 2.0, 0.5])):
        np.testing.assert_allclose(ours.logpdf(points, mean, cov), theirs.logpdf(points, mean, cov), rtol=1e-12)
        np.testing.assert_allclose(ours.pdf(mean, mean, cov), theirs.pdf(mean, mean, cov), rtol=1e-12)
        np.testing.assert_allclose(ours.entropy(mean, cov), theirs.entropy(mean, cov), rtol=1e-12)
        check_grads(ours.logpdf, (points, mean, np.asarray(cov)))
    flat = np.diag([2.0, 1.0, 0.0])
    inside, outside = np.array([0.3, -0.2, 0.0]), np.array([0.3, -0.2, 0.1])
    for x in (inside, outside):
        wanted = theirs.logpdf(x, np.zeros(3), flat, allow_singular=True)
        assert ours.logpdf(x, np.zeros(3), flat, allow_singular=True) == pytest.approx(wanted)


def test_shares_have_scipys_density() -> None:
    ours, theirs = (m.dirichlet for m in modules("stats.x"))
    x, alpha = P / P.sum(), np.array([1.5, 2.5, 0.7])
    assert ours.logpdf(x, alpha) == pytest.approx(theirs.logpdf(x, alpha))
    assert ours.pdf(x[:2], alpha) == pytest.approx(theirs.pdf(x[:2], alpha))
    check_grads(lambda a: ours.logpdf(x, a), (alpha,))


# --- chosen points and errors --------------------------------------------------------------------


def test_log_sum_exp_of_infinities_has_a_finite_derivative() -> None:
    from adcore.scipy import special

    inf = np.inf
    for x, wanted in (
        ([-inf, 0.0], [0.0, 1.0]), ([-inf, -inf], [0.5, 0.5]), ([inf, 0.0], [1.0, 0.0]), ([inf, inf], [0.5, 0.5]),
        ([1e4, 1e4], [0.5, 0.5]),
    ):  # fmt: skip
        assert ad.grad(special.logsumexp)(np.array(x)).tolist() == wanted
    assert special.logsumexp(np.array([-inf, -inf])) == -inf
    assert special.logsumexp(np.array([inf, 0.0])) == inf
    assert special.logsumexp(np.array([1e3, 1e3 - 40.0])) == 1e3
    assert special.logsumexp(np.array([0.0, -40.0])) == pytest.approx(np.exp(-40.0), rel=1e-15, abs=0)


def test_a_scipy_function_that_asks_a_traced_array_for_its_numbers_is_named() -> None:
    import scipy.linalg

    with pytest.raises(ad.AdcoreError) as found:
        ad.trace(lambda x: scipy.linalg.expm(x), A)
    line = test_a_scipy_function_that_asks_a_traced_array_for_its_numbers_is_named.__code__.co_firstlineno + 4
    assert str(found.value) == (
        "scipy.linalg.expm asked for the numbers of a traced float64[3,3], which has none while tracing\n"
        f"  made by an argument of the traced function, asked at test_scipy.py:{line}\n"
        "  use adcore.scipy.linalg.expm if it has the function, or register it as an op (adcore.op)"
    )


@pytest.mark.parametrize(
    ("f", "what", "instead"),
    [
        (lambda x: special.polygamma(1, x), "scipy.special.polygamma was given", "adcore.scipy.special.polygamma"),
        (lambda x: special.diric(x, 3), "scipy.special.diric was given", "adcore.scipy.special.diric"),
        (lambda x: special.legendre_p(2, x), "scipy.special.legendre_p was given", "adcore.scipy.special.legendre_p"),
        (lambda x: special.ncfdtr(1, 2, 3, x), "scipy.special.ncfdtr has no op here", "register it as an op"),
        (lambda x: optimize.brentq(lambda t: t - x, 0, 3), "scipy.optimize.brentq asked for", "use adcore.root"),
        (lambda x: integrate.quad(lambda t: t - x, 0, x), "scipy.integrate.quad asked for", "use adcore.solve_ivp"),
    ],
)
def test_scipys_functions_of_traced_numbers_say_who_asked_and_what_to_use(f: Any, what: str, instead: str) -> None:
    with pytest.raises(ad.AdcoreError) as found:
        ad.trace(f, 1.0)
    assert found.value.what.startswith(what)
    assert "test_scipy.py" in found.value.where
    assert instead in found.value.instead


def test_an_option_that_has_no_op_says_where_it_was_asked_for() -> None:
    from adcore.scipy import linalg

    with pytest.raises(
        ad.AdcoreError, match=r"pivoting=True or .*\n  at .*test_scipy.py:\d+\n  use np.linalg.qr's modes"
    ):
        ad.trace(lambda x: linalg.qr(x, pivoting=True), A)


def test_the_logarithm_of_a_singular_matrix_is_an_error() -> None:
    from adcore.scipy import linalg

    with pytest.raises(np.linalg.LinAlgError, match="linalg::matrix_function: Singular matrix: logm is not analytic"):
        ad.trace(linalg.logm, A)(np.zeros((3, 3)))


def test_functions_of_matrices_have_derivatives_of_every_order() -> None:
    from adcore.scipy import linalg

    check_grads(linalg.expm, (A / 3,), order=3)
    check_grads(linalg.sqrtm, (SPD,), order=2)
    singular = np.array([[0.0, 1.0], [0.0, 0.0]])  # a Jordan block
    check_grads(linalg.expm, (singular,), order=2)


def test_what_is_not_written_here_is_scipys_own() -> None:
    import scipy.special

    from adcore.scipy import special, stats

    assert special.gamma is scipy.special.gamma
    assert special.roots_legendre is scipy.special.roots_legendre
    assert stats.kstest is importlib.import_module("scipy.stats").kstest
    with pytest.raises(AttributeError):
        special.no_such_function  # noqa: B018
    with pytest.raises(AttributeError, match="has fft, linalg, signal"):
        ad.scipy.optimize  # noqa: B018
