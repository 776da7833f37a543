"""Convolution against sums written out, in every stride, padding, dilation and group; derivatives; batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adcore as ad
from adcore.testing import check_grads

RNG = np.random.default_rng(20260105)


def written_out(x: Any, w: Any, strides: Any, pads: Any, dilation: Any, groups: int) -> Any:
    """The definition, element by element."""
    n = x.shape[0]
    o, own = w.shape[:2]
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    reach = [(k - 1) * q + 1 for k, q in zip(w.shape[2:], dilation, strict=True)]
    places = [(s - r) // step + 1 for s, r, step in zip(x.shape[2:], reach, strides, strict=True)]
    y = np.zeros((n, o, *places))
    for at in np.ndindex(*y.shape):
        i, j, *t = at
        first = (j // (o // groups)) * own
        for ch in range(own):
            for k in np.ndindex(*w.shape[2:]):
                where = tuple(a * s + b * q for a, s, b, q in zip(t, strides, k, dilation, strict=True))
                y[at] += x[(i, first + ch, *where)] * w[(j, ch, *k)]
    return y


@st.composite
def convolutions(draw: Any) -> dict[str, Any]:
    d = draw(st.integers(0, 2))
    groups = draw(st.integers(1, 2))
    axis = st.integers(1, 3)
    kernel = [draw(axis) for _ in range(d)]
    dilation = [draw(st.integers(1, 2)) for _ in range(d)]
    pads = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(d)]
    sizes = [
        max((k - 1) * q + 1 - a - b, 1) + draw(st.integers(0, 3))
        for k, q, (a, b) in zip(kernel, dilation, pads, strict=True)
    ]
    own, out, n = draw(axis), draw(axis), draw(axis)
    return {
        "x": RNG.normal(size=(n, own * groups, *sizes)), "w": RNG.normal(size=(out * groups, own, *kernel)),
        "strides": [draw(axis) for _ in range(d)], "padding": pads, "dilation": dilation, "groups": groups,
    }  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(convolutions())
def test_a_convolution_is_its_definition_and_so_are_its_derivatives(case: dict[str, Any]) -> None:
    x, w = case.pop("x"), case.pop("w")
    wanted = written_out(x, w, case["strides"], case["padding"], case["dilation"], case["groups"])
    np.testing.assert_allclose(ad.conv(x, w, **case), wanted, rtol=1e-12, atol=1e-12)
    graph = ad.trace(lambda x, w: ad.conv(x, w, **case), x, w)
    np.testing.assert_allclose(graph(x, w), wanted, rtol=1e-12, atol=1e-12)
    check_grads(lambda x, w: ad.conv(x, w, **case), (x, w), order=2)


def test_same_padding_has_as_many_places_as_elements() -> None:
    x = RNG.normal(size=(2, 3, 7, 5))
    for k in (1, 2, 3):
        assert ad.conv(x, RNG.normal(size=(5, 3, k, k)), padding="same", dilation=2).shape == (2, 5, 7, 5)
    assert ad.conv(x, RNG.normal(size=(5, 3, 2, 2)), padding="valid").shape == (2, 5, 6, 4)


def test_batches_of_either_operand_are_one_convolution() -> None:
    xs, ws = RNG.normal(size=(4, 2, 3, 7)), RNG.normal(size=(4, 5, 3, 2))
    for axes, one in (
        ((0, None), lambda i: (xs[i], ws[0])),
        ((None, 0), lambda i: (xs[0], ws[i])),
        ((0, 0), lambda i: (xs[i], ws[i])),
    ):
        args = (xs if axes[0] == 0 else xs[0], ws if axes[1] == 0 else ws[0])
        graph = ad.trace(ad.vmap(ad.conv, axes), *args)
        assert [n.op for n in graph.nodes].count("core::conv") == 1
        np.testing.assert_allclose(graph(*args), np.stack([ad.conv(*one(i)) for i in range(4)]), rtol=1e-12)


def test_a_network_of_convolutions_has_its_gradient() -> None:
    x = RNG.normal(size=(2, 1, 6, 6))
    weights = [RNG.normal(size=(3, 1, 3, 3)), RNG.normal(size=(2, 3, 3, 3))]

    def loss(weights: Any) -> Any:
        y = x
        for w in weights:
            y = np.tanh(ad.conv(y, w, strides=2, padding=1))
        return np.sum(y**2)

    check_grads(loss, (weights,))


def test_single_precision_and_integers_keep_their_dtype() -> None:
    x, w = RNG.normal(size=(1, 1, 5)), RNG.normal(size=(1, 1, 2))
    assert ad.conv(x.astype(np.float32), w.astype(np.float32)).dtype == np.float32
    assert ad.conv(np.arange(5).reshape(1, 1, 5), np.ones((1, 1, 2), int)).tolist() == [[[1, 3, 5, 7]]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, w: ad.conv(x[0], w), "x of 2 axes and w of 3 axes do not fit each other"),
        (lambda x, w: ad.conv(x, w, groups=2), "x has 3 channels, w 5 outputs of 3 channels, in 2 groups"),
        (lambda x, w: ad.conv(x, w, strides=0), "strides is 0\n  for 1 axes\n  give a positive integer"),
        (
            lambda x, w: ad.conv(x, w, padding="full"),
            'padding is \'full\'\n  at .*\n  give integers, "same" or "valid"',
        ),
        (lambda x, w: ad.conv(x, w, padding=[(1, 1), (1, 1)]), r"padding is \[\(1, 1\), \(1, 1\)\]\n  for 1 axes"),
        (lambda x, w: ad.conv(x[..., :1], w), "a kernel of 2 elements does not fit axis 0 of 1, padded by 0"),
    ],
)
def test_what_does_not_fit_is_said(call: Any, message: str) -> None:
    x, w = RNG.normal(size=(2, 3, 7)), RNG.normal(size=(5, 3, 2))
    with pytest.raises(ad.AdcoreError, match=message):
        ad.trace(call, x, w)
