"""scipy.special on traced arrays: values and derivatives up to third order against mpmath, at awkward arguments too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp

import adcore as ad
from adcore.registry import registry
from adcore.testing import check_grads

DIGITS = 70


def ncdf(x: Any) -> Any:
    return mp.ncdf(x)


def boxcox(x: Any, k: Any) -> Any:
    return (mp.mpf(x) ** k - 1) / k if k else mp.log(x)


def inv_boxcox(x: Any, k: Any) -> Any:
    return (1 + k * x) ** (1 / mp.mpf(k)) if k else mp.exp(x)


def lower_gamma(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


# name: f of one argument, the same by mpmath, points
ROWS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], list[float]]] = {
    "expit": (sp.expit, lambda x: 1 / (1 + mp.exp(-x)), [40.0, -40.0, 1e-9, 3.0, 100.0, -700.0]),
    "log_expit": (sp.log_expit, lambda x: -mp.log1p(mp.exp(-x)), [40.0, -40.0, 1e-9, 100.0]),
    "pseudo_huber": (lambda r: sp.pseudo_huber(1.0, r), lambda r: mp.sqrt(1 + r * r) - 1, [1e-9, 1.0, 1e8]),
    "erf": (sp.erf, mp.erf, [0.3, -3.0, 5.0]),
    "erfc": (sp.erfc, mp.erfc, [0.3, 3.0, 25.0]),
    "erfcx": (sp.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), [0.0, 1.9, 2.1, 30.0, 1e4, 1e8, -3.0]),
    "erfi": (sp.erfi, mp.erfi, [0.3, 4.0]),
    "erfinv": (sp.erfinv, mp.erfinv, [0.3, 0.999]),
    "ndtr": (sp.ndtr, ncdf, [-30.0, 0.3, 5.0]),
    "log_ndtr": (sp.log_ndtr, lambda x: mp.log(ncdf(x)), [-40.0, -3.0, 0.0, 3.0, 10.0]),
    "ndtri": (sp.ndtri, lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), [0.3, 0.999]),
    "ndtri_exp": (sp.ndtri_exp, lambda y: mp.sqrt(2) * mp.erfinv(2 * mp.exp(y) - 1), [-3.0, -0.1]),
    "dawsn": (sp.dawsn, lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), [0.0, 0.5, 12.1, 1e4]),
    "gamma": (sp.gamma, mp.gamma, [1e-5, -1.5, 20.0, 170.0]),
    "gammaln": (sp.gammaln, mp.loggamma, [1e-8, 0.5, 1e8]),
    "rgamma": (sp.rgamma, mp.rgamma, [0.0, -1.0, -2.0, -1.5, 20.0]),
    "digamma": (sp.digamma, mp.digamma, [1e-5, -1.5, 20.0, 1e8]),
    "zeta": (lambda q: sp.zeta(3.0, q), lambda q: mp.zeta(3, q), [0.5, 10.0, 1e5]),
    "beta": (lambda a: sp.beta(a, 2.5), lambda a: mp.beta(a, 2.5), [0.3, 5.0]),
    "gammainc in x": (lambda x: sp.gammainc(2.5, x), lambda x: lower_gamma(2.5, x), [1e-5, 2.0, 30.0]),
    "betainc in x": (
        lambda x: sp.betainc(2.5, 0.7, x), lambda x: mp.betainc(2.5, 0.7, 0, x, regularized=True), [0.1, 0.9],
    ),
    "exprel": (
        sp.exprel, lambda x: mp.expm1(x) / x if x else mp.mpf(1), [0.0, 1e-8, -1e-8, 30.5, -30.5, 100.0, -700.0],
    ),
    "j0": (sp.j0, lambda x: mp.besselj(0, x), [1e-8, 2.4, 50.0]),
    "j1": (sp.j1, lambda x: mp.besselj(1, x), [0.0, 2.4, 50.0]),
    "kv": (lambda x: sp.kv(2.5, x), lambda x: mp.besselk(2.5, x), [0.3, 50.0]),
    "iv": (lambda x: sp.iv(2.5, x), lambda x: mp.besseli(2.5, x), [0.3, 50.0]),
    "ellipk": (sp.ellipk, mp.ellipk, [0.0, 1e-10, 0.999, -1e4]),
    "ellipe": (sp.ellipe, mp.ellipe, [0.0, 1e-10, 0.999, -10.0]),
    "ellipkm1": (sp.ellipkm1, lambda p: mp.ellipk(1 - p), [0.3, 0.6, 1.0, 1.5]),
    "lambertw": (lambda x: np.real(sp.lambertw(x)), lambda x: mp.re(mp.lambertw(x)), [0.0, 1e-8, -0.3, 1e10]),
    "spence": (sp.spence, lambda x: mp.re(mp.polylog(2, 1 - x)), [0.5, 1.0, 1 + 1e-8, 0.96, 3.0]),
    "expi": (sp.expi, mp.ei, [1e-5, 50.0]),
    "exp1": (sp.exp1, mp.e1, [1e-5, 50.0]),
    "sine integral": (lambda x: sp.sici(x)[0], mp.si, [1e-8, 0.01, 20.0]),
    "sinh integral": (lambda x: sp.shichi(x)[0], mp.shi, [1e-8, 0.01, 20.0]),
    "boxcox in k": (lambda k: sp.boxcox(2.5, k), lambda k: boxcox(2.5, k), [0.0, 1e-10, -1e-10, 1.0, -2.0]),
    "inv_boxcox in k": (lambda k: sp.inv_boxcox(0.7, k), lambda k: inv_boxcox(0.7, k), [1e-6, 1.0]),
    "pseudo_huber in delta": (
        lambda d: sp.pseudo_huber(d, 1e-4), lambda d: d * d * (mp.sqrt(1 + (1e-4 / d) ** 2) - 1), [1e-4, 100.0],
    ),
    "softplus": (sp.softplus, lambda x: mp.log(1 + mp.exp(x)), [-40.0, 0.3, 40.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_values_and_derivatives_up_to_third_order_agree_with_mpmath(name: str) -> None:
    f, truth, points = ROWS[name]
    graphs = [ad.trace(f, 0.5)]
    for _ in range(3):
        graphs.append(ad.differentiate(graphs[-1], "grad", wrt=0))
    with mp.workdps(DIGITS):
        for x in points:
            for order, graph in enumerate(graphs):
                step = mp.mpf(10) ** -15 * max(abs(mp.mpf(x)), mp.mpf(10) ** -6)
                wanted = float(mp.re(mp.diff(truth, mp.mpf(x), order, h=step) if order else truth(mp.mpf(x))))
                assert float(graph(x)) == pytest.approx(wanted, rel=1e-12, abs=1e-300), (x, order)


@pytest.mark.parametrize("x", [2.0, 9.0])
@pytest.mark.parametrize("a", [0.1, 1.0, 5.0, 8.5, 20.0])
def test_derivatives_of_the_incomplete_gamma_function_in_its_parameter_agree_with_mpmath(a: float, x: float) -> None:
    graph = ad.trace(lambda a: sp.gammainc(a, x), 1.0)
    for order in (1, 2, 3):
        graph = ad.differentiate(graph, "grad", wrt=0)
        with mp.workdps(40):
            wanted = float(mp.diff(lambda a: lower_gamma(a, mp.mpf(x)), mp.mpf(a), order))
        assert float(graph(a)) == pytest.approx(wanted, rel=10.0 ** (2 * order - 16))
    assert float(ad.grad(lambda a: sp.gammaincc(a, x))(a)) == -float(ad.grad(lambda a: sp.gammainc(a, x))(a))


@pytest.mark.parametrize(("a", "b", "x"), [(0.5, 0.5, 0.3), (2.0, 3.0, 0.9), (10.0, 0.3, 0.95), (30.0, 40.0, 0.43)])
def test_derivatives_of_the_incomplete_beta_function_in_its_parameters_agree_with_mpmath(
    a: float, b: float, x: float
) -> None:
    def truth(a: Any, b: Any) -> Any:
        return mp.betainc(a, b, 0, mp.mpf(x), regularized=True)

    gradient = ad.grad(lambda a, b: sp.betainc(a, b, x), wrt=[0, 1])
    hessian = ad.jacobian(lambda ab: np.stack(gradient(ab[0], ab[1])))
    with mp.workdps(40):
        first = [float(mp.diff(truth, (mp.mpf(a), mp.mpf(b)), k)) for k in ((1, 0), (0, 1))]
        second = [
            [float(mp.diff(truth, (mp.mpf(a), mp.mpf(b)), k)) for k in row]
            for row in (((2, 0), (1, 1)), ((1, 1), (0, 2)))
        ]
    np.testing.assert_allclose(gradient(a, b), first, rtol=1e-12)
    np.testing.assert_allclose(hessian(np.array([a, b])), second, rtol=1e-10)


# --- points that were chosen ---------------------------------------------------------------------


def test_nothing_times_the_logarithm_of_nothing_is_nothing_and_so_is_its_derivative_in_y() -> None:
    value, (dx, dy) = ad.value_and_grad(sp.xlogy, wrt=[0, 1])(0.0, 0.0)
    assert (value, dx, dy) == (0.0, -np.inf, 0.0)
    for f in (sp.xlogy, lambda x, y: sp.rel_entr(x, y)):
        assert ad.jvp(f, (0.0, 0.0), (0.0, 1.0))[1] == 0.0
    assert ad.grad(lambda y: np.sum(sp.xlogy(np.array([0.0, 1.0]), y)))(np.array([0.0, 2.0])).tolist() == [0.0, 0.5]
    assert ad.grad(lambda p: np.sum(sp.entr(p)))(np.array([1.0, 0.5])).tolist() == [-1.0, -np.log(0.5) - 1.0]


def test_huber_has_its_slope_at_the_bend() -> None:
    assert [ad.grad(lambda r: sp.huber(1.5, r))(r) for r in (-9.0, -1.5, 0.0, 1.0, 1.5, 9.0)] == [
        -1.5, -1.5, 0.0, 1.0, 1.5, 1.5,
    ]  # fmt: skip


def test_a_scaled_bessel_function_of_a_real_number_has_a_kink_at_zero_with_slope_zero() -> None:
    assert ad.grad(sp.i0e)(0.0) == 0.0
    assert ad.grad(lambda x: sp.ive(0.0, x))(0.0) == 0.0


# --- arguments: integers, orders, complex, single ------------------------------------------------


def test_an_order_that_is_a_python_int_stays_an_integer() -> None:
    x = np.linspace(-0.9, 0.9, 7)
    for f in (lambda x: sp.eval_legendre(7, x), lambda x: sp.yn(3, x + 2.0), lambda x: sp.expn(2, x + 2.0)):
        graph = ad.trace(f, x)
        assert "int64" in [v.type.dtype.name for n in graph.nodes for v in n.inputs]
        np.testing.assert_array_equal(graph(x), f(x))


def test_a_real_order_stays_real_beside_a_complex_argument() -> None:
    z = np.array([0.3 + 0.4j, 2.0 - 1.0j])
    f = lambda z: sp.jv(2.5, z) + sp.hyp2f1(0.5, 1.0, 1.5, z / 4) + sp.eval_gegenbauer(3, 0.5, z)
    np.testing.assert_allclose(ad.trace(f, z)(z), f(z), rtol=1e-14)
    check_grads(f, (z,))


def test_single_precision_stays_single() -> None:
    x = np.float32([0.3, 0.7])
    f = lambda x: sp.jv(2, x) + sp.gamma(x) + sp.eval_legendre(3, x) + sp.gammainc(2.0, x)
    assert ad.trace(f, x)(x).dtype == np.float32
    assert ad.grad(lambda x: np.sum(f(x)))(x).dtype == np.float32


@pytest.mark.parametrize("name", sorted(n for n in registry().ops if n.startswith("special::")))
def test_types_are_scipys(name: str) -> None:
    """For floats, what `infer` says without SciPy is what SciPy's loops give."""
    op = registry().ops[name]
    for key in op.numpy:
        module, _, attribute = str(key).partition(":")
        ufunc = getattr(__import__(module, fromlist=[""]), attribute)
        for dtype in (np.float32, np.float64, np.complex64, np.complex128):
            try:
                wanted = ufunc.resolve_dtypes((np.dtype(dtype),) * ufunc.nin + (None,) * ufunc.nout)[ufunc.nin]
            except TypeError:
                wanted = None
            arrays = [np.full(3, 0.5, dtype)] * ufunc.nin
            if wanted is None:
                with pytest.raises(ad.AdcoreError, match="real arguments only"):
                    ad.trace(ufunc, *arrays)
            elif name != "special::wofz" or np.dtype(dtype).kind == "c":  # of real ones SciPy always makes complex128
                y = ad.trace(ufunc, *arrays)(*arrays)
                assert (y[0] if isinstance(y, tuple) else y).dtype == wanted


def test_airy_and_other_functions_of_several_results() -> None:
    check_grads(lambda x: tuple(sp.airy(x)), (0.7,))
    check_grads(lambda x: sp.fresnel(x)[1] + sp.sici(x)[1], (0.7,))
    z = np.array([0.3 + 0.4j])
    check_grads(lambda z: tuple(sp.airy(z)), (z,))
    check_grads(lambda z: tuple(sp.airye(z)), (np.array([0.3 + 0.4j, -1.2 - 0.7j]),), order=2)


# --- what has no derivative, and what is not there -----------------------------------------------


@pytest.mark.parametrize(
    ("f", "what"),
    [
        (sp.jv, "special::jv has no derivative with respect to its order"),
        (lambda a, x: sp.hyp1f1(a, 2.0, x), "special::hyp1f1 has no derivative with respect to its parameter a"),
        (sp.zeta, "special::zeta has no derivative with respect to its exponent"),
    ],
)
def test_a_parameter_without_derivative_is_an_error_never_a_zero(f: Any, what: str) -> None:
    for derivative in (ad.grad(f, wrt=[0, 1]), lambda a, x: ad.jvp(f, (a, x), (1.0, 1.0))):
        with pytest.raises(
            ad.AdcoreError, match=rf"^{what}: no closed form is known here\n  at .*test_special.py:\d+\n  hold"
        ):
            derivative(2.5, 0.7)
    assert np.isfinite(ad.grad(f, wrt=1)(2.5, 0.7))


def test_scipy_is_imported_when_a_special_function_runs_and_not_before() -> None:
    code = (
        "import sys, numpy as np, adcore as ad; ad.grad(lambda x: np.sin(x))(1.0); "
        "assert 'scipy' not in sys.modules; "
        "import scipy.special as s; print(float(ad.grad(s.gamma)(2.0)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert float(done.stdout) == pytest.approx(0.42278433509846713)


def test_without_scipy_a_graph_is_differentiated_and_printed_and_says_what_it_needs_to_run(tmp_path: Any) -> None:
    path = tmp_path / "f.adg"
    ad.trace(lambda x: sp.gamma(x) * sp.erf(x), 2.0).save(path)
    code = (
        "import sys; sys.modules['scipy'] = None\n"
        "import adcore as ad\n"
        f"g = ad.load({str(path)!r})\n"
        "d = ad.differentiate(g, 'grad', wrt=0)\n"
        "assert 'special::digamma' in str(d) and ad.plan(d).cost.peak_bytes\n"
        "try:\n    d(2.0)\nexcept ad.AdcoreError as e:\n    print(type(e).__name__, e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.startswith("MissingExtraError this runs on scipy.special, and SciPy is not installed")
    assert 'install it: pip install "adcore[scipy]"' in done.stdout


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


# --- families of several arguments ---------------------------------------------------------------


@pytest.mark.parametrize(("n", "k"), [(0, 1), (0, -1), (1, 3), (2, 5)])
@pytest.mark.parametrize(
    ("phi", "m"), [(0.3, -50.0), (1.5, 0.99), (np.pi / 2, 1e-9), (-7.3, 0.5), (30.0, 0.99), (1.2, 1.1)]
)
def test_elliptic_integrals_and_their_slopes_agree_with_mpmath(n: int, k: int, phi: float, m: float) -> None:
    corners = [mp.pi / 2 * j for j in range(int(abs(phi) / (np.pi / 2)) + 1)]
    with mp.workdps(30):
        wanted = mp.quad(
            lambda t: mp.sin(t) ** (2 * n) * (1 - mp.mpf(m) * mp.sin(t) ** 2) ** (-mp.mpf(k) / 2),
            [*corners, abs(mp.mpf(phi))],
        )
    found = registry().ops["special::elliptic_integral"].run(np.asarray(phi), np.asarray(m), n=n, k=k)
    assert float(found) == pytest.approx(float(wanted) * np.sign(phi), rel=3e-14)


def test_the_period_of_a_pendulum_has_the_derivatives_of_its_series() -> None:
    # 4 F(pi/2, m) = 2 pi (1 + m/4 + 9 m^2/64 + 25 m^3/256 + ...)
    period = ad.trace(lambda m: 4.0 * sp.ellipkinc(np.pi / 2, m), 0.1)
    for order, wanted in enumerate((1.0, 1 / 4, 2 * 9 / 64, 6 * 25 / 256)):
        assert float(period(0.0)) == pytest.approx(2.0 * np.pi * wanted, rel=1e-13), order
        period = ad.differentiate(period, "grad", wrt=0)


def test_jacobis_functions_are_differentiated_in_argument_and_parameter() -> None:
    check_grads(lambda u, m: tuple(sp.ellipj(u, m)), (np.array([0.3, -1.7, 6.0]), np.array([0.2, 0.6, 0.9])), order=2)


@pytest.mark.parametrize("name", ["ive", "jve", "yve"])
def test_scaled_bessel_functions_of_complex_arguments_do_not_overflow(name: str) -> None:
    f = getattr(sp, name)
    check_grads(lambda z: f(1.5, z), (np.array([1.2 - 0.7j, 0.4 + 2.0j]),), order=2)
    far = np.array([900.0 + 20.0j, 30.0 - 900.0j])
    assert np.isfinite(ad.grad(lambda z: np.sum(np.abs(f(1.5, z))))(far)).all()


def test_a_distribution_solved_for_a_parameter_is_the_inverse_of_its_slope() -> None:
    a, b, x = 2.5, 1.3, 0.4
    p = sp.betainc(a, b, x)
    to = ad.grad(lambda a, b, x: sp.betainc(a, b, x), wrt=[0, 1, 2])(a, b, x)
    back = ad.grad(lambda p, b, x: sp.btdtria(p, b, x), wrt=[0, 1, 2])(p, b, x)
    assert sp.btdtria(p, b, x) == pytest.approx(a, rel=1e-10)
    np.testing.assert_allclose(back, [1.0 / to[0], -to[1] / to[0], -to[2] / to[0]], rtol=1e-9)


def test_the_noncentral_chi_squared_distribution_has_no_pole_at_the_central_one() -> None:
    slopes = ad.grad(lambda x, nc: sp.chndtr(x, 3.0, nc), wrt=[0, 1])
    density = np.sqrt(2.0 / (2.0 * np.pi)) * np.exp(-1.0)  # of chi squared with 3 degrees of freedom at 2
    np.testing.assert_allclose(slopes(2.0, 0.0), [density, -density * 2.0 / 3.0], rtol=1e-13)
    for nc in (0.3, 0.6, 400.0):  # on both sides of the change of formula
        check_grads(lambda x, nc: sp.chndtr(x, 3.0, nc), (2.0 if nc < 1 else 390.0, nc), order=1)
