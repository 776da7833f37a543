"""Run benchmarks and print one table for each subject.

    python tests/benchmarks/run.py                       # all of bench_*.py
    python tests/benchmarks/run.py core scalars          # these
    python tests/benchmarks/run.py core --json out.json  # and keep the numbers

Each subject runs in a process of its own, on one core, with one thread for products of matrices. Times are
process CPU time, the median of interleaved rounds; ratios are between rows of one case in one run. Peers
that are not installed are left out. Nothing here is a test: a machine that is busy or slow changes times.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD = dict.fromkeys(THREADS, "1") | {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""These choose the kernels of NumPy's products; a machine may have them set for another processor."""


def main() -> int:
    """The exit code: that of the first subject that failed, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser.add_argument("subjects", nargs="*", help=f"of {', '.join(known)}; default: all")
    parser.add_argument("--case", default="", help="only cases whose name has this in it")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each case (default 9)")
    parser.add_argument("--json", help="write all rows to this file")
    parser.add_argument("--kernels", choices=("native", "environment"), default="native",
                        help=f"native (default): {' and '.join(KERNELS)} are unset")  # fmt: skip
    given = parser.parse_args()
    wrong = [s for s in given.subjects if s not in known]
    if wrong:
        parser.error(f"no subject is called {wrong[0]!r}; there are {', '.join(known)}")
    environment = dict(os.environ) | ONE_THREAD
    if given.kernels == "native":
        environment = {k: v for k, v in environment.items() if k not in KERNELS}
    paths = [str(ROOT), str(ROOT / "plugins"), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    print(f"{platform.processor() or platform.machine()}, {platform.system()}, Python {platform.python_version()}; "
          f"one core, one thread, process CPU time; kernels of products: {given.kernels}")  # fmt: skip
    rows, worst = [], 0
    for subject in given.subjects or known:
        with tempfile.NamedTemporaryFile(suffix=".json") as kept:
            options = ["--case", given.case, "--rounds", str(given.rounds), "--json", kept.name]
            done = subprocess.run([sys.executable, str(HERE / f"bench_{subject}.py"), *options], env=environment)
            worst = worst or done.returncode
            rows += json.loads(kept.read() or "[]")
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1))
    return worst


if __name__ == "__main__":
    sys.exit(main())
