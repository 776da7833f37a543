"""Branches and loops that a graph holds: values, derivatives of three orders, batches, checks, and their errors."""

import itertools

import numpy as np
import pytest

import adcore as ad
from adcore.errors import CheckError, InputError


def tripled(x):
    """3^k x, the first that is 100 or more, times sines on the way: derivatives depend on every step."""
    return ad.while_loop(lambda c: c[0] < 100.0, lambda c: (3.0 * c[0], c[1] * np.sin(c[0])), (x, x * x))[1]


def tripled_in_python(x):
    a, b = x, x * x
    while a.real < 100.0:
        a, b = 3.0 * a, b * np.sin(a)
    return b


def newton(a):
    """The square root, by an iteration that stops by itself; the loop reads `a` from the function around it."""

    def better(x):
        return 0.5 * (x + a / x)

    return ad.while_loop(lambda x: np.abs(x * x - a) > 1e-10 * a, better, a)


def branch(x):
    return ad.cond(x > 0, lambda x: np.sqrt(x) * x, lambda x: -(x**3), x)


def branch_on_captured(x):
    y = np.sin(x)
    return ad.cond(y > x / 2, lambda: y * x, lambda: np.exp(y)) + ad.cond(x > 100, lambda: x, lambda: 1.0 * y)


def loop_in_branch_in_loop(x):
    def step(c, i):
        grown = ad.cond(c < 5.0, lambda c: ad.scan(lambda d, _: (d * 1.1 + x, None), c, None, 3)[0], np.tanh, c)
        return grown, grown

    return np.sum(ad.scan(step, x, np.arange(4.0))[1])


SCALARS = [
    (tripled, tripled_in_python, (2.0, 0.5, 7.0)),
    (branch, lambda x: np.sqrt(x) * x if x.real > 0 else -(x**3), (2.0, -3.0)),
]
FUNCTIONS = [tripled, newton, branch, branch_on_captured, loop_in_branch_in_loop]


@pytest.mark.parametrize("f, python, points", SCALARS, ids=lambda v: getattr(v, "__name__", None))
def test_the_derivative_agrees_with_a_complex_step_through_plain_python(f, python, points):
    for x in points:
        truth = python(x + 1e-30j).imag / 1e-30
        assert ad.trace(f, x)(x) == python(x)
        for strategy in ("forward", "reverse"):
            np.testing.assert_allclose(ad.grad(f, strategy=strategy)(x), truth, rtol=1e-13)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.7, 2.0])
def test_each_order_is_the_difference_of_the_one_before(f, x):
    orders = [f, ad.grad(f), ad.grad(ad.grad(f)), ad.grad(ad.grad(ad.grad(f)))]
    h = 2e-5
    for lower, higher in itertools.pairwise(orders):
        truth = (lower(x - 2 * h) - 8 * lower(x - h) + 8 * lower(x + h) - lower(x + 2 * h)) / (12 * h)
        np.testing.assert_allclose(higher(x), truth, rtol=2e-6, atol=1e-6)
    forward = ad.jvp(lambda x: ad.jvp(f, (x,), (1.0,))[1], (x,), (1.0,))[1]
    np.testing.assert_allclose(orders[2](x), forward, rtol=1e-10)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("xs", [[0.7, 150.0, 5.0, 0.01, 2.0], [200.0, 300.0], [0.3]])
def test_a_batch_gives_each_lane_what_it_gives_alone(f, order, xs):
    for _ in range(order):
        f = ad.grad(f)
    with np.errstate(all="raise", under="ignore"):
        found = ad.vmap(f)(np.array(xs))
    np.testing.assert_allclose(found, [f(x) for x in xs], rtol=1e-12)


def test_the_branch_that_a_lane_does_not_take_cannot_spoil_its_derivative():
    xs = np.array([-3.0, 4.0, -0.0])
    np.testing.assert_array_equal(ad.grad(lambda x: np.sum(ad.vmap(branch)(x)))(xs), [-27.0, 3.0, -0.0])
    np.testing.assert_array_equal(ad.grad(lambda x: np.sum(ad.vmap(branch)(x)))(-np.abs(xs)), [-27.0, -48.0, -0.0])


def test_a_loop_that_never_starts_gives_its_init():
    assert ad.while_loop(lambda x: x < 0.0, lambda x: x / 0.0, 5.0) == 5.0
    assert ad.grad(lambda x: ad.while_loop(lambda x: x < 0.0, lambda x: np.sqrt(-x), x))(5.0) == 1.0


def test_a_carry_of_ints_counts_and_has_no_derivative():
    def f(x):
        n, y = ad.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * x), (0, 1.0))
        return y + n

    assert ad.trace(f, 2.0)(2.0) == 37.0
    assert ad.grad(f)(2.0) == 80.0


def test_long_loops_need_no_recursion_and_grow_their_trail():
    f = lambda x: ad.while_loop(lambda c: c[0] < 5000, lambda c: (c[0] + 1, c[1] * 1.0001), (0, x))[1]
    np.testing.assert_allclose(ad.grad(f)(2.0), 1.0001**5000, rtol=1e-11)


def test_a_program_of_a_growing_trail_can_be_called_again_and_again():
    program = ad.differentiate(ad.trace(tripled, 2.0), "grad", wrt=0).compile()
    first = [program(np.float64(x)) for x in (2.0, 0.001, 7.0)]
    assert [program(np.float64(x)) for x in (2.0, 0.001, 7.0)] == first


def checked(x):
    def step(c, _):
        ad.check(c < 50.0, "the population is {}", c)
        ad.report("half", c / 2)
        return c * 2, c

    return ad.scan(step, x, None, 5)[0]


def test_a_check_inside_a_loop_tells_the_first_step_that_fails():
    assert ad.grad(checked)(1.0) == 32.0
    with pytest.raises(CheckError, match=r"^the population is 80\.0\n  at .*test_control\.py:\d+$"):
        ad.grad(checked)(10.0)
    with pytest.raises(CheckError, match=r"the population is 80\.0"):
        ad.while_loop(lambda c: c < 1e3, lambda c: step_checked(c), 10.0)


def step_checked(c):
    ad.check(c < 50.0, "the population is {}", c)
    return 2.0 * c


def test_reports_of_a_loop_are_stacked_over_its_steps():
    measured = ad.trace(checked, 1.0).compile().measure(np.float64(1.0))
    np.testing.assert_array_equal(measured.reports["half"], [0.5, 1.0, 2.0, 4.0, 8.0])


def test_a_check_in_a_branch_holds_only_where_the_branch_is_taken():
    def f(x):
        def root(x):
            ad.check(x < 10.0, "{} is too large", x)
            return np.sqrt(x)

        return ad.cond(x > 0, ad.region(root, name="root"), lambda x: -x, x)

    assert ad.grad(f)(-20.0) == -1.0
    assert ad.grad(f)(4.0) == 0.25
    with pytest.raises(CheckError, match=r"^20\.0 is too large"):
        ad.grad(f)(20.0)
    with pytest.raises(CheckError, match=r"is too large"):
        ad.vmap(f)(np.array([1.0, 20.0]))


WRONG = [
    (
        lambda x: ad.cond(x, np.sin, np.cos, x),
        r"^the predicate of cond is a traced float64\[\]\n  at .*\n  give one bool$",
    ),
    (
        lambda x: ad.cond(x > 0, lambda x: (x, x), lambda x: x, x),
        r"^the branches of cond return y\[0\], y\[1\] and y\n  <lambda> and <lambda>, at .*\n  return the same nesting",
    ),
    (
        lambda x: ad.cond(x > 0, lambda x: np.stack([x, x]), lambda x: x, x),
        r"^the branches of cond return y as float64\[2\] and as float64\[\]\n",
    ),
    (
        lambda x: ad.while_loop(lambda x: x, lambda x: x, x),
        r"^the condition of a while loop gave float64\[\]\n  in <lambda>, at .*\n  give one bool",
    ),
    (
        lambda x: ad.while_loop(lambda x: x > 0, lambda x: (x, x), x),
        r"^the step of a while loop takes a carry of carry and returns carry\[0\], carry\[1\]\n",
    ),
    (
        lambda x: ad.scan(lambda c, _: (np.stack([c, c]), None), x, None, 3),
        r"^the carry of a scan is float64\[\] before a step and float64\[2\] after it\n",
    ),
    (
        lambda x: ad.scan(lambda c, _: c, x, None, 3),
        r"^the step of a scan returned .*\n  at .*test_control.py:\d+\n  return \(carry, y\)",
    ),
    (lambda x: ad.scan(lambda c, y: (c, y), x, np.ones(3), 4), r"^a scan needs one length; found 3, 4\n"),
]


@pytest.mark.parametrize("f, message", WRONG)
def test_what_cannot_be_a_branch_or_a_loop_is_told(f, message):
    with pytest.raises(InputError, match=message):
        ad.trace(f, 1.0)


@pytest.mark.parametrize("strategy", ["forward", "reverse"])
def test_a_derivative_in_several_passes_holds_the_checks_of_its_graph_once(strategy):
    def f(x):
        ad.check(np.all(x > 0), "x has {}", np.min(x))
        ad.report("sum", np.sum(x))
        return np.sin(x) * np.sum(x)

    x = np.array([1.0, 2.0, 4.0])
    graph = ad.trace(f, x)
    config = {"strategy": {"name": strategy, "chunk": 2}}
    made = ad.differentiate(graph, "jacobian", config=config)
    assert (len(made.checks), [name for name, _ in made.reports]) == (1, ["sum"])
    np.testing.assert_allclose(made(x)[1][0], np.diag(7.0 * np.cos(x)) + np.sin(x)[:, None])
    with pytest.raises(CheckError, match=r"x has -2\.0"):
        made(-x / 2)
