"""Random numbers from keys: the same words as NumPy's generator, the right laws, derivatives in parameters."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.stats

import adcore as ad
from adcore import random
from adcore_ops.random import exact
from adcore_ops.random.philox import encrypt, words

KEY = random.key(20260106)

# --- words and keys ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [(0, 0), (123, 2**63 + 5), (2**64 - 1, 2**64 - 1)])
def test_words_are_those_of_numpys_philox(key: tuple[int, int]) -> None:
    pair = np.array(key, np.uint64)
    truth = np.random.Philox(counter=np.array([0, 5, 0, 3], np.uint64), key=pair).random_raw(1001)
    np.testing.assert_array_equal(encrypt(pair, np.arange(251), 5, 3).reshape(-1)[:1001], truth)
    for n in (0, 1, 7, 255, 256, 1001):  # arrays up to 255 words, NumPy's generator from there on
        np.testing.assert_array_equal(words(pair, n, 3, 5), truth[:n])


def test_numbers_are_the_same_in_every_release() -> None:
    """Recorded with this project's first release of random numbers; they must never change."""
    key = random.key(0)
    assert random.bits(key, (2,)).tolist() == [213000021201967259, 4455796210202625458]
    assert [float(x).hex() for x in random.normal(key, (2,))] == RECORDED["normal"]
    assert [float(x).hex() for x in random.gamma(key, np.array([0.5, 3.0]))] == RECORDED["gamma"]
    assert random.randint(key, -5, 100, (4,)).tolist() == RECORDED["randint"]
    assert random.permutation(key, 7).tolist() == RECORDED["permutation"]
    assert random.split(key).tolist() == RECORDED["split"]


RECORDED: dict[str, list[Any]] = {
    "normal": ["0x1.0bce87f2d0a05p+0", "0x1.bc4f03da60966p-1"],
    "gamma": ["0x1.d8677213f6d0fp-6", "0x1.1b5c52e258c15p+1"],
    "randint": [-4, 20, 6, 54],
    "permutation": [0, 2, 1, 5, 4, 3, 6],
    "split": [[6312158256571094726, 10634814581434429480], [1598446939479630672, 11723492092571950057]],
}


def test_keys_that_are_split_or_folded_are_all_different() -> None:
    keys = [KEY, *random.split(KEY, 100), *(random.fold_in(KEY, i) for i in range(100))]
    assert len({tuple(k.tolist()) for k in keys}) == 201
    streams = np.stack([random.bits(k, (3,)) for k in keys])
    assert len(np.unique(streams)) == streams.size
    assert not np.array_equal(random.split(KEY)[0], random.bits(KEY, (2,)))


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    np.testing.assert_array_equal(random.normal(KEY, 1000)[:7], random.normal(KEY, 7))


# --- laws of distributions -----------------------------------------------------------------------

N = 20_000
LAWS: dict[str, tuple[Any, Any]] = {
    "uniform": (random.uniform(KEY, N), scipy.stats.uniform()),
    "uniform between": (random.uniform(KEY, N, low=-1.0, high=3.0), scipy.stats.uniform(-1.0, 4.0)),
    "normal": (random.normal(KEY, N), scipy.stats.norm()),
    "normal, scaled": (random.normal(KEY, N, loc=2.0, scale=0.5), scipy.stats.norm(2.0, 0.5)),
    "exponential": (random.exponential(KEY, N, scale=2.0), scipy.stats.expon(scale=2.0)),
    **{f"gamma {a}": (random.gamma(KEY, np.full(N, a)), scipy.stats.gamma(a)) for a in (0.1, 0.7, 1.0, 5.5, 300.0)},
    "beta": (random.beta(KEY, 0.7, 3.0, N), scipy.stats.beta(0.7, 3.0)),
    "share": (random.dirichlet(KEY, np.array([0.7, 1.0, 2.0]), N)[:, 0], scipy.stats.beta(0.7, 3.0)),
    "part of a vector": (
        random.multivariate_normal(KEY, np.array([1.0, 2.0]), np.array([[2.0, 0.7], [0.7, 1.0]]), N) @ [1.0, 1.0],
        scipy.stats.norm(3.0, np.sqrt(4.4)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_draws_follow_their_law(name: str) -> None:
    drawn, law = LAWS[name]
    assert scipy.stats.kstest(drawn, law.cdf).pvalue > 1e-3


def test_whole_numbers_and_orders_are_uniform() -> None:
    counts = np.bincount(random.randint(KEY, 0, 7, 70_000))
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    assert set(random.randint(KEY, -3, 0, 1000).tolist()) == {-3, -2, -1}
    wide = random.randint(KEY, -(2**62), 2**62, 1000)
    assert scipy.stats.kstest(wide / 2.0**63 + 0.5, "uniform").pvalue > 1e-3
    orders = ad.vmap(lambda k: random.permutation(k, 3))(random.split(KEY, 6000))
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6 and scipy.stats.chisquare(counts).pvalue > 1e-3
    assert random.bernoulli(KEY, 0.3, 100_000).mean() == pytest.approx(0.3, abs=0.01)


def test_choices_are_elements_with_their_weights() -> None:
    items = np.array([[10.0, 1.0], [20.0, 2.0], [30.0, 3.0]])
    assert {tuple(r) for r in random.choice(KEY, items, 50).tolist()} == {tuple(r) for r in items.tolist()}
    assert sorted(random.choice(KEY, 7, 7, replace=False).tolist()) == list(range(7))
    weighted = random.choice(KEY, 3, 10_000, p=np.array([0.2, 0.0, 0.6]))
    np.testing.assert_allclose(np.bincount(weighted, minlength=3) / 10_000, [0.25, 0.0, 0.75], atol=0.02)
    np.testing.assert_array_equal(np.sort(random.permutation(KEY, items), axis=0), items)


def test_the_generators_own_functions_are_exact() -> None:
    rng = np.random.default_rng(1)
    x, y, p = np.exp(rng.uniform(-700, 700, 200)), rng.uniform(-700, 700, 200), 10.0 ** -rng.uniform(0.31, 15, 200)
    with mp.workdps(40):
        for ours, truth, points in (
            (exact.log, mp.log, x), (exact.exp, mp.exp, y),
            (exact.lower_quantile, lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), p),
        ):  # fmt: skip
            for point, found in zip(points.tolist(), ours(points).tolist(), strict=True):
                assert abs(found / truth(mp.mpf(point)) - 1) < 2e-15


# --- in graphs -----------------------------------------------------------------------------------


def test_a_graph_draws_by_the_key_that_it_is_given() -> None:
    graph = ad.trace(lambda key: random.normal(key, (3,)) + random.uniform(key), KEY)
    for key in random.split(KEY, 3):
        np.testing.assert_array_equal(graph(key), random.normal(key, (3,)) + random.uniform(key))
    assert ad.loads(graph.dumps()).identity == graph.identity


def test_a_batch_of_keys_draws_what_each_draws() -> None:
    keys = random.split(KEY, 5)
    for draw in (
        lambda k: random.normal(k, (2, 3)), lambda k: random.gamma(k, np.array([0.5, 2.0])),
        lambda k: random.split(k, 3), lambda k: random.permutation(k, 4), lambda k: random.fold_in(k, 7),
        lambda k: random.randint(k, 0, 9),
    ):  # fmt: skip
        np.testing.assert_array_equal(ad.vmap(draw)(keys), np.stack([draw(k) for k in keys]))


def test_a_loop_draws_by_folding_in_its_step() -> None:
    def walk(key: Any, scale: Any) -> Any:
        def step(carry: Any, i: Any) -> Any:
            x = carry + scale * random.normal(random.fold_in(key, i))
            return x, x

        return ad.scan(step, 0.0, np.arange(5))[1]

    plain = np.cumsum([0.7 * random.normal(random.fold_in(KEY, i)) for i in range(5)])
    np.testing.assert_allclose(walk(KEY, 0.7), plain, rtol=1e-15)
    gradient = ad.grad(lambda s: walk(KEY, s)[-1])(0.7)
    assert gradient == pytest.approx(plain[-1] / 0.7)


def test_derivatives_flow_through_location_scale_and_bounds() -> None:
    def f(loc: Any, scale: Any, high: Any) -> Any:
        first, second, third = random.split(KEY, 3)
        x = random.normal(first, 5, loc=loc, scale=scale) * random.uniform(second, 5, high=high)
        return np.sum(x + random.exponential(third, 5, scale=scale))

    ad.testing.check_grads(f, (0.3, 1.2, 2.0))


@pytest.mark.parametrize("a", [0.3, 1.0, 2.5, 40.0])
def test_gamma_numbers_move_along_their_quantile(a: float) -> None:
    """dy/da at a fixed probability, which is what reparametrisation by the distribution function means."""
    y, dot = ad.jvp(lambda a: random.gamma(KEY, a, 7), (np.float64(a),), (np.float64(1.0),))
    q, h = scipy.stats.gamma(a).cdf(y), 1e-5 * a
    slope = (scipy.stats.gamma(a + h).ppf(q) - scipy.stats.gamma(a - h).ppf(q)) / (2 * h)
    np.testing.assert_allclose(dot, slope, rtol=1e-6)


def test_expectations_have_the_gradient_of_their_closed_form() -> None:
    mean = lambda a, b: np.mean(random.beta(KEY, a, b, 4000))
    found = ad.grad(mean, wrt=[0, 1])(2.0, 3.0)
    np.testing.assert_allclose(found, [3.0 / 25.0, -2.0 / 25.0], atol=0.003)
    cov = np.array([[2.0, 0.3], [0.3, 1.0]])
    second = lambda cov: np.mean(random.multivariate_normal(KEY, np.zeros(2), cov, 4000)[:, 0] ** 2)
    np.testing.assert_allclose(ad.grad(second)(cov), [[1.0, 0.0], [0.0, 0.0]], atol=0.1)


def test_gamma_numbers_of_a_parameter_that_is_not_positive_are_nan() -> None:
    assert np.isnan(random.gamma(KEY, np.array([-1.0, 0.0, 2.0]))).tolist() == [True, True, False]


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random.key(-1), "a key is made of an integer from 0 up to 2.128, not of -1"),
        (lambda: random.key(0.5), "not of 0.5"),
        (lambda: ad.trace(random.key, 3), "use fold_in.key, i. for traced integers"),
        (lambda: ad.trace(random.normal, 3.0), r"random::normal cannot be applied to float64.*: a key is uint64\[2\]"),
        (lambda: ad.trace(lambda k: random.normal(k, dtype="int64"), KEY), "numbers of dtype int64 cannot be drawn"),
        (lambda: ad.trace(lambda k: random.randint(k, 3, 3), KEY), "there are no integers from 3 up to 3, within 2.62"),
        (lambda: random.choice(KEY, 3, 5, replace=False), "5 different elements of 3 cannot be chosen"),
        (lambda: random.gamma(KEY, np.ones(3), (2,)), r"parameters of shape \(3,\) do not fit numbers of shape \(2,\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(call: Any, message: str) -> None:
    with pytest.raises(ad.AdcoreError, match=message):
        call()
