"""Yesterday's gradient is impossible: whatever a function reads is changed, and its gradient follows."""

from __future__ import annotations

import enum
import functools
import logging
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.fingerprint import Fingerprint

LOG = logging.getLogger("tests.traced")  # a logger is constant, so a function may say that it was traced

Case = tuple[Callable[[Any], Any], Callable[[], Any]]
CASES: list[Callable[[], Case]] = []


def case(build: Callable[[], Case]) -> Callable[[], Case]:
    """A function whose gradient at 1 is 2, and a change of what it reads that makes it 3."""
    CASES.append(build)
    return build


def module(source: str, name: str = "model_of_a_user", **names: Any) -> types.ModuleType:
    """A module as a user would write it."""
    made = types.ModuleType(name)
    vars(made).update(names)
    exec(source, vars(made))
    return made


def setter(x: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(x, name, value)


@case
def a_global_number():
    m = module("def f(x): return x * k", k=2.0)
    return m.f, setter(m, "k", 3.0)


@case
def a_global_that_turns_from_int_to_float():
    m = module("def f(x): return x * (2.0 if isinstance(k, int) else 3.0)", k=1)
    return m.f, setter(m, "k", 1.0)


@case
def the_sign_of_a_zero():
    m = module("import math\ndef f(x): return x * (2.5 + math.copysign(0.5, k))", k=-0.0)
    return m.f, setter(m, "k", 0.0)


@case
def a_global_that_hides_a_builtin():
    m = module("def f(x): return x * len([5.0, 5.0])")
    return m.f, setter(m, "len", lambda xs: 3)


@case
def a_global_that_was_not_there():
    m = module("def f(x):\n    try:\n        return x * k\n    except NameError:\n        return x * 2.0")
    return m.f, setter(m, "k", 3.0)


@case
def a_list():
    k = [2.0]
    return lambda x: x * k[0], lambda: k.__setitem__(0, 3.0)


@case
def a_list_in_a_dict_in_a_tuple():
    k = ({"a": [2.0]},)
    return lambda x: x * k[0]["a"][0], lambda: k[0]["a"].append(k[0]["a"].pop() + 1.0)


@case
def a_dict():
    k = {"a": 2.0}
    return lambda x: x * sum(k.values()), lambda: k.update(b=1.0)


@case
def the_order_of_a_dict():
    k = OrderedDict(a=2.0, b=3.0)
    return lambda x: x * next(iter(k.values())), lambda: k.move_to_end("a")


@case
def a_set():
    k = {1.0, 5.0}
    return lambda x: x * len(k), lambda: k.add(7.0)


@case
def a_deque():
    k = deque([2.0])
    return lambda x: x * k[0], lambda: k.appendleft(3.0)


@case
def a_bytearray():
    k = bytearray(b"\x02")
    return lambda x: x * float(k[0]), lambda: k.__setitem__(0, 3)


@case
def an_array_in_place():
    k = np.array([2.0, 5.0])
    return lambda x: x * k[0], lambda: k.__setitem__(0, 3.0)


@case
def an_array_through_a_view_of_it():
    k = np.arange(12.0).reshape(3, 4)
    view = k[1:, ::2]
    view[1, 1] = 2.0
    return lambda x: x * k[2, 2], lambda: view.__setitem__((1, 1), 3.0)


@case
def a_view_through_its_base():
    base = np.full(12, 2.0)
    k = base[1::3]
    return lambda x: x * k[1], lambda: base.__setitem__(4, 3.0)


@case
def one_element_of_a_large_array():
    k = np.full((500, 301), 2.0)
    return lambda x: x * k[499, 299], lambda: k.__setitem__((499, 299), 3.0)


@case
def the_shape_of_an_array():
    k = np.ones(6)
    k.shape = (3, 2)
    return lambda x: x * k.shape[1], setter(k, "shape", (2, 3))


@case
def the_mask_of_a_masked_array():
    k = np.ma.array([2.0, 3.0, 5.0], mask=[False, False, True])
    return lambda x: x * float(k.count()), lambda: k.mask.__setitem__(2, False)


class Model:
    power = 2.0

    def __init__(self, k: Any) -> None:
        self.k = k

    def loss(self, x: Any) -> Any:
        return x * self.k

    def scaled(self, x: Any) -> Any:
        return x * self.power

    def __call__(self, x: Any) -> Any:
        return self.loss(x)


@case
def an_attribute_of_an_object():
    m = Model(2.0)
    return lambda x: x * m.k, setter(m, "k", 3.0)


@case
def an_attribute_that_a_bound_method_reads():
    m = Model(2.0)
    return m.loss, setter(m, "k", 3.0)


@case
def an_attribute_that_a_callable_object_reads():
    m = Model(2.0)
    return m, setter(m, "k", 3.0)


@case
def the_attributes_of_an_object_exchanged():
    m = Model(2.0)
    return m.loss, setter(m, "__dict__", {"k": 3.0})


@case
def an_attribute_of_a_class():
    class Mine(Model):
        pass

    return Mine(0.0).scaled, setter(Mine, "power", 3.0)


@case
def an_attribute_that_hides_one_of_the_class():
    m = Model(0.0)
    return m.scaled, setter(m, "power", 3.0)


@case
def a_method_of_a_base_class():
    class Base:
        def k(self) -> float:
            return 2.0

    class Mine(Base):
        pass

    m = Mine()
    return lambda x: x * m.k(), setter(Base, "k", lambda self: 3.0)


@case
def the_class_of_an_object():
    class Other(Model):
        power = 3.0

    m = Model(0.0)
    return m.scaled, setter(m, "__class__", Other)


@case
def an_attribute_by_getattr():
    m, name = Model(0.0), ["po", "wer"]
    return lambda x: x * getattr(m, "".join(name)), setter(m, "power", 3.0)


@case
def an_attribute_by_vars():
    m = Model(2.0)
    return lambda x: x * sum(vars(m).values()), setter(m, "more", 1.0)


@case
def an_attribute_by_a_pattern():
    m = Model(2.0)
    source = "def f(x):\n    match m:\n        case Model(k=k):\n            return x * k"
    return module(source, m=m, Model=Model).f, setter(m, "k", 3.0)


@case
def a_property():
    class Mine:
        _k = 2.0

        @property
        def k(self) -> float:
            return self._k

    m = Mine()
    return lambda x: x * m.k, setter(Mine, "_k", 3.0)


@case
def an_object_with_slots():
    class Slots:
        __slots__ = ("k",)

    m = Slots()
    m.k = 2.0
    return lambda x: x * m.k, setter(m, "k", 3.0)


@dataclass
class Settings:
    k: Any


@case
def a_dataclass_in_a_list():
    k = [Settings(2.0)]
    return lambda x: x * k[0].k, setter(k[0], "k", 3.0)


@case
def a_namespace():
    k = types.SimpleNamespace(k=2.0)
    return lambda x: x * k.k, setter(k, "k", 3.0)


class Kind(enum.Enum):
    A = 2.0


@case
def a_member_of_an_enumeration():
    k = [Kind.A, Fraction(1, 2), range(3), slice(0, 1)]
    return lambda x: x * (k[0].value if k[1] == Fraction(1, 2) else 3.0), lambda: k.__setitem__(1, Fraction(2, 3))


@case
def a_spline():
    interpolate = pytest.importorskip("scipy.interpolate")
    k = interpolate.CubicSpline([0.0, 1.0, 2.0], [2.0, 2.0, 2.0])
    return lambda x: x * float(k(0.5)), lambda: k.c.__setitem__(-1, 3.0)


@case
def a_sparse_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    k = sparse.csr_array(np.array([[0.0, 2.0], [0.0, 0.0]]))
    return lambda x: x * k.data[0], lambda: k.data.__setitem__(0, 3.0)


@case
def an_object_of_a_library():
    k = np.poly1d([2.0, 0.0])
    return lambda x: x * k.coeffs[0], lambda: k.coeffs.__setitem__(0, 3.0)


@case
def an_attribute_of_a_module():
    constants = module("k = 2.0", "constants_of_a_user")
    return lambda x: x * constants.k, setter(constants, "k", 3.0)


@case
def a_module_imported_inside():
    sys.modules["constants_of_a_user"] = constants = module("k = 2.0", "constants_of_a_user")
    m = module("def f(x):\n    import constants_of_a_user as c\n    return x * c.k")
    return m.f, setter(constants, "k", 3.0)


@case
def a_name_imported_inside():
    sys.modules["constants_of_a_user"] = constants = module("k = 2.0", "constants_of_a_user")
    m = module("def f(x):\n    from constants_of_a_user import k\n    return x * k")
    return m.f, setter(constants, "k", 3.0)


@case
def a_default():
    def f(x: Any, k: float = 2.0) -> Any:
        return x * k

    return f, setter(f, "__defaults__", (3.0,))


@case
def a_mutable_default():
    def f(x: Any, *, k: Any = [2.0]) -> Any:  # noqa: B006
        return x * k[0]

    return f, lambda: f.__kwdefaults__["k"].__setitem__(0, 3.0)


@case
def an_attribute_of_the_function():
    def f(x: Any) -> Any:
        return x * f.k

    f.k = 2.0  # type: ignore[attr-defined]
    return f, setter(f, "k", 3.0)


@case
def the_code_of_the_function():
    def f(x: Any) -> Any:
        return x * 2.0

    return f, setter(f, "__code__", (lambda x: x * 3.0).__code__)


@case
def a_closure():
    k = 2.0

    def f(x: Any) -> Any:
        return x * k

    def change() -> None:
        nonlocal k
        k = 3.0

    return f, change


@case
def a_partial():
    k = [2.0]
    return functools.partial(lambda k, x: x * k[0], k), lambda: k.__setitem__(0, 3.0)


@case
def the_keywords_of_a_partial():
    p = functools.partial(lambda x, k: x * k, k=2.0)
    return p, lambda: p.keywords.update(k=3.0)


@case
def a_helper_of_a_helper():
    m = module("def h(x): return x * k\ndef g(x): return h(x)\ndef f(x): return g(x)", k=2.0)
    return m.f, setter(m, "k", 3.0)


@case
def a_helper_exchanged():
    m = module("def g(x): return x * 2.0\ndef f(x): return g(x)")
    return m.f, lambda: exec("def g(x): return x * 3.0", vars(m))


@case
def a_global_of_nested_code():
    m = module("def f(x): return sum((lambda: x * k)() for _ in range(1))", k=2.0)
    return m.f, setter(m, "k", 3.0)


@case
def a_lambda_in_a_container():
    k = [2.0]
    table = {"scale": lambda x: x * k[0]}
    return lambda x: table["scale"](x), lambda: k.__setitem__(0, 3.0)


@case
def what_is_under_a_decorator():
    k = [2.0]

    def logged(f: Any) -> Any:
        @functools.wraps(f)
        def inner(*args: Any) -> Any:
            return f(*args)

        return inner

    return logged(lambda x: x * k[0]), lambda: k.__setitem__(0, 3.0)


@case
def what_a_method_of_a_list_is_bound_to():
    k = [2.0]
    last = k.__getitem__
    return lambda x: x * last(0), lambda: k.__setitem__(0, 3.0)


@case
def what_an_inner_gradient_reads():
    k = [2.0]
    inner = ad.grad(lambda x: x * x * k[0] / 2.0)
    return lambda x: inner(x), lambda: k.__setitem__(0, 3.0)


@case
def what_an_inner_batch_reads():
    k = [2.0]
    inner = ad.region(lambda x: x * k[0], name="inner")
    return lambda x: inner(x), lambda: k.__setitem__(0, 3.0)


@pytest.fixture(autouse=True)
def no_module_left_behind() -> Iterator[None]:
    yield
    sys.modules.pop("constants_of_a_user", None)


@pytest.mark.parametrize("build", CASES, ids=lambda b: b.__name__)
def test_a_gradient_follows_what_its_function_reads(build: Callable[[], Case]) -> None:
    f, change = build()
    gradient = ad.grad(f)
    assert gradient(1.0) == 2.0
    assert gradient(1.0) == 2.0
    change()
    assert gradient(1.0) == 3.0


@pytest.mark.parametrize("build", CASES, ids=lambda b: b.__name__)
def test_what_is_unchanged_has_an_equal_fingerprint(build: Callable[[], Case]) -> None:
    f, change = build()
    watching = Fingerprint(f)
    before = watching.state()
    assert before is not None
    ad.grad(f)(1.0)
    assert watching.state() == before
    assert Fingerprint(f).state() == before
    change()
    assert watching.state() != before
    assert Fingerprint(f).state() == watching.state()


def unknowns() -> Iterator[tuple[str, Callable[[Any], Any], str]]:
    rng, numbers = np.random.default_rng(7), iter([2.0, 3.0, 5.0, 7.0])
    yield "a generator", lambda x: x * rng.uniform(), "rng is a numpy.random._generator.Generator"
    yield "chance of numpy", lambda x: x * np.random.uniform(), "module numpy.random"
    clock = module("from time import perf_counter as now\ndef f(x): return x * now()")
    yield "the clock", clock.f, "time.perf_counter"
    yield "an iterator", lambda x: x * next(numbers), "numbers is a builtins.list_iterator"


@pytest.mark.parametrize(("name", "f", "reason"), list(unknowns()), ids=lambda v: v if isinstance(v, str) else "")
def test_what_may_change_unseen_is_never_cached_and_logged_once(
    name: str, f: Callable[[Any], Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    gradient = ad.grad(f)
    assert gradient(1.0) != gradient(1.0)
    said = [r.getMessage() for r in caplog.records if "made anew" in r.getMessage()]
    assert len(said) == 1
    assert reason in said[0]


def traced_loss(x: Any, power: int = 2) -> Any:
    LOG.info("traced")
    return np.sum(x**power)


def count(records: list[logging.LogRecord]) -> int:
    return sum(r.name == LOG.name for r in records)


def test_an_unchanged_function_is_traced_once_per_form_of_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    gradient = ad.grad(traced_loss)
    for x in (np.ones(3), np.zeros(3), np.ones(3)[::-1]):
        gradient(x)
    assert count(caplog.records) == 1
    gradient(np.ones(5))
    gradient(np.ones(3, np.float32))
    gradient(np.ones(3), 3)
    gradient(np.ones(3), power=3)
    gradient(1.0)
    assert count(caplog.records) == 5
    for args in ((np.ones(5),), (np.ones(3, np.float32),), (np.ones(3), 3), (1.0,)):
        gradient(*args)
    assert count(caplog.records) == 5


def test_products_and_gradients_made_again_for_the_same_function_are_not_traced_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    x = np.ones(11)
    for _ in range(3):
        ad.grad(traced_loss)(x)
        ad.jvp(traced_loss, (x,), (x,))
        ad.hvp(traced_loss, (x,), (x,))
        ad.vjp(traced_loss, x)[1](1.0)
    assert count(caplog.records) == 4


def test_what_is_not_read_does_not_matter(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    class Fit:
        def __init__(self) -> None:
            self.k, self.history, self.rng = 2.0, [], np.random.default_rng(7)

        def loss(self, x: Any) -> Any:
            LOG.info("traced")
            return x * self.k

        def step(self, x: Any) -> Any:
            self.history.append(self.rng.uniform())
            return ad.grad(self.loss)(x)

    fit = Fit()
    assert [fit.step(1.0) for _ in range(3)] == [2.0, 2.0, 2.0]
    assert count(caplog.records) == 1
