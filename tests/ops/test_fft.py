"""numpy.fft on traced arrays: NumPy's values, and derivatives against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.testing import check_grads

RNG = np.random.default_rng(20260103)
REAL = RNG.normal(size=(2, 5, 6))
COMPLEX = REAL + 1j * RNG.normal(size=REAL.shape)

ONE = [{}, {"n": 3}, {"n": 9}, {"axis": 0}, {"axis": 1, "n": 4}, {"norm": "ortho"}, {"norm": "forward", "n": 7}]
MANY = [
    {},
    {"s": (4, 7)},
    {"axes": (0, 2)},
    {"s": (3, 5, 6)},
    {"axes": (1,), "norm": "ortho"},
    {"s": (3, 8), "axes": (2, 0), "norm": "forward"},
]
CASES = [
    *((name, kw) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft") for kw in ONE),
    *((name, kw) for name in ("fftn", "ifftn", "rfftn", "irfftn") for kw in MANY),
    *((name, kw) for name in ("fft2", "ifft2", "rfft2", "irfft2") for kw in ({}, {"s": (3, 4), "axes": (0, 1)})),
    *((name, kw) for name in ("fftn", "ifftn") for kw in ({"axes": (1, 1)}, {"axes": (2, 0, 2), "s": (4, 3, 5)})),
    *((name, kw) for name in ("fftshift", "ifftshift") for kw in ({}, {"axes": 1}, {"axes": (0, 2)})),
]
cases = pytest.mark.parametrize(("name", "kw"), CASES, ids=str)
pytestmark = pytest.mark.filterwarnings("ignore:.axes. should not be:DeprecationWarning")  # with s=, of NumPy


def inputs(name: str) -> list[Any]:
    return [REAL] if name in ("rfft", "ihfft", "rfft2", "rfftn") else [REAL, COMPLEX]


@cases
def test_a_transform_has_the_value_and_dtype_of_numpy(name: str, kw: dict[str, Any]) -> None:
    transform = getattr(np.fft, name)
    for x in [*inputs(name), REAL.astype(np.float32), (10 * REAL).astype(int)]:
        y, wanted = ad.trace(lambda x: transform(x, **kw), x)(x), transform(x, **kw)
        assert y.dtype == wanted.dtype
        np.testing.assert_allclose(
            y, wanted, rtol=1e-5 if x.dtype == np.float32 else 1e-12, atol=1e-5 if x.dtype == np.float32 else 1e-13
        )


@cases
def test_its_derivatives_agree_with_differences_in_both_modes(name: str, kw: dict[str, Any]) -> None:
    transform = getattr(np.fft, name)
    for x in inputs(name):
        check_grads(lambda x: np.sin(transform(x, **kw)), (x / 8,), order=1)


def test_second_order_passes_through_a_spectrum() -> None:
    check_grads(lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2 * np.cos(np.sum(x))), (REAL[0, 0],), order=3)


def test_a_convolution_by_transforms_has_the_gradient_of_the_convolution() -> None:
    a, b = REAL[0, 0], REAL[1, 1]

    def by_transforms(a: Any) -> Any:
        return np.sum(np.fft.irfft(np.fft.rfft(a, 11) * np.fft.rfft(b, 11), 11) ** 2)

    full = np.convolve(a, b)
    np.testing.assert_allclose(ad.grad(by_transforms)(a), 2.0 * np.correlate(full, b, "valid"), rtol=1e-12)


def test_vmap_equals_a_loop() -> None:
    f = lambda x: np.fft.irfft(np.fft.fft(x, axis=0), 7, axis=1)
    np.testing.assert_allclose(ad.vmap(f)(COMPLEX), np.stack([f(x) for x in COMPLEX]), rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.fft.fft(x, norm="odd"), 'Invalid norm value odd; should be "backward", "ortho" or "forward".'),
        (lambda x: np.fft.fft(x, 0), r"Invalid number of FFT data points \(0\) specified"),
        (lambda x: np.fft.irfft(x, 0), r"Invalid number of FFT data points \(0\) specified"),
        (lambda x: np.fft.fftn(x, s=(2, 3), axes=(0,)), "Shape and axes have different lengths"),
        (lambda x: np.fft.rfft(x * 1j), "a real array is needed; use fft"),
    ],
)
def test_what_does_not_fit_is_an_error_of_numpys_kind(f: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        ad.trace(f, REAL)
