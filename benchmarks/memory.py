"""Memory and time over the number of pictures, from files to a trained head."""

import pathlib
import resource
import sys
import tempfile
import time

import keras

from benchmarks import child, library_models, made_up_pictures
from keras_transfer import data, freezing, plans, training

_MEGABYTE = 2**20


def measure(row, network, image_size, num_pictures, epochs=2):
    """Reads, extracts and trains a head; peaks are those of this process until then."""
    with tempfile.TemporaryDirectory() as place:
        pictures, cache_folder = f"{place}/pictures", f"{place}/cache"
        made_up_pictures.write(pictures, num_pictures)
        keras.utils.set_random_seed(0)
        values = {"pictures": num_pictures, "peak_before": peak_megabytes()}
        clock = [time.perf_counter()]
        splits = data.image_folder(pictures, image_size=image_size)
        _note(values, clock, "reading")
        model = library_models.transfer_model(network, image_size, len(splits.class_names))
        cache = library_models.feature_cache(cache_folder)
        for dataset in (splits.train_in_order, splits.validation):
            cache.extract(model, dataset)
        _note(values, clock, "extraction")
        plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs, 1e-3)])
        training.fine_tune(
            model, splits.train, splits.validation, plan=plan, cache=cache, verbose=0
        )
        _note(values, clock, "training")
        values["seconds"] = clock[-1] - clock[0]
        values["milliseconds"] = 1000 * values["seconds"] / num_pictures
        values["peak"] = values["peak_training"]
        values["cache_megabytes"] = _size(cache_folder) / _MEGABYTE
    return [{"row": row, "values": values}]


def _note(values, clock, part):
    clock.append(time.perf_counter())
    values[f"seconds_{part}"] = clock[-1] - clock[-2]
    values[f"peak_{part}"] = peak_megabytes()


def peak_megabytes():
    """The most memory that this process has held so far."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        # Unlike getrusage, it forgets what the parent held before the `exec`.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MEGABYTE


def _size(folder):
    files = (path for path in pathlib.Path(folder).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


if __name__ == "__main__":
    child.main(measure)
