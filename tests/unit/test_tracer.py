"""Tracers: what plain NumPy may do with them, and what it is told where it cannot."""

from __future__ import annotations

import copy
import math
import pickle
import re
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.errors import OpError, TraceError

X = np.array([1.0, 2.0, 3.0])
HERE = r"test_tracer\.py:\d+"


# --- what works: the gradient is that of the same lines on arrays ---------------------------------


def filled_list(x: Any) -> Any:
    return np.array([x[i] * i for i in range(3)]).sum()


def cells_of_an_object_array(x: Any) -> Any:
    out = np.empty(2, object)
    out[0], out[1] = x[0], x[1] * 2.0
    return np.sum(out)


def zeros_like_filled(x: Any) -> Any:
    out = np.zeros_like(x)
    for i in range(3):
        out[i] = x[2 - i] * i
    out[1:] += x[:2] ** 2
    return np.sum(out**2)


def view_of_a_view(x: Any) -> Any:
    y = x * 1.0
    middle = y[0:3][1:]
    middle[0] = 5.0 * x[0]
    y[2] *= 2.0
    return np.sum(y**2) + middle[1] * middle[0]


def transposed_view_written(x: Any) -> Any:
    m = np.zeros((2, 3)) * x
    m.T[1] = x[:2]
    m.T[2, 0] += x[2] * x[0]
    return np.sum(m**2 * np.arange(6.0).reshape(2, 3))


def reshaped_view_written(x: Any) -> Any:
    y = np.concatenate([x, x[:1]])
    y.reshape(2, 2)[1, 0] = x[0] * x[1]
    return np.sum(y**3)


def copy_is_no_view(x: Any) -> Any:
    y = x * 1.0
    z = y.copy()
    z[0] = 100.0
    w = copy.deepcopy(y)
    w *= 3.0
    return np.sum(y * w) + z[1]


def rebinding_leaves_the_other_name(x: Any) -> Any:
    y = x * 2.0
    z = y
    y = y + 1.0
    z[0] = 7.0
    return np.sum(y * z)


def in_place_through_the_argument(x: Any) -> Any:
    x[1:] = x[:2] * x[2]
    x /= 2.0
    return np.sum(x)


def out_argument(x: Any) -> Any:
    y = np.zeros_like(x)
    np.multiply(x, x, out=y)
    np.sin(y, out=y, where=np.array([True, False, True]))
    return np.sum(y)


def mask_written(x: Any) -> Any:
    y = x * 1.0
    y[y > 1.5] = 0.0
    y[np.array([True, False, False])] *= 3.0
    return np.sum(y * x)


def minus_zero_in_a_where(x: Any) -> Any:
    return np.sum(np.where(x > 1.5, x * -0.0, x**2))


def polynomial(x: Any) -> Any:
    total = 0.0
    for k, c in enumerate(x):
        total = total * 0.5 + c**2 * k
    return total


def python_operators(x: Any) -> Any:
    a, b, c = x
    return abs(-a) + 2**b + pow(b, 2) - c / 3 + (+c) * round(a) + divmod(c, 2.5)[1] + 1.5 // b + c % 2


def lists_meet_arrays(x: Any) -> Any:
    return np.sum([1.0, 2.0, 3.0] * x) + np.dot([1, 2, 3], x) + np.sum(np.stack([x[0], x[1]]) @ [[1, 2], [3, 4]])


def stacked_matrix(x: Any) -> Any:
    m = np.array([[x[0], 2.0], [x[1] * x[2], x[2]]])
    return np.sum(np.exp(m @ m * 0.1))


def shared_memory_of_reversed(x: Any) -> Any:
    y = x * 1.0
    back = y[::-1]
    back[0] = x[0] * x[1]
    return y[2] ** 2 + back[2]


def boolean_arithmetic(x: Any) -> Any:
    return np.sum((x > 1.5) * x**2 + (x <= 1.5) * x)


def constants_stay_constants(x: Any) -> Any:
    table = np.arange(3.0)
    y = table * x
    table[:] = 100.0  # after it was used
    return np.sum(y**2)


WORKS = [
    filled_list, cells_of_an_object_array, zeros_like_filled, view_of_a_view, transposed_view_written,
    reshaped_view_written, copy_is_no_view, rebinding_leaves_the_other_name, in_place_through_the_argument,
    out_argument, mask_written, minus_zero_in_a_where, polynomial, python_operators, lists_meet_arrays,
    stacked_matrix, shared_memory_of_reversed, boolean_arithmetic, constants_stay_constants,
]  # fmt: skip


@pytest.mark.parametrize("f", WORKS, ids=lambda f: f.__name__)
def test_the_same_lines_give_the_same_value_and_its_derivative(f: Callable[..., Any]) -> None:
    graph = ad.trace(f, X)
    plain = f(X.copy())
    np.testing.assert_allclose(graph(X), float(plain), rtol=1e-15)
    assert np.array_equal(X, [1.0, 2.0, 3.0])
    ad.testing.check_grads(f, (X + 0.1,))


# --- what cannot be: the message -------------------------------------------------------------------


def errors(message: str) -> Callable[[Callable[..., Any]], Any]:
    return lambda f: pytest.param(f, message, id=f.__name__)


FLOAT = (
    rf"was asked of a traced float64\[\], which has no value while tracing\n  made by .*, asked at {HERE}\n"
    r"  use NumPy's function in place of math's; assign into np\.zeros_like of a traced array, or "
    r"build the array with np\.stack; a number that steers the program is passed as static$"
)
BRANCH = (
    rf"^`if` was asked about a traced bool\[\], which has no value while tracing\n  made by core::\w+ at {HERE}, "
    rf"asked at {HERE}\n  to choose per element use np\.where\(c, a, b\); "
    r"to run one branch use adcore\.cond\(c, f, g, x\)$"
)
CELLS = (
    r" was given an object array of traced numbers\n  at "
    + HERE
    + (r"\n  join traced numbers by np\.stack or adcore\.numpy\.array in place of np\.array$")
)


@errors(r"^float\(x\) " + FLOAT)
def math_function(x):
    return math.sin(x[0])


@errors(r"^float\(x\) " + FLOAT)
def as_float(x):
    return float(x[0]) * 2.0


@errors(r"^int\(x\) " + FLOAT)
def as_int(x):
    return x[0] * int(x[0])


@errors(r"^complex\(x\) " + FLOAT)
def as_complex(x):
    return complex(x[0])


@errors(r"^float\(x\) " + FLOAT)
def numpys_own_scalar(x):
    return np.float64(x[0]) ** 2


@errors(r"^float\(x\) " + FLOAT)
def written_into_a_real_array(x):
    out = np.zeros(3)
    out[0] = x[0]
    return out.sum()


@errors(r"^conversion to float64 was asked of a traced float64\[3\]")
def slices_written_into_a_real_array(x):
    out = np.zeros(3)
    out[:] = x
    return out.sum()


@errors(r"^float\(x\) " + FLOAT)
def array_of_floats(x):
    return np.array([x[0], 1.0], dtype=float)


@errors(r"^np\.linalg\.det" + CELLS)
def determinant_of_cells(x):
    return np.linalg.det(np.array([[x[0], x[1]], [x[2], 1.0]]))


@errors(r"^np\.mean" + CELLS)
def mean_of_a_list(x):
    return np.mean([x[0], x[1]])


@errors(r"^np\.max" + CELLS)
def largest_of_a_list(x):
    return np.max([x[0], x[1]])


@errors(BRANCH)
def branch(x):
    return x[0] if x[1] > 0 else -x[0]


@errors(BRANCH)
def chained_comparison(x):
    return x if 0 < x[0] < 1 else -x


@errors(BRANCH)
def largest_by_python(x):
    return max(x)


@errors(BRANCH)
def member_of_a_list(x):
    return x if x[0] in [1.0, 2.0] else -x


@errors(BRANCH)
def loop_until(x):
    while np.sum(x) < 10:
        x = x * 2
    return x


@errors(
    rf"^a traced result cannot be written into a real ndarray \(by out= or \+=\)\n  at {HERE}\n"
    r"  write a = a \+ x in place of a \+= x, or make the array with np\.zeros_like of a traced one$"
)
def added_to_a_real_array(x):
    total = np.zeros(3)
    total += x
    return total


@errors(rf"^where= without out= leaves elements undefined\n  at {HERE}\n  use np\.where\(c, a, b\)$")
def ufunc_where(x):
    return np.sin(x, where=x > 1)


@errors(
    rf"^np\.isnat has no op here, so the trace would be lost\n  called on float64\[3\] at {HERE}\n"
    r"  write it with functions listed by `adcore ops`, or register it as an op \(adcore\.op\)$"
)
def ufunc_without_an_op(x):
    return np.isnat(x)


@errors(
    rf"^np\.busday_count has no op here, so the trace would be lost\n  called on float64\[3\], float64\[3\] at {HERE}\n"
)
def function_without_an_op(x):
    return np.busday_count(x, x)


@errors(rf"^a complex value cannot be written into a traced float64\[3\]\n  at {HERE}\n  take np\.real of it$")
def complex_written_into_real(x):
    x[0] = 1j * x[1]
    return x


@errors(rf"^a value of shape \(2,\) cannot be written where the index selects \(3,\)\n  at {HERE}$")
def wrong_shape_written(x):
    x[:] = x[:2]
    return x


@errors(
    rf"^an in-place operation gives complex128, which does not fit a traced float64\[3\]\n  at {HERE}\n"
    r"  write x = x \+ y in place of x \+= y$"
)
def in_place_that_widens(x):
    x *= 1j
    return x


@errors(rf"^a traced float64\[3\] was pickled\n  at {HERE}\n  save the graph, or run the function on arrays$")
def pickled(x):
    return pickle.dumps(x)


@errors(
    rf"^a traced float64\[3\] of an outer function was written to inside an inner one\n  at {HERE}\n"
    r"  pass it as an argument and return the new value$"
)
def written_inside_an_inner_function(x):
    y = x * 1.0

    def inner(z):
        y[0] = z
        return y[0] * z

    return ad.grad(inner)(2.0)


@errors(r"^<lambda> returned None, which holds no array\n  at .*\n  return what is to be computed$")
def nothing_returned(x):
    return ad.trace(lambda y: None, 1.0)


CANNOT = [
    math_function, as_float, as_int, as_complex, numpys_own_scalar, written_into_a_real_array,
    slices_written_into_a_real_array, array_of_floats, determinant_of_cells, mean_of_a_list, largest_of_a_list, branch,
    chained_comparison, largest_by_python, member_of_a_list, loop_until, added_to_a_real_array, ufunc_where,
    ufunc_without_an_op, function_without_an_op, complex_written_into_real, wrong_shape_written, in_place_that_widens,
    pickled, written_inside_an_inner_function, nothing_returned,
]  # fmt: skip


@pytest.mark.parametrize(("f", "message"), CANNOT)
def test_what_cannot_be_traced_says_what_where_and_what_instead(f: Any, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        ad.trace(f, X)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: sum(x[0]), TypeError, "not iterable"),
        (lambda x: list(x[0]), TypeError, "not iterable"),
        (lambda x: len(x[0]), TypeError, "has no len"),
        (lambda x: x[0][0], IndexError, "too many indices: 1 for an array of 0 axes"),
        (lambda x: x[5], IndexError, "index 5 is out of bounds for axis 0 with size 3"),
        (lambda x: x.nothing, AttributeError, r"a traced float64\[3\] has no attribute 'nothing'"),
        (lambda x: np.reshape(x, (2, 2)), ValueError, "cannot reshape array of size 3 into shape"),
        (lambda x: np.sum(x, axis=1), np.exceptions.AxisError, "axis 1 is out of bounds"),
    ],
)
def test_what_is_wrong_on_arrays_is_wrong_on_tracers(f: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        ad.trace(f, X)
    with pytest.raises(error if error is not AttributeError else AttributeError):
        f(X)


def test_an_op_at_types_that_do_not_fit_names_the_line() -> None:
    with pytest.raises(
        OpError,
        match=rf"^core::vecdot cannot be applied to float64\[3\], float64\[4\]: vecdot sums over axes of 3 and 4\n"
        rf"  at {HERE}\n  core::vecdot: .*$",
    ):
        ad.trace(lambda x: x @ np.ones(4), X)


# --- tracers outside their trace -------------------------------------------------------------------

ENDED = (
    rf"^a traced float64\[\] was used after its trace ended, or in another thread\n"
    rf"  made by an argument of the traced function, used at {HERE}\n"
    r"  return it as a result of the traced function instead of keeping it elsewhere$"
)


@pytest.fixture
def leaked() -> Any:
    kept = []
    ad.trace(lambda x: kept.append(x) or x * 2.0, 1.0)
    return kept[0]


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1,
        lambda x: 1 + x,
        lambda x: np.sin(x),
        lambda x: np.sum([x, 1.0]),
        lambda x: np.stack([x, x]),
        lambda x: ad.trace(lambda y: y * x, 1.0),
        lambda x: ad.grad(lambda y: y * x)(1.0),
    ],
)
def test_a_tracer_that_leaked_is_refused(leaked: Any, use: Any) -> None:
    with pytest.raises(TraceError, match=ENDED):
        use(leaked)


def test_a_tracer_in_another_thread_is_refused() -> None:
    found: list[Any] = []

    def elsewhere(x: Any) -> None:
        try:
            found.append(x * 2.0)
        except TraceError as e:
            found.append(e)

    def f(x: Any) -> Any:
        thread = threading.Thread(target=elsewhere, args=(x,))
        thread.start()
        thread.join()
        return x

    ad.trace(f, 1.0)
    assert re.search(ENDED, str(found[0]))


def test_threads_trace_side_by_side() -> None:
    results: dict[int, Any] = {}

    def work(k: int) -> None:
        for _ in range(20):
            results[k] = ad.grad(lambda x: np.sum(np.sin(x * k)))(X)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in range(4):
        np.testing.assert_allclose(results[k], k * np.cos(X * k))


# --- what tracers say and do not say ---------------------------------------------------------------


def test_tracers_print_their_type_and_can_be_keys() -> None:
    shown = []

    def f(x: Any) -> Any:
        shown.append((repr(x), f"{x:.3f}", {x: 1}[x], x.shape, x.dtype, x.size, x.ndim, x.nbytes, len(x)))
        return x

    ad.trace(f, X)
    assert shown == [("<traced float64[3]>", "<traced float64[3]>", 1, (3,), np.dtype(float), 3, 1, 24, 3)]


def test_a_constant_function_has_the_gradient_zero_only_when_it_is_constant() -> None:
    assert ad.grad(lambda x: 3.0)(1.0) == 0.0
    with pytest.raises(TraceError):
        ad.grad(lambda x: float(x))(1.0)


def test_python_numbers_take_the_dtype_that_they_meet() -> None:
    x = np.float32(2.0)
    for f in (lambda x: x * 2.0, lambda x: 2 * x, lambda x: np.maximum(x, 1e300), lambda x: np.where(x > 0, x, 0.5)):
        with np.errstate(over="ignore"):
            assert ad.trace(f, x)(x).dtype == f(x).dtype == np.float32
    assert ad.trace(lambda x: x * np.float64(2.0), x)(x).dtype == np.float64
    assert ad.trace(lambda n: n / 2, 3)(3) == 1.5
    assert ad.trace(lambda n: n * 2 + True, 3)(3).dtype == np.int64


def test_a_graph_reads_a_constant_as_it_was_when_it_was_used() -> None:
    table = np.arange(3.0)
    graph = ad.trace(lambda x: x * table, X)
    table[:] = 100.0
    np.testing.assert_array_equal(graph(X), X * np.arange(3.0))


def test_equal_arrays_become_one_constant_and_changed_ones_do_not() -> None:
    table = np.arange(3.0)

    def f(x: Any) -> Any:
        y = x * table + table
        table[0] += 1.0
        return y * table

    assert len(ad.trace(f, X).constants) == 2


def test_tracing_is_the_same_each_time() -> None:
    numbers = count()

    def f(x: Any) -> Any:
        return {f"k{i}": x * i for i in range(next(numbers) * 0 + 3)}

    first, second = ad.trace(f, X), ad.trace(f, X)
    assert str(first) == str(second)
    assert first.identity == second.identity
