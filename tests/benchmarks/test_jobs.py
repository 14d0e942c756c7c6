import importlib

import keras
import pytest

from benchmarks import __main__ as command
from benchmarks import suites
from benchmarks.jobs import Job, Results, UnavailableError, measure, read

JOB = Job("head", "rates.head", {"epochs": 3, "sizes": (1, 2)}, {"data": "clothing"})
ROWS = [
    {"row": "ours", "seed": 0, "round": number, "values": {"seconds": seconds}}
    for number, seconds in enumerate([3.0, 1.0, 2.0])
]


def jobs_of(suite, *options, rows=None):
    waiting, found = suites.SUITES[suite](command.parse(options)), []
    try:
        job = next(waiting)
        while True:
            found.append(job)
            job = waiting.send(rows)
    except StopIteration:
        return found


@pytest.mark.parametrize("suite", suites.SUITES)
@pytest.mark.parametrize("options", [(), ("--quick",)])
def test_jobs_name_functions_and_differ(suite, options):
    found = jobs_of(suite, *options)
    for job in found:
        module, name = job.function.split(".")
        assert hasattr(importlib.import_module(f"benchmarks.{module}"), name)
        assert job.suite == suite and job.quick is bool(options)
    assert len({str(job.to_json()) for job in found}) == len(found) > 0


def test_the_budget_is_a_part_of_the_guides_time():
    rows = [{"row": "guide", "values": {"seconds": 1100.0}}]
    options = "--data", "clothing", "--backbone", "MobileNet", "--seeds", "2"
    found = jobs_of("accuracy", *options, rows=rows)
    assert [job.row for job in found] == ["guide", "default", "at_guide_accuracy"] * 2
    assert [job.seed for job in found] == [0, 0, 0, 1, 1, 1]
    assert found[-1].arguments["time_budget"] == 50.0
    # Without the guide's time there is no budget.
    assert [job.row for job in jobs_of("accuracy", *options)] == ["guide", "default"] * 2


def test_absent_engine_is_a_reason(monkeypatch):
    module = importlib.import_module("benchmarks.rates")

    def absent(**arguments):
        raise module.UnavailableError("not installed")

    monkeypatch.setattr(module, "steps", absent)
    assert measure(Job("steps", "rates.steps", {}, {})) == [
        {"row": "rates.steps", "skipped": "not installed"}
    ]


def test_each_measurement_is_on_disk_when_it_is_added(tmp_path):
    path = tmp_path / "results.json"
    Results(path).add(JOB, ROWS, 1.0)
    content = read(path)
    assert len(content["runs"]) == 1
    assert content["measurements"][0]["rows"] == ROWS
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]
    with pytest.raises(FileExistsError, match="--resume"):
        Results(path)


@pytest.mark.parametrize("key", ["skipped", "failed"])
def test_resuming_finds_what_is_finished_and_nothing_else(tmp_path, key):
    path = tmp_path / "results.json"
    Results(path).add(JOB, [{"row": "ours", key: "why"}])
    resumed = Results(path, resume=True)
    assert resumed.find(JOB) is None
    resumed.add(JOB, ROWS, 1.0)
    resumed = Results(path, resume=True)
    assert resumed.find(JOB) == ROWS
    assert resumed.find(Job("head", "rates.head", {"epochs": 4}, {"data": "clothing"})) is None
    assert len(read(path)["measurements"]) == 1


def test_what_cannot_be_measured_here_is_skipped_with_the_reason():
    arguments = {"network": "ResNet50-random", "image_size": 32, "steps": 1, "rounds": 1}
    (row,) = Job("gpu", "devices.full_steps", arguments, {}).run()
    if "skipped" not in row:
        pytest.skip("there is a GPU")
    assert row["skipped"] == "ResNet50-random is measured on a GPU only"


def test_xla_is_not_measured_on_a_cpu(monkeypatch):
    devices = importlib.import_module("benchmarks.devices")
    monkeypatch.setattr(devices, "device", lambda: "CPU")
    with pytest.raises(UnavailableError, match="slow for convolutions on a CPU"):
        devices.full_steps("MobileNetV2", 32, 1, rounds=1, xla=True)


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
def test_what_is_measured_on_a_gpu_runs(monkeypatch):
    devices = importlib.import_module("benchmarks.devices")
    monkeypatch.setattr(devices, "device", lambda: "a GPU")
    policy = "mixed_bfloat16"
    monkeypatch.setattr(devices.distribution, "mixed_precision_policy", lambda: policy)
    for function, number, names in (
        (devices.from_memory, 64, ["reading", "function", "predict", "extract"]),
        (devices.full_steps, 1, ["plain Keras", "TransferModel"]),
    ):
        rows = function("MobileNetV2-random", 32, number, rounds=1)
        assert [row["row"] for row in rows] == names
        assert {row["device"] for row in rows} == {"a GPU"}
    assert keras.config.dtype_policy().name == policy
