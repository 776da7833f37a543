"""A small automatic differentiation system, from nothing, in one sitting.

Run it: `python docs/from_scratch.py`. It ends by comparing itself with adcore, whose small twin it is: the
same words, the same path of data (trace, differentiate, plan, run), a few lines in place of a package.
"""

# 1. Dual numbers
#
# Write e for a number with e * e = 0 and e != 0. Then f(x + e) = f(x) + f'(x) e for every polynomial, by
# multiplying out: (2 + e)^3 = 8 + 12 e + 6 e^2 + e^3 = 8 + 12 e, and indeed d/dx x^3 = 12 at 2. A number
# that carries its derivative along is therefore an arithmetic of pairs.

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Dual:
    value: float
    tangent: float

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, self.tangent + other.tangent)

    def __mul__(self, other: Dual) -> Dual:
        return Dual(self.value * other.value, self.value * other.tangent + self.tangent * other.value)


two = Dual(2.0, 1.0)
assert two * two * two == Dual(8.0, 12.0)
print("dual numbers: (2 + e)^3 =", two * two * two)

# Forward mode is nothing else. It needs one run per input, keeps nothing, and gives a column of the Jacobian.
# What it cannot do is look at the whole computation. For that the computation must become a value.


# 2. A graph
#
#     graph ::= inputs node* output
#     node  ::= value = op(value, ...)
#
# A Value is assigned once, by one Node. Values are told apart by identity, so two of them never collide.


class Value:
    pass


@dataclass(frozen=True)
class Node:
    op: str
    inputs: tuple[Value, ...]
    output: Value


@dataclass(frozen=True)
class Graph:
    inputs: tuple[Value, ...]
    constants: dict[Value, float]
    nodes: tuple[Node, ...]
    output: Value

    def __str__(self) -> str:
        names = {v: f"x{i + 1}" for i, v in enumerate(self.inputs)} | {v: f"{c:g}" for v, c in self.constants.items()}
        lines = []
        for i, node in enumerate(self.nodes):
            names[node.output] = f"v{i + 1}"
            lines.append(f"  v{i + 1} = {node.op}({', '.join(names[v] for v in node.inputs)})")
        return "\n".join([*lines, f"  return {names[self.output]}"])


# An op is a function of numbers and its partial derivatives, one per input, each a function of the output y
# and the inputs. Written with the ops themselves, a partial builds graph when it is given traced values, and
# computes when it is given numbers. That is why the derivative of a graph will be a graph again.

OPS: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "sin": math.sin,
    "cos": math.cos,
    "exp": math.exp,
}
PARTIALS: dict[str, tuple[Callable[..., object], ...]] = {
    "add": (lambda y, a, b: 1.0, lambda y, a, b: 1.0),
    "mul": (lambda y, a, b: b, lambda y, a, b: a),
    "neg": (lambda y, a: -1.0,),
    "sin": (lambda y, a: cos(a),),
    "cos": (lambda y, a: -sin(a),),
    "exp": (lambda y, a: y,),
}


# 3. Tracing
#
# A Tracer stands for a Value while Python runs. Every operation on one appends a Node.


class Trace:
    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[Value, float] = {}

    def value(self, x: object) -> Value:
        if isinstance(x, Tracer):
            return x.value
        constant = Value()
        self.constants[constant] = float(x)  # type: ignore[arg-type]
        return constant


@dataclass(frozen=True)
class Tracer:
    trace: Trace
    value: Value

    def __add__(self, other: object) -> Tracer:
        return apply("add", self, other)

    def __mul__(self, other: object) -> Tracer:
        return apply("mul", self, other)

    def __neg__(self) -> Tracer:
        return apply("neg", self)

    __radd__, __rmul__ = __add__, __mul__


def apply(op: str, *args: object) -> Tracer:
    trace = next(a.trace for a in args if isinstance(a, Tracer))
    node = Node(op, tuple(trace.value(a) for a in args), Value())
    trace.nodes.append(node)
    return Tracer(trace, node.output)


def sin(x: object) -> object:
    return apply("sin", x) if isinstance(x, Tracer) else math.sin(x)  # type: ignore[arg-type]


def cos(x: object) -> object:
    return apply("cos", x) if isinstance(x, Tracer) else math.cos(x)  # type: ignore[arg-type]


def traced(f: Callable[..., object], n: int) -> Graph:
    trace, inputs = Trace(), tuple(Value() for _ in range(n))
    output = trace.value(f(*(Tracer(trace, v) for v in inputs)))
    return Graph(inputs, trace.constants, tuple(trace.nodes), output)


def example(x1: object, x2: object) -> object:
    return x1 * x2 + sin(x1)  # type: ignore[operator]


graph = traced(example, 2)
print("\nthe graph of x1 * x2 + sin(x1):\n" + str(graph))


# 4. Running, and the plan
#
# The graph says what. When each node runs, and when each value is dropped, is another question: here every
# value is dropped after its last use, and `peak` counts how many are alive at the most.


def run(graph: Graph, *args: float, watch: list[int] | None = None) -> float:
    last = {v: i for i, node in enumerate(graph.nodes) for v in node.inputs}
    env = dict(zip(graph.inputs, args, strict=True)) | graph.constants
    for i, node in enumerate(graph.nodes):
        env[node.output] = OPS[node.op](*(env[v] for v in node.inputs))
        if watch is not None:
            watch.append(len(env) - len(graph.inputs) - len(graph.constants))
        for v in set(node.inputs):
            if last[v] == i and v is not graph.output and v not in graph.inputs and v not in graph.constants:
                del env[v]
    return env[graph.output]


assert run(graph, 2.0, 3.0) == 6.0 + math.sin(2.0)
print("\nf(2, 3) =", run(graph, 2.0, 3.0))


# 5. Forward mode on graphs
#
# A tangent beside each value, in the order of the graph: y_dot = sum of partial * x_dot.


def replayed(graph: Graph, trace: Trace, inputs: Sequence[Tracer]) -> dict[Value, Tracer]:
    """The graph's nodes in another trace; the tracer of each of its values."""
    env = dict(zip(graph.inputs, inputs, strict=True))
    for v, c in graph.constants.items():
        constant = Value()
        trace.constants[constant] = c
        env[v] = Tracer(trace, constant)
    for node in graph.nodes:
        output = Value()
        trace.nodes.append(Node(node.op, tuple(env[v].value for v in node.inputs), output))
        env[node.output] = Tracer(trace, output)
    return env


def jvp(graph: Graph) -> Graph:
    """(xs, x_dots) -> y_dot."""
    n = len(graph.inputs)

    def pushed(*args: object) -> object:
        trace = args[0].trace  # type: ignore[attr-defined]
        env = replayed(graph, trace, args[:n])  # type: ignore[arg-type]
        dots: dict[Value, object] = dict(zip(graph.inputs, args[n:], strict=True))
        for node in graph.nodes:
            xs = [env[v] for v in node.inputs]
            terms = [
                dots[v] * partial(env[node.output], *xs)  # type: ignore[operator]
                for v, partial in zip(node.inputs, PARTIALS[node.op], strict=True)
                if v in dots
            ]
            if terms:
                dots[node.output] = sum(terms[1:], terms[0])
        return dots[graph.output]

    return traced(pushed, 2 * n)


# 6. Reverse mode
#
# A cotangent for each value, last node first: x_bar += y_bar * partial. Where several paths meet, they add up.
# The same partials serve; only the direction differs. One run gives the whole gradient, but every value that a
# partial reads must still be there.


def grad(graph: Graph, wrt: int = 0) -> Graph:
    """xs -> d output / d input number wrt."""

    def pulled(*args: object) -> object:
        trace = args[0].trace  # type: ignore[attr-defined]
        env = replayed(graph, trace, args)  # type: ignore[arg-type]
        bars: dict[Value, object] = {graph.output: 1.0}
        for node in reversed(graph.nodes):
            y_bar = bars.pop(node.output, None)
            if y_bar is None:
                continue
            xs = [env[v] for v in node.inputs]
            for v, partial in zip(node.inputs, PARTIALS[node.op], strict=True):
                term = y_bar * partial(env[node.output], *xs)  # type: ignore[operator]
                bars[v] = bars[v] + term if v in bars else term  # type: ignore[operator]
        return bars.get(graph.inputs[wrt], 0.0)

    return traced(pulled, len(graph.inputs))


# Two passes of forward mode, or one of reverse mode:
forward = [run(jvp(graph), 2.0, 3.0, *seed) for seed in ((1.0, 0.0), (0.0, 1.0))]
reverse = [run(grad(graph, i), 2.0, 3.0) for i in range(2)]
assert forward == reverse == [3.0 + math.cos(2.0), 2.0]
print("gradient at (2, 3):", reverse)

# The derivative of a graph is a graph, so the second derivative needs no further line: d2f/dx1^2 = -sin(x1).
assert math.isclose(run(grad(grad(graph)), 2.0, 3.0), -math.sin(2.0))


# 7. Memory, and checkpoints
#
# Reverse mode reads the values of the forward pass backwards, so a chain of n steps keeps n values. Keep only
# every k-th, and run the k - 1 between again when they are needed: about n / k + k values, at the price of one
# more forward pass. With k = sqrt(n) that is 2 sqrt(n). (The optimum for a given number of snapshots is
# binomial; see docs/checkpointing.md.)


def chain(n: int) -> Callable[[object], object]:
    def f(x: object) -> object:
        for _ in range(n):
            x = sin(x)
        return x

    return f


def checkpointed(n: int, k: int, x: float) -> tuple[float, int]:
    """The derivative of sin(sin(...x)), keeping every k-th value; and how many values were alive at the most."""
    kept = {0: x}
    for i in range(n):
        x = math.sin(x)
        if (i + 1) % k == 0:
            kept[i + 1] = x
    bar, peak = 1.0, 0
    for start in reversed(range(0, n, k)):
        values = [kept[start]]
        for _ in range(start, min(start + k, n) - 1):
            values.append(math.sin(values[-1]))
        peak = max(peak, len(kept) + len(values) - 1)
        for value in reversed(values):
            bar *= math.cos(value)
        del kept[start]
        kept.pop(start + k, None)
    return bar, peak


n, watch = 100, []
plain = run(grad(traced(chain(n), 1)), 0.5, watch=watch)
thrifty, peak = checkpointed(n, 10, 0.5)
assert math.isclose(plain, thrifty, rel_tol=1e-12)
assert max(watch) > 100 and peak <= 21
print(f"\na chain of {n} sines: {max(watch)} values alive in plain reverse mode, {peak} with a checkpoint every 10")


# 8. The twin
#
# adcore is this, with arrays, NumPy's own functions, rules for some hundred ops, loops as nodes, files, plans
# that are proven to keep their budget, and strategies as plugins. Its numbers are the same.


def compare() -> None:
    import numpy as np

    import adcore as ad

    def f(x1, x2):  # type: ignore[no-untyped-def]
        return x1 * x2 + np.sin(x1)

    assert ad.trace(f, 2.0, 3.0)(2.0, 3.0) == run(graph, 2.0, 3.0)
    for strategy in ("forward", "reverse"):
        assert list(ad.grad(f, wrt=[0, 1], strategy=strategy)(2.0, 3.0)) == reverse
    assert math.isclose(ad.hessian(f)(2.0, 3.0), run(grad(grad(graph)), 2.0, 3.0))
    print("\nadcore says the same:", [float(g) for g in ad.grad(f, wrt=[0, 1])(2.0, 3.0)])


if __name__ == "__main__":
    compare()
