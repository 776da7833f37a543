"""The stranger's door: everything a plugin may import, re-exported. Built-in plugins use nothing else.

An op is one decorated function with its rule; a module of ops is a plugin when a distribution names
it in the entry point group `adcore`:

    [project.entry-points.adcore]
    acme = "acme_ops"

>>> import numpy as np
>>> @op("acme::softplus", rule=elementwise(lambda y, x: 1 / (1 + np.exp(-x))), elementwise=True)
... def softplus(x):
...     return np.logaddexp(0.0, x)
>>> float(softplus(0.0))
0.6931471805599453
"""

from adcore.api import trace
from adcore.backend import Backend, Program, Result
from adcore.control import cond, region, scan, while_loop
from adcore.control.statements import report_next
from adcore.elements import Elements, Writing, called, each, moved, positions
from adcore.errors import (
    AdcoreError,
    BudgetError,
    CheckError,
    ConfigError,
    DifferentiationError,
    ExecutorError,
    GraphError,
    InputError,
    MatrixError,
    MissingExtraError,
    OpError,
    PlanError,
    RuleError,
    SnapshotError,
    StorageError,
    StrategyError,
    TraceError,
)
from adcore.executor import THREAD_VARIABLES, Chunk, Executor, Outcome, Setup, named, run_chunk
from adcore.graph import (
    Check,
    Graph,
    Node,
    Source,
    Value,
    affected,
    bodies,
    kept,
    letters,
    numbering,
    show_param,
    values,
)
from adcore.hookspecs import hookimpl
from adcore.implicit import Linear, implicit, root
from adcore.index import fit_value
from adcore.memory import UNKNOWN, transposed
from adcore.ode import Problem, solve_ivp
from adcore.ode.choice import method_of
from adcore.opdef import op
from adcore.params import (
    BOOL,
    DTYPE,
    FLOAT,
    GRAPH,
    GRAPHS,
    INT,
    INTS,
    SHAPE,
    SIZE,
    STR,
    TYPE,
    Kind,
    many,
    optional,
)
from adcore.pattern import joined as joined_rows
from adcore.pattern import matrices
from adcore.plan.arena import padded
from adcore.plan.check import Cost, check
from adcore.plan.explain import size as bytes_in_words
from adcore.plan.layout import (
    Layout,
    body_keys,
    direct_outputs,
    lay_out,
    node_needs,
    own_heap,
    place_bytes,
    reads,
    strided,
    views,
)
from adcore.plan.loops import Loop, Pair, Places, extent, loop_of, pairs, schedule_cost, scheduled, tape_bytes
from adcore.plan.schedule import *
from adcore.plan.steps import Drop as DropValue
from adcore.plan.steps import Plan, Run, Spill, body_plans, default_plan, sub_graphs
from adcore.plan.work import CALL, total_work, work
from adcore.registry import Op, find_op, registered, registry, ufunc_infer
from adcore.rules import ZERO, Along, Rule, Taped, Window, along, elementwise, linear, multilinear
from adcore.samples import Sample
from adcore.snapshots import Key, Snapshots, open_snapshots
from adcore.stepper import SAMPLED, Field, Solver, Stepper, Tableau, Walked, combine, polynomial
from adcore.strategy import Budget, Method, Pick, Request, Strategy, bytes_of, make_methods, make_strategy
from adcore.systems import Systems
from adcore.trace import Trace, apply, caller, current, known, op_call
from adcore.tracer import Tracer, has_tracer
from adcore.tracing import trace_graph
from adcore.transform.jvp import jvp
from adcore.transform.linear import zeros
from adcore.transform.simplify import simplify
from adcore.transform.splice import call_graph, closed, pruned, splice
from adcore.transform.split import Split, split
from adcore.transform.vjp import vjp
from adcore.transform.vmap import broadcast_batch, depends, vmap
from adcore.types import AnyType, Dim, Trail, Type, tangent_type, type_of

ADCORE_API = 1
"""The number of this interface. A plugin may state the one it was written for as `ADCORE_API`."""

__all__ = [name for name in dir() if not name.startswith("_")]
