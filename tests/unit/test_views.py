"""Views, writes through views, aliases and copies: random scripts do to tracers what they do to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adcore as ad
from adcore.errors import TraceError
from adcore.memory import COPY, normal, reshaped, sliced, transposed

Step = tuple[Any, ...]

slices = st.builds(
    slice, st.none() | st.integers(-4, 4), st.none() | st.integers(-4, 4), st.none() | st.sampled_from([1, 2, -1, -2])
)
items = slices | st.integers(-2, 1) | st.just(None) | st.just(...)
index = st.one_of(items, st.tuples(items), st.tuples(slices, slices), st.tuples(st.integers(-2, 1), slices))
which = st.integers(0, 20)

steps = st.one_of(
    st.tuples(st.just("view"), which, index),
    st.tuples(st.just("transpose"), which),
    st.tuples(st.just("ravel"), which),
    st.tuples(st.just("reshape"), which, st.sampled_from([(-1,), (2, -1), (-1, 2), (1, -1), (3, -1)])),
    st.tuples(st.just("swap"), which),
    st.tuples(st.just("expand"), which),
    st.tuples(st.just("squeeze"), which),
    st.tuples(st.just("copy"), which),
    st.tuples(st.just("alias"), which),
    st.tuples(st.just("sum"), which, which),
    st.tuples(st.just("write"), which, index, st.integers(-3, 3)),
    st.tuples(st.just("write_from"), which, index, which),
    st.tuples(st.just("add"), which, st.integers(-3, 3)),
    st.tuples(st.just("multiply_by"), which, which),
    st.tuples(st.just("fill"), which, st.integers(-3, 3)),
    st.tuples(st.just("broadcast"), which),
    st.tuples(st.just("like"), which, st.integers(-3, 3)),
)


def run(script: list[Step], x: Any) -> Any:
    """All arrays of the script at its end, as one vector. What NumPy refuses is skipped."""
    known = [x, x * 2.0]
    for verb, at, *rest in script:
        a = known[at % len(known)]
        if np.ndim(a) == 0:
            continue
        try:
            step(known, a, verb, rest)
        except (IndexError, ValueError, np.exceptions.AxisError):
            known.append(x)
    return np.concatenate([np.ravel(k) for k in known])


def step(known: list[Any], a: Any, verb: str, rest: list[Any]) -> None:
    if verb == "view":
        known.append(a[rest[0]])
    elif verb == "transpose":
        known.append(a.T)
    elif verb == "ravel":
        known.append(np.ravel(a))
    elif verb == "reshape":
        known.append(a.reshape(rest[0]))
    elif verb == "swap":
        known.append(np.swapaxes(a, 0, -1))
    elif verb == "expand":
        known.append(np.expand_dims(a, 0))
    elif verb == "squeeze":
        known.append(np.squeeze(a))
    elif verb == "broadcast":
        known.append(np.broadcast_to(a, (2, *a.shape)))
    elif verb == "like":
        known.append(np.full_like(a, rest[0]))
    elif verb == "copy":
        known.append(a.copy())
    elif verb == "alias":
        known.append(a)
    elif verb == "sum":
        known.append(a + known[rest[0] % len(known)])
    elif verb == "write":
        a[rest[0]] = float(rest[1])
    elif verb == "write_from":
        source = known[rest[1] % len(known)]
        if a[rest[0]].shape != np.shape(source):
            raise ValueError("shapes differ")
        a[rest[0]] = source
    elif verb == "add":
        a += float(rest[0])
    elif verb == "multiply_by":
        a *= np.sum(known[rest[0] % len(known)]) * 0.1
    else:
        a.fill(float(rest[0]))


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.lists(steps, min_size=2, max_size=10))
def test_a_script_of_views_and_writes_does_what_it_does_to_arrays(script: list[Step]) -> None:
    x = np.arange(1.0, 7.0).reshape(2, 3)
    wanted = run(script, x.copy())
    try:
        graph = ad.trace(lambda x: run(script, x), x)
    except TraceError as e:  # never a guess
        assert "may or may not share memory in NumPy" in str(e)
        return
    found = graph(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def layout_of(a: Any) -> Any:
    return normal(a.shape, [s // a.itemsize for s in a.strides])


def proportional(a: Any, b: Any, shape: tuple[int, ...]) -> bool:
    if not isinstance(a, tuple) or not isinstance(b, tuple):
        return bool(a == b)
    pairs = [(x, y) for x, y, n in zip(a, b, shape, strict=True) if n != 1]
    return all(x * v == y * u for x, y in pairs for u, v in pairs)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_layouts_are_numpys_and_so_is_the_choice_of_view_or_copy(data: st.DataObject) -> None:
    sizes = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)
    base: Any = np.zeros(data.draw(sizes))
    a, layout = base, None
    for _ in range(data.draw(st.integers(0, 3))):
        if data.draw(st.booleans()):
            perm = data.draw(st.permutations(range(a.ndim)))
            layout, a = transposed(layout, a.shape, perm), a.transpose(perm)
            continue
        index, kept = [], []
        for axis, n in enumerate(a.shape):
            item = data.draw(
                st.sampled_from([slice(None), slice(1, None), slice(None, None, 2), slice(None, None, -1), 0])
            )
            index.append(item)
            if item != 0:
                start, stop, step = item.indices(n)
                kept.append((axis, step, len(range(start, stop, step))))
        layout, a = sliced(layout, a.shape, kept), a[tuple(index)]
    if a.size <= 1:
        return
    assert proportional(layout, layout_of(a), a.shape)
    new, left = [], a.size
    while left > 1:
        new.append(data.draw(st.sampled_from([d for d in range(2, left + 1) if left % d == 0])))
        left //= new[-1]
    new.insert(data.draw(st.integers(0, len(new))), 1)
    found, wanted = reshaped(layout, a.shape, tuple(new)), a.reshape(new)
    assert (found != COPY) == np.shares_memory(wanted, base)
    if found != COPY:
        assert proportional(found, layout_of(wanted), wanted.shape)


def test_what_cannot_be_known_is_refused_when_it_matters() -> None:
    x = np.arange(6.0).reshape(2, 3)

    def read_only(x: Any) -> Any:
        return np.sum((x.T * 2.0).reshape(-1)[1:])

    def written(x: Any) -> Any:
        y = x.T * 2.0  # NumPy gives it the layout of x.T
        y.reshape(-1)[0] = 5.0
        return y

    def read_after_the_base_was_written(x: Any) -> Any:
        y = x.T * 2.0
        z = y.reshape(2, 3)
        y += 1.0
        return z

    np.testing.assert_array_equal(ad.trace(read_only, x)(x), read_only(x))
    for f in (written, read_after_the_base_was_written):
        with pytest.raises(
            TraceError,
            match=r"^a traced float64\[3,2\] and a reshape of it may or may not share memory in NumPy, and one was "
            r"written to\n  at test_views\.py:\d+\n"
            r"  say which is meant: reshape before transposing, or take \.copy\(\) of one of them$",
        ):
            ad.trace(f, x)


def test_views_that_may_only_be_read_follow_their_base() -> None:
    def f(x: Any) -> Any:
        z = x * (1.0 + 2.0j)
        parts, wide = (z.real, z.imag), np.broadcast_to(x, (2, 3))
        z[0], x[1] = 7.0, 8.0
        return *parts, wide

    for found, wanted in zip(ad.trace(f, np.ones(3))(np.ones(3)), f(np.ones(3)), strict=True):
        np.testing.assert_array_equal(found, wanted)
    for write in (lambda x: np.broadcast_to(x, (2, 3)).fill(1.0), lambda x: np.real(x * 1j).__setitem__(0, 1.0)):
        with pytest.raises(ValueError, match="assignment destination is read-only"):
            ad.trace(lambda x, write=write: write(x) or x, np.ones(3))


def test_flat_writes_to_the_array_in_any_layout() -> None:
    def f(x: Any) -> Any:
        x.T.flat[1] = 9.0
        x[:, ::2].flat[3] = 4.0
        return x

    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(ad.trace(f, x)(x), f(x.copy()))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(steps, min_size=2, max_size=8))
def test_its_derivatives_are_those_of_what_it_computes(script: list[Step]) -> None:
    x = np.linspace(0.5, 1.5, 6).reshape(2, 3)
    ad.testing.check_grads(lambda x: run(script, x), (x,), order=1)
