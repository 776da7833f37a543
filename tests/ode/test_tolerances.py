"""A tolerance means the same by every stepper: the loss of every reference problem, at two tolerances."""

import numpy as np
import pytest
from ode.problems import DATA, Problem

STIFF = {"robertson_t40", "prothero_robinson"}
MOST = {
    "RK23": 20, "RK45": 8, "Tsit5": 8, "DOP853": 8, "ESDIRK3": 50, "ESDIRK4": 130, "ESDIRK5": 50, "Radau": 10,
    "BDF": 50, "LSODA": 50, "CVODE": 300,
}  # fmt: skip
"""How many tolerances the worst loss may be off: twice what was measured."""


def errors(stepper, rtol):
    """In tolerances, of every problem that the stepper is for."""
    found = []
    for problem in (Problem(name) for name in DATA if name != "steady_toggle"):
        if problem.name in STIFF and stepper in ("RK23", "RK45", "Tsit5", "DOP853"):
            continue
        if stepper in ("BDF", "LSODA", "CVODE") and (problem.events() or problem.definition.get("jumps")):
            continue
        truth = float(problem.reference["loss"])
        found.append(abs(float(problem.loss(stepper, rtol)(**problem.arguments())) / truth - 1.0) / rtol)
    return np.array(found)


@pytest.mark.parametrize("stepper", MOST)
def test_the_error_of_the_loss_is_proportional_to_the_tolerance(stepper):
    if stepper == "CVODE":
        pytest.importorskip("sksundae")
    crude, fine = errors(stepper, 1e-4), errors(stepper, 1e-6)
    assert max(crude.max(), fine.max()) <= MOST[stepper], (crude, fine)
    slope = 1.0 + np.log(np.median(fine) / np.median(crude)) / np.log(1e-2)
    assert 0.7 <= slope <= 1.3, (crude, fine)
