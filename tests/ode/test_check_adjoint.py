"""check_adjoint passes what is right, and tells by numbers what is not."""

import numpy as np
import pytest

import adcore as ad
from adcore.errors import LawError
from adcore.rules import Rule
from adcore.strategy import Method
from adcore.testing import check_adjoint


def loss(y0, k, rtol=1e-7):
    f = lambda t, y, k: np.stack([y[1], -k * np.sin(y[0])])
    sol = ad.solve_ivp(f, (0.0, 3.0), y0, "Tsit5", [1.0, 3.0], args=(k,), rtol=rtol, atol=1e-3 * rtol)
    return np.sum(sol.y**2)


ARGS = (np.array([1.0, 0.3]), 2.0)


def by(method):
    return {"strategy": {"methods": {"core::solve_ivp": method}}}


@pytest.mark.parametrize("method", ["default", "forward", "gauss", "backsolve"])
def test_what_is_right_passes_and_says_how_right(method):
    found = check_adjoint(loss, ARGS, config=by(method))
    assert found.dot <= (1e-10 if method in ("default", "forward") else 1e-5)
    assert found.scaling <= 1e-12
    assert 1e-9 < found.gradient < 1e-5 and found.value < 1e-5


def test_a_gradient_that_hangs_on_its_tolerance_is_told():
    message = (
        r"^with tolerances ten times smaller the gradient changes by 0?\.?\d.*e-0\d of itself, more than 1\.0e-03, "
        r"and the value by .*\n  in .*\n  tighten rtol and atol"
    )
    with pytest.raises(LawError, match=message):
        check_adjoint(lambda y0, k: loss(y0, k, 1e-3), ARGS, ladder=1.0)


def test_fixed_steps_are_doubled():
    f = lambda y0: np.sum(ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), y0, "RK4", steps=10).y ** 2)
    found = check_adjoint(f, (np.ones(3),))
    assert 1e-8 < found.gradient < 1e-5


def test_a_function_without_ode_is_refused():
    with pytest.raises(LawError, match=r"holds no initial-value problem\n  use check_grads$"):
        check_adjoint(np.sin, (1.0,))


def broken(change):
    """The discrete rule with its cotangents changed."""
    from adcore.registry import find_op

    right = find_op("core::solve_ivp").rule

    def tape(node, active):
        taped = right.tape(node, active)
        back = lambda *args: tuple(None if x is None else change(x) for x in taped.back(*args))
        return type(taped)(taped.params, taped.residuals, back)

    return Rule(jvp=right.jvp, tape=tape)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x: 1.001 * x, r"^<y_bar, J x_dot> = \S+ and <J\^T y_bar, x_dot> = \S+: a gap of [\d.]+e-04, more than"),
        (lambda x: x + 1e-11, r"^cotangents times 1e-12 give a gradient that is not 1e-12 times as large: "),
    ],
)
def test_a_wrong_method_is_found(change, message, monkeypatch):
    from adcore.registry import registry

    method = Method("core::solve_ivp", "wrong", lambda: broken(change))
    monkeypatch.setitem(registry().methods, ("core::solve_ivp", "wrong"), method)
    with pytest.raises(LawError, match=message):
        check_adjoint(loss, ARGS, config=by("wrong"), rtol=1e-9)
