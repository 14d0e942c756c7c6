"""The time of a training step on several workers, and what it would be on many more."""

import itertools
import json
import pathlib
import statistics
import sys
import tempfile

from benchmarks import child
from benchmarks.worker_group import WorkerGroup

_MEASURED, _COMPUTED = (1, 2, 4), (8, 64, 512)
_GIGABITS = (10, 100)
# What a message takes through a network card and a switch, however short it is.
_LATENCY = 50e-6


def measure(network, image_size, batch_size, steps):
    """Measures 1, 2 and 4 local workers, and computes larger numbers from that.

    Args:
        network: a name in `networks.NETWORKS`; all of it is trained, which exchanges most.
        image_size: in pixels.
        batch_size: pictures of each replica in a step.
        steps: how many are timed.
    """
    rows, alone = [], None
    for number in _MEASURED:
        found = _run(number, network, image_size, batch_size, steps)
        values = _of_readings(found["readings"], number)
        alone = alone or values["milliseconds"]
        rows.append({"row": _name(number), "values": values})
    for gigabits in _GIGABITS:
        for number in _COMPUTED:
            exchange = exchange_seconds(found["gradient_bytes"], number, gigabits)
            step = alone + 1000 * exchange
            values = {
                "milliseconds": step,
                "megabytes": sent_bytes(found["gradient_bytes"], number) / 1e6,
                "efficiency": alone / step,
            }
            name = f"{_name(number)}, {gigabits} Gbit/s, computed"
            rows.append({"row": name, "values": values})
    return rows


def sent_bytes(gradient_bytes, replicas):
    """What each replica sends in a step, by a ring all-reduce.

    Reference: Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of
    workstations, 2009.
    """
    return 2 * (replicas - 1) / replicas * gradient_bytes


def exchange_seconds(gradient_bytes, replicas, gigabits):
    """The time of one exchange of all gradients, none of it hidden behind the computation."""
    rate = gigabits * 1e9 / 8
    return sent_bytes(gradient_bytes, replicas) / rate + 2 * (replicas - 1) * _LATENCY


def _name(number):
    return f"{number} replica" + ("s" if number > 1 else "")


def _run(number, *arguments):
    with tempfile.TemporaryDirectory() as place:
        output = pathlib.Path(place) / "readings.json"
        command = [sys.executable, "-m", "benchmarks.replica_worker", str(output)]
        group = WorkerGroup(number, [*command, *map(str, arguments)], place)
        failed = group.wait()
        if failed is not None:
            raise RuntimeError(group.last_lines(failed[0]))
        return json.loads(output.read_text())


def _of_readings(readings, replicas):
    """The median time of a step, and the mean of what one replica sent in it."""
    times, counts = zip(*readings, strict=True)
    spans = [later - earlier for earlier, later in itertools.pairwise(times)]
    return {
        "milliseconds": 1000 * statistics.median(spans),
        # On the loopback device the bytes of all replicas are counted together.
        "megabytes": (counts[-1] - counts[0]) / len(spans) / replicas / 1e6,
    }


if __name__ == "__main__":
    child.main(measure)
