"""Runs the suites in turn: `python -m benchmarks --help`."""

import argparse
import signal
import sys
import time

from benchmarks import images, jobs, networks, suites, table


def main(arguments=None):
    """Measures, prints the tables, and returns 1 if a measurement failed."""
    options = parse(arguments)
    try:
        images.data_folder()
        results = jobs.Results(options.output, options.resume)
    except (FileNotFoundError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 2
    has_failed = False
    for name in options.only:
        waiting, rows = suites.SUITES[name](options), None
        while True:
            try:
                job = waiting.send(rows)
            except StopIteration:
                break
            rows = results.find(job) or run(job, results)
            has_failed |= rows is None
    print(table.to_markdown(jobs.read(options.output)))
    return int(has_failed)


def parse(arguments=None):
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=suites.SUITES, default=suites.SUITES)
    parser.add_argument("--data", nargs="+", choices=images.DATA_SETS)
    parser.add_argument("--backbone", nargs="+", choices=networks.NETWORKS)
    parser.add_argument("--rounds", type=_positive, help="repetitions; each suite has its own")
    parser.add_argument("--seeds", type=_positive, default=1, help="how many (default: 1)")
    parser.add_argument("--wordnet", help="the folder with WordNet's data.noun")
    parser.add_argument("--quick", action="store_true", help="a smoke test of tiny sizes")
    parser.add_argument("--output", default="results.json", help="default: results.json")
    parser.add_argument("--resume", action="store_true", help="keep what the output file holds")
    return parser.parse_args(arguments)


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {text}")
    return number


def run(job, results):
    """Runs a job and stores its rows; None if it failed."""
    print(job, end=" ... ", file=sys.stderr, flush=True)
    started = time.perf_counter()
    try:
        rows = job.run()
    except jobs.ChildError as error:
        print(f"failed:\n{error}", file=sys.stderr)
        results.add(job, [{"row": job.row, "failed": str(error)}])
        return None
    seconds = time.perf_counter() - started
    results.add(job, rows, seconds)
    print(f"{seconds:.0f} s", file=sys.stderr)
    return rows


if __name__ == "__main__":
    # As an exception it also ends the child and removes what is temporary.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
