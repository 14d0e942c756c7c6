"""Runs the suites in turn: `python -m benchmarks --help`."""

import argparse
import signal
import sys
import time

from benchmarks import jobs, machine, networks, picture_folders, suites, table
from benchmarks.results import Results


def main(arguments=None):
    """Measures, prints the tables, and returns 1 if a measurement failed."""
    options = parse(arguments)
    try:
        picture_folders.data_folder()
        results = Results.open(options.output, options.resume, machine.describe())
    except (FileNotFoundError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 2
    num_failed = sum(run_suite(suites.SUITES[name], options, results) for name in options.only)
    print(table.to_markdown(results.to_json()))
    return 1 if num_failed else 0


def parse(arguments=None):
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=suites.SUITES, default=suites.SUITES)
    parser.add_argument("--data", nargs="+", choices=picture_folders.DATA_SETS)
    parser.add_argument("--backbone", nargs="+", choices=networks.NETWORKS)
    parser.add_argument("--rounds", type=_positive, help="repetitions; each suite has its own")
    parser.add_argument("--seeds", type=_positive, default=1, help="how many (default: 1)")
    parser.add_argument("--quick", action="store_true", help="a smoke test of tiny sizes")
    parser.add_argument(
        "--without-cached-guide",
        action="store_true",
        help="accuracy: leave out the guide's recipe without augmentation",
    )
    parser.add_argument("--output", default="results.json", help="default: results.json")
    parser.add_argument("--resume", action="store_true", help="keep what the output file holds")
    return parser.parse_args(arguments)


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {text}")
    return number


def run_suite(suite, options, results):
    """Runs the jobs of a suite that are not finished yet; returns how many failed."""
    num_failed = 0
    waiting = suite(options)
    job = next(waiting, None)
    while job is not None:
        rows = results.find(job)
        if rows is None:
            rows = _run(job, results)
            num_failed += rows is None
        try:
            job = waiting.send(rows)
        except StopIteration:
            break
    return num_failed


def _run(job, results):
    print(job.describe(), end=" ... ", file=sys.stderr, flush=True)
    started = time.perf_counter()
    try:
        rows = jobs.run(job)
    except jobs.ChildError as error:
        print(f"failed:\n{error}", file=sys.stderr)
        results.add_failure(job, str(error))
        return None
    seconds = time.perf_counter() - started
    results.add(job, rows, seconds)
    print(f"{seconds:.0f} s", file=sys.stderr)
    return rows


if __name__ == "__main__":
    # As an exception it also ends the child and removes what is temporary.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
