"""`adcore batch run|resume|status|retry|results|cancel JOB`: jobs that can be killed and go on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adcore.cli.command import Arguments, Command, emit, group, table, tell

if TYPE_CHECKING:
    from adcore.batch.progress import Progress
    from adcore.batch.read import Results
    from adcore.batch.report import Failure
    from adcore.batch.verbs import Summary

ABOUT = """\
A job is a TOML file: which graph, what to differentiate, which items, under which strategy. Running it
makes a directory that is complete in itself: the items, a journal, the results, a report with one row
per item. Kill it at any moment; `run` or `resume` goes on, and nothing is computed twice.

JOB is the job file or the job's directory.
Exit codes: 0 all done, 1 some items failed, 75 stopped and resumable, 130 interrupted and resumable."""


def _job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="a job file (.toml) or the directory of a job")


def _running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=_positive, metavar="N", help="processes, in place of the job's number")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the summary")


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    _job(parser)
    parser.add_argument("--out", metavar="DIR", help="the job's directory, in place of `out` in the file")
    _resume_options(parser)


def _resume_arguments(parser: argparse.ArgumentParser) -> None:
    _job(parser)
    _resume_options(parser)


def _resume_options(parser: argparse.ArgumentParser) -> None:
    _running(parser)
    parser.add_argument("--executor", metavar="NAME", help="local, dask, futures, or one that a plugin brings")
    parser.add_argument("--no-verify", action="store_true", help="do not hash the results that are there already")


def _retry_arguments(parser: argparse.ArgumentParser) -> None:
    _job(parser)
    _running(parser)
    parser.add_argument("--kind", action="append", default=[], help="only items with this error, as in the report")
    parser.add_argument("--item", action="append", default=[], type=int, metavar="N", help="only this item")


def _results_arguments(parser: argparse.ArgumentParser) -> None:
    _job(parser)
    about = "export inputs and outputs, stacked in item order: .npz, .parquet, .zarr, or what a plugin writes"
    parser.add_argument("-o", "--output", metavar="FILE", help=about)
    parser.add_argument("--item", type=int, metavar="N", help="show the outputs of one item")


def _cancel_arguments(parser: argparse.ArgumentParser) -> None:
    _job(parser)
    parser.add_argument("--wait", type=float, default=30.0, metavar="SECONDS", help="how long to wait for it to stop")


def _run(args: Arguments) -> int:
    from adcore.batch import verbs

    return _show(
        args,
        verbs.run(
            args.job,
            out=args.out,
            workers=args.workers,
            executor=args.executor,
            verify=not args.no_verify,
            progress=_progress(args),
        ),
    )


def _resume(args: Arguments) -> int:
    from adcore.batch import verbs

    return _show(
        args,
        verbs.resume(
            args.job,
            workers=args.workers,
            executor=args.executor,
            verify=not args.no_verify,
            progress=_progress(args),
        ),
    )


def _retry(args: Arguments) -> int:
    from adcore.batch import verbs

    return _show(
        args,
        verbs.retry(args.job, kinds=args.kind, items=args.item, workers=args.workers, progress=_progress(args)),
    )


def _status(args: Arguments) -> int:
    from adcore.batch import verbs

    found = verbs.status(args.job)
    running = found.running_as
    data = {
        "directory": str(found.place),
        "items": found.items,
        **found.counts,
        "pid": running[0] if running else None,
        "host": running[1] if running else None,
        "failures": [_failure(failure) for failure in found.failures],
    }
    who = f"process {running[0]} on {running[1]} runs it" if running else "nobody runs it"
    rows = [[name, str(count)] for name, count in found.counts.items()]
    text = "\n".join([f"{found.place}: {found.items} items, {who}", table(rows), *_failure_lines(found.failures)])
    emit(args, data, text)
    return 0


def _results(args: Arguments) -> int:
    from adcore.batch import verbs

    with verbs.results(args.job) as found:
        if args.item is not None:
            arrays = found[args.item]
            data = {name: _plain(array) for name, array in arrays.items()}
            emit(args, data, "\n".join(f"{name} = {array}" for name, array in arrays.items()))
        elif args.output:
            written = found.save(args.output)
            emit(args, {"file": args.output, "items": written}, f"{written} items written to {args.output}")
        else:
            _overview(args, found)
    return 0


def _overview(args: Arguments, found: Results) -> None:
    """Which outputs there are, with the shapes and dtypes of the first item's."""
    _, first = next(iter(found), (0, {}))
    data = {name: {"dtype": str(a.dtype), "shape": list(a.shape)} for name, a in first.items()}
    rows = [[name, f"{a.dtype}{list(a.shape)}"] for name, a in first.items()]
    text = f"{len(found)} items have results; each of them:\n{table(rows, ['output', 'type'])}"
    emit(args, {"items": len(found), "outputs": data}, text)


def _cancel(args: Arguments) -> int:
    from adcore.batch import verbs

    stopped = verbs.cancel(args.job, args.wait)
    emit(args, {"stopped": stopped}, "stopped" if stopped else "asked to stop; it has not yet")
    return 0 if stopped else 1


def _progress(args: Arguments) -> Progress:
    from adcore.batch.progress import Silent, progress_for

    return Silent() if args.quiet else progress_for(sys.stderr)


def _show(args: Arguments, summary: Summary) -> int:
    """Print the summary of a run; its exit code."""
    from adcore.batch.progress import duration

    data = {
        "directory": str(summary.place),
        "report": str(summary.report),
        "code": summary.code,
        "seconds": round(summary.seconds, 3),
        **summary.counts,
        "messages": list(summary.messages),
        "failures": [_failure(failure) for failure in summary.failures],
    }
    counts = ", ".join(f"{count} {name}" for name, count in summary.counts.items() if count or name == "done")
    lines = [f"{counts} in {duration(summary.seconds)}; report: {_near(summary.report)}"]
    lines += _failure_lines(summary.failures)
    emit(args, data, "\n".join(lines))
    if summary.code in (75, 130):
        tell(f"stopped; go on with: adcore batch resume {_near(summary.place)}")
    elif summary.code == 1:
        tell(f"try failed items again with: adcore batch retry {_near(summary.place)}")
    return summary.code


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "item": failure.item,
        "kind": failure.kind,
        "message": failure.message,
        "inputs": _finite(failure.inputs),
        "detail": failure.detail,
    }


def _failure_lines(failures: Sequence[Failure]) -> list[str]:
    lines = []
    for failure in failures:
        inputs = ", ".join(f"{name} = {_short(value)}" for name, value in failure.inputs.items())
        message = failure.message.replace("\n", "\n    ")
        lines.append(f"  item {failure.item}: {failure.kind}: {message}\n    with {inputs or 'no inputs of its own'}")
    return lines


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"row {value['row']} of its table"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _plain(array: Any) -> Any:
    """An array as JSON takes it: numbers, lists, strings for what is not finite or complex."""
    listed = array.tolist()
    return _finite(listed) if array.dtype.kind != "c" else json.loads(json.dumps(listed, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value


def _near(path: Path) -> str:
    """The path from here, if it is below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) and path != here else str(path)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number of processes")
    return number


COMMANDS = {
    "batch": group(
        "differentiate a graph for many inputs, killable and resumable at any moment",
        {
            "run": Command(
                "run a job, or go on with it",
                _run_arguments,
                _run,
                ("adcore batch run job.toml", "adcore batch run job.toml --workers 2 --out runs/try"),
            ),
            "resume": Command(
                "go on with a job from its directory alone; finds and repairs damage",
                _resume_arguments,
                _resume,
                ("adcore batch resume runs/try", "adcore batch resume runs/try --executor local"),
            ),
            "status": Command(
                "how far a job is",
                lambda parser: _job(parser),
                _status,
                ("adcore batch status runs/try", "adcore batch status runs/try --json"),
            ),
            "retry": Command(
                "try failed and quarantined items again",
                _retry_arguments,
                _retry,
                ("adcore batch retry runs/try", "adcore batch retry runs/try --kind Timeout"),
            ),
            "results": Command(
                "show results, or export them in item order",
                _results_arguments,
                _results,
                ("adcore batch results runs/try -o results.npz", "adcore batch results runs/try --item 3"),
            ),
            "cancel": Command(
                "ask a running job to stop, from any machine that sees its directory",
                _cancel_arguments,
                _cancel,
                ("adcore batch cancel runs/try",),
            ),
        },
        ABOUT,
    )
}
