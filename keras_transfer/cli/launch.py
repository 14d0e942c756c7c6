"""`keras-transfer launch`."""

import signal
import sys

from keras_transfer.cli.exit_codes import FAILURE, PREEMPTED, WRONG_ARGUMENTS
from keras_transfer.cli.worker_group import WorkerGroup, describe_code


class _AskedToEndError(Exception):
    """SIGTERM came."""


def run(options):
    """Starts workers, and starts them again as often as was asked."""
    arguments = options.arguments[options.arguments[:1] == ["--"] :]
    if not arguments:
        raise ValueError(
            "Nothing to run: name a command after `--`, such as "
            "`keras-transfer launch --workers 2 -- fit photos --output run`."
        )
    if arguments[0] == "launch":
        raise ValueError("`launch` starts other commands. Received: launch")
    command = [sys.executable, "-m", "keras_transfer.cli", *arguments]
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        return _run_until_done(options, command)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run_until_done(options, command):
    for left in range(options.restarts, -1, -1):
        failed, group = _run_once(options, command)
        if failed is None:
            return 0
        worker, code = failed
        _tell(group, worker, code)
        if code == WRONG_ARGUMENTS or not left:
            break
        print(f"keras-transfer: all workers start again. Restarts left: {left - 1}", flush=True)
    return code if code in (WRONG_ARGUMENTS, PREEMPTED) else FAILURE


def _run_once(options, command):
    group = WorkerGroup(options.workers, command, options.logs)
    try:
        return group.wait(), group
    except _AskedToEndError:
        group.end()
        print("keras-transfer: asked to end (SIGTERM).", file=sys.stderr)
        raise SystemExit(PREEMPTED) from None
    except BaseException:
        group.end()
        raise


def _tell(group, worker, code):
    print(
        f"keras-transfer: worker {worker} {describe_code(code)}, and the others were ended. "
        f"The end of {group.log(worker)}:\n{group.last_lines(worker)}",
        file=sys.stderr,
    )


def _raise(number, frame):
    raise _AskedToEndError
