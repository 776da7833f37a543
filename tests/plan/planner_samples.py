"""Problems the planner tests share: chains, residual nets, U-nets, layered graphs, random ones with views."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from adcore_strategies.planners.problem import Problem, Task


class Maker:
    """Builds a problem task by task; every value gets a storage of its own unless it is a view."""

    def __init__(self):
        self.tasks, self.sizes, self.storage, self.given = [], [], [], set()

    def given_value(self, size=0):
        self.given.add(len(self.storage))
        self.storage.append(len(self.sizes))
        self.sizes.append(size)
        return len(self.storage) - 1

    def run(self, inputs, size=1, cost=1.0, scratch=0):
        """One task with one output (or as many as `size` lists); returns the output, or the outputs."""
        sizes = size if isinstance(size, (list, tuple)) else [size]
        outputs = []
        for one in sizes:
            outputs.append(len(self.storage))
            self.storage.append(len(self.sizes))
            self.sizes.append(one)
        self.tasks.append(Task(tuple(inputs), tuple(outputs), float(cost), scratch))
        return outputs if isinstance(size, (list, tuple)) else outputs[0]

    def view(self, base, others=()):
        self.storage.append(self.storage[base])
        self.tasks.append(Task((base, *others), (len(self.storage) - 1,), 0.0))
        return len(self.storage) - 1

    def problem(self, wanted):
        return Problem(tuple(self.tasks), tuple(self.sizes), tuple(self.storage), frozenset(self.given), tuple(wanted))


def chain(layers, sizes=None, forward=None, backward=None, loss=1.0, grads=None, uses=None):
    """a_0 given (0 bytes), a_t = f(a_{t-1}), delta_L = loss(a_L), delta_{t-1} = b(a_t, a_{t-1}, delta_t).

    uses: which of "both", "left" (a_{t-1}), "right" (a_t), "none" each backward task reads.
    grads: bytes of the parameter cotangent each backward step makes besides, if any.
    """
    sizes = sizes or [1] * (layers + 1)
    forward, backward = forward or [1.0] * layers, backward or [1.0] * layers
    uses = uses or ["both"] * layers
    m = Maker()
    values = [m.given_value(0)]
    for t in range(layers):
        values.append(m.run([values[-1]], sizes[t + 1], forward[t]))
    delta = m.run([values[-1]], sizes[layers], loss)
    wanted = []
    for t in range(layers, 0, -1):
        reads = {"both": [values[t], values[t - 1]], "left": [values[t - 1]], "right": [values[t]], "none": []}
        if grads:
            wanted.append(m.run([values[t - 1], delta], grads[t - 1], 1.0))
        delta = m.run([*reads[uses[t - 1]], delta], sizes[t - 1], backward[t - 1])
    return m.problem([*wanted, delta])


def uniform(layers):
    """The uniform chain of the literature: forward 1, backward 2, loss 1, all sizes 1."""
    return chain(layers, backward=[2.0] * layers)


def reverse_of(forward_inputs, sizes, costs):
    """A whole gradient: forward tasks, then one backward task per forward task, with additions where paths meet.

    forward_inputs: per forward task, the earlier values it reads (-1 is the given value).
    """
    m = Maker()
    x = m.given_value(0)
    values = [m.run([x if i < 0 else i + 1 for i in ins], sizes[t], costs[t]) for t, ins in enumerate(forward_inputs)]
    bars = {len(values) - 1: m.run([values[-1]], sizes[-1], 1.0)}
    for t in range(len(values) - 1, -1, -1):
        if t not in bars:
            continue
        for i in forward_inputs[t]:
            target = x if i < 0 else values[i]
            size = sizes[t] if i < 0 else sizes[i]
            bar = m.run([target, values[t], bars[t]], size, costs[t])
            bars[i] = m.run([bars[i], bar], size, 0.25) if i in bars else bar
    return m.problem([bars[-1]])


def residual(blocks, seed=0):
    """x -> x + f2(f1(x)), blocks times, and its reverse."""
    rng = random.Random(seed)
    inputs, sizes, costs = [[-1]], [2], [1.0]
    for _ in range(blocks):
        start = len(inputs) - 1
        inputs += [[start], [start + 1], [start, start + 2]]
        sizes += [rng.randint(1, 4), 2, 2]
        costs += [float(rng.randint(2, 6)), float(rng.randint(2, 6)), 1.0]
    return reverse_of(inputs, sizes, costs)


def unet(depth):
    """Down, up, with skips of shrinking sizes, and its reverse."""
    inputs, sizes, costs, skips = [[-1]], [2**depth], [1.0], []
    for level in range(depth, 0, -1):
        skips.append(len(inputs) - 1)
        inputs.append([len(inputs) - 1])
        sizes.append(2 ** (level - 1))
        costs.append(float(2 ** (level - 1)))
    for level, skip in enumerate(reversed(skips)):
        inputs.append([len(inputs) - 1, skip])
        sizes.append(2 ** (level + 1))
        costs.append(float(2**level))
    return reverse_of(inputs, sizes, costs)


def layered(tasks, seed=0, width=3):
    """A random layered graph, and its reverse: each forward task reads one to three of the last few values."""
    rng = random.Random(seed)
    inputs, sizes, costs = [[-1]], [rng.randint(1, 6)], [1.0]
    while len(inputs) < tasks:
        first = max(0, len(inputs) - 2 * width)
        reads = {len(inputs) - 1 if rng.random() < 0.6 else rng.randrange(first, len(inputs))}
        while rng.random() < 0.4 and len(reads) < 3:
            reads.add(rng.randrange(first, len(inputs)))
        inputs.append(sorted(reads))
        sizes.append(rng.randint(1, 6))
        costs.append(float(rng.randint(1, 8)))
    return reverse_of(inputs, sizes, costs)


@st.composite
def small_problems(draw, most=9, views=True):
    """Random problems of at most `most` tasks that allocate, with views, scratch, several outputs, odd sizes."""
    m = Maker()
    values = [m.given_value(draw(st.integers(0, 3))) for _ in range(draw(st.integers(1, 2)))]
    fresh = []
    for _ in range(draw(st.integers(2, most))):
        count = draw(st.integers(1, 3))
        reads = [values[-1 - draw(st.integers(0, min(5, len(values) - 1)))] for _ in range(count)]
        reads = list(dict.fromkeys(reads))
        size = draw(st.integers(0, 5))
        cost, scratch = draw(st.integers(0, 5)), draw(st.sampled_from([0, 0, 0, 1, 3]))
        if draw(st.integers(0, 5)) == 0:
            made = m.run(reads, [size, draw(st.integers(1, 4))], cost, scratch)
        else:
            made = [m.run(reads, size, cost, scratch)]
        values += made
        fresh += made
        if views and draw(st.integers(0, 3)) == 0:
            others = (values[0],) if draw(st.booleans()) else ()
            values.append(m.view(values[-1], others))
    wanted = {values[-1]} | {draw(st.sampled_from(values)) for _ in range(draw(st.integers(0, 2)))}
    return m.problem(sorted(wanted))


@st.composite
def small_chains(draw, most=6):
    """Random heterogeneous chains, with any dependence of the backward tasks and with parameter cotangents."""
    layers = draw(st.integers(2, most))
    ints = lambda low, high, n: draw(st.lists(st.integers(low, high), min_size=n, max_size=n))
    uses = draw(st.lists(st.sampled_from(["both", "both", "left", "right"]), min_size=layers, max_size=layers))
    return chain(
        layers,
        sizes=ints(1, 4, layers + 1),
        forward=[float(c) for c in ints(0, 5, layers)],
        backward=[float(c) for c in ints(0, 5, layers)],
        uses=uses,
        grads=ints(1, 3, layers) if draw(st.booleans()) else None,
    )
