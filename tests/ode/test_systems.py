"""Jacobians with a band: found in the graph, numbered anew, and the same solution and gradient as by full matrices."""

import numpy as np
import pytest

import adcore as ad
from adcore import systems
from adcore.extend import bodies
from adcore.systems import Band, Full, systems_of


def brusselator(t, y, p):
    """Two species in a row of cells between fixed ends; n cells, so 2 n states, one species after the other."""
    n = y.shape[0] // 2
    u, v = y[:n], y[n:]
    ends = np.concatenate([np.ones(1), u, np.ones(1)]), np.concatenate([3.0 * np.ones(1), v, 3.0 * np.ones(1)])
    du, dv = (0.02 * (n + 1) ** 2 * p[2] * (e[2:] - 2.0 * e[1:-1] + e[:-2]) for e in ends)
    made = u * u * v
    return np.concatenate([p[0] + made - (p[1] + 1.0) * u + du, p[1] * u - made + dv])


def start(n):
    x = np.arange(1, n // 2 + 1) / (n // 2 + 1)
    return np.concatenate([1.0 + np.sin(2.0 * np.pi * x), np.full(n // 2, 3.0)])


P = np.array([1.0, 3.0, 1.0])


def field(n):
    return ad.trace(lambda y: brusselator(0.0, y, P), start(n))


def test_a_grid_of_two_species_is_a_narrow_band_of_few_colours():
    found = systems_of(field(74), 0)
    assert isinstance(found, Band)
    assert (found.below, found.above) == (2, 2)
    assert int(found.colours.max()) + 1 <= 6


@pytest.mark.parametrize(
    "f, n",
    [
        (lambda y: np.sum(y) * y, 50),  # everything acts on everything
        (lambda y: -y, 7),  # few
    ],
)
def test_where_no_band_pays_the_matrix_is_full(f, n):
    found = systems_of(ad.trace(f, np.ones(n)), 0)
    assert isinstance(found, Full)


@pytest.mark.parametrize("mass", [None, "diagonal", "tridiagonal"])
@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_a_band_solves_what_the_full_matrix_solves(mass, dtype):
    n, rng = 62, np.random.default_rng(3)
    graph = ad.trace(lambda y: brusselator(0.0, y, P.astype(dtype)), start(n).astype(dtype))
    if mass is not None:
        mass = np.diag(rng.uniform(1.0, 2.0, n)) + (np.eye(n, k=1) if mass == "tridiagonal" else 0.0)
        mass = mass.astype(dtype)
    band = systems_of(graph, 0, mass)
    full = Full(np.diag(mass) if mass is not None and band.m.ndim == 1 else mass, np.eye(n) if mass is None else mass)
    assert isinstance(band, Band)
    r, many = rng.normal(size=n).astype(dtype), rng.normal(size=(3, n)).astype(dtype)
    weights = [[0.01 / (1 + a + b) for b in range(3)] for a in range(3)]

    def found(way):
        def f(y):
            J = way.jacobian(graph, y)
            Js = [J, way.jacobian(graph, 2.0 * y), way.jacobian(graph, y * y)]
            factors = way.factors(way.mass - 0.01 * J)
            one = way.solve(way.coupled([[0.01]], [J]), r[None])
            return (
                way.times(y),
                way.times(many + y),
                way.corrected(r, *factors),
                one[0],
                way.solve(way.coupled(weights, Js), many),
            )

        return ad.trace(f, start(n).astype(dtype))(start(n).astype(dtype))

    for a, b in zip(found(band), found(full), strict=True):
        np.testing.assert_allclose(
            a, b, rtol=1e-3 if dtype == "float32" else 1e-9, atol=1e-4 if dtype == "float32" else 1e-12
        )


def loss(method, n, rtol=1e-6):
    return lambda p, y0: np.sum(
        ad.solve_ivp(brusselator, (0.0, 1.0), y0, method, [0.3, 1.0], args=(p,), rtol=rtol, atol=1e-2 * rtol).y ** 2
    )


@pytest.mark.parametrize("method", ["ESDIRK4", "Radau"])
def test_the_gradient_is_that_by_full_matrices(method, monkeypatch):
    n = 62
    graph = ad.trace(loss(method, n), P, start(n))
    assert any(node.op == "linalg::solve_factored_banded" for node in nodes(graph))
    banded = ad.grad(graph, wrt=[0, 1])(P, start(n))
    monkeypatch.setattr(systems, "SMALLEST", n)
    full = ad.trace(loss(method, n), P, start(n))
    assert not any("banded" in node.op for node in nodes(full))
    for a, b in zip(banded, ad.grad(full, wrt=[0, 1])(P, start(n)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7)


def nodes(graph):
    for node in graph.nodes:
        yield node
        for _, body in bodies(node):
            yield from nodes(body)


@pytest.mark.parametrize("method", ["ESDIRK5", "Radau"])
def test_forward_and_reverse_agree_on_one_mesh_of_banded_steps(method):
    n, rng = 50, np.random.default_rng(11)
    f, point = loss(method, n, 1e-5), (P, start(n))
    dots = (rng.normal(size=3), rng.normal(size=n))
    _, forward = ad.jvp(f, point, dots)
    reverse = sum(np.sum(b * d) for b, d in zip(ad.grad(f, wrt=[0, 1])(*point), dots, strict=True))
    np.testing.assert_allclose(forward, reverse, rtol=1e-10)


def test_a_singular_mass_matrix_of_many_states_is_taken_as_a_band():
    """y_i' = -z_i + neighbours, z_i = y_i^2: index 1, against the same with z put in."""
    n = 20

    def apart(t, s, k):
        y, z = s[:n], s[n:]
        ends = np.concatenate([y[:1], y, y[-1:]])
        return np.concatenate([-k * z + ends[2:] - 2.0 * y + ends[:-2], z - y * y])

    def joined(t, y, k):
        return apart(t, np.concatenate([y, y * y]), k)[:n]

    y0 = 1.0 + 0.1 * np.cos(np.arange(n))
    mass = np.concatenate([np.ones(n), np.zeros(n)])
    dae = lambda k: ad.solve_ivp(
        apart, (0.0, 1.0), np.concatenate([y0, y0 * y0]), "Radau", args=(k,), mass=mass, rtol=1e-8, atol=1e-10
    ).y[3, -1]
    ode = lambda k: ad.solve_ivp(joined, (0.0, 1.0), y0, "DOP853", args=(k,), rtol=1e-10, atol=1e-12).y[3, -1]
    np.testing.assert_allclose(dae(1.5), ode(1.5), rtol=1e-7)
    np.testing.assert_allclose(ad.grad(dae)(1.5), ad.grad(ode)(1.5), rtol=1e-6)


@pytest.mark.parametrize("method", ["ESDIRK4", "Radau"])
def test_a_file_for_any_number_of_states_has_full_matrices(method):
    """A band is numbers about one size; at another size they would be wrong."""

    def heat(y0, k):
        def rise(t, y):
            wider = np.concatenate([y[:1], y, y[-1:]])
            return k * (wider[2:] - 2.0 * y + wider[:-2])

        return ad.solve_ivp(rise, (0.0, 0.1), y0, method, rtol=1e-6).y[:, -1]

    graph = ad.trace(heat, np.zeros(31), 0.7, dims={"y0": ("n",)})
    y0 = np.linspace(0.0, 1.0, 43)
    np.testing.assert_allclose(graph.at(n=43)(y0, 0.7), heat(y0, 0.7), rtol=1e-6)
    _, pull = ad.vjp(heat, y0, 0.7)
    found = ad.differentiate(graph, "vjp").at(n=43)(y0, 0.7, np.ones(43))
    np.testing.assert_allclose(found[1][0], pull(np.ones(43))[0], rtol=1e-6)


@pytest.mark.parametrize("method", ["ESDIRK4", "Radau"])
def test_integrals_along_the_way_leave_the_band_a_band(method, monkeypatch):
    n = 62

    def loss(p, y0):
        running = lambda t, y, p: p[0] * np.sum(y**2)
        sol = ad.solve_ivp(brusselator, (0.0, 0.5), y0, method, args=(p,), rtol=1e-7, atol=1e-9, running=running)
        return sol.running + np.sum(sol.y)

    graph = ad.trace(loss, P, start(n))
    assert any(node.op == "linalg::solve_factored_banded" for node in nodes(graph))
    by_gauss = {"strategy": {"methods": {"core::solve_ivp": {"name": "interpolating", "rtol": 1e-8}}}}
    banded = ad.grad(graph, wrt=[0, 1])(P, start(n))
    adjoint = ad.grad(graph, wrt=[0, 1], config=by_gauss)(P, start(n))
    monkeypatch.setattr(systems, "SMALLEST", n + 1)
    full = ad.grad(ad.trace(loss, P, start(n)), wrt=[0, 1])(P, start(n))
    for a, b, c in zip(banded, full, adjoint, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7)
        np.testing.assert_allclose(a, c, rtol=1e-4, atol=1e-4 * np.max(np.abs(a)))
