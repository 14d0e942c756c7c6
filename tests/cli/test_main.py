import csv
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import training
from keras_transfer.cli.main import _message, build_parser, main
from keras_transfer.features import engines
from keras_transfer.freezing import FreezeAll, UnfreezeLast
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs import Run
from keras_transfer.runs.folder import RunFolder
from keras_transfer.serving.file_export import can_write_litert
from tests.pictures import colour_folder, draw

FILES = {
    "confusion_matrix.png", "course.json", "history.csv", "learning_curves.png",
    "metrics.json", "model.keras", "plan.json", "predictions.npz", "report.html", "run.json",
    "serving",
}  # fmt: skip


def fit_arguments(data, run, plan, *more):
    return [
        "fit", str(data), "--output", str(run), "--alpha", "0.35", "--image-size", "32",
        "--weights", "none", "--plan", str(plan), "--batch-size", "8", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    phases = [
        Phase(FreezeAll(), 1, 1e-3, name="head"),
        Phase(UnfreezeLast(1), 1, 1e-3, layerwise_decay=0.7, name="fine-tuning"),
    ]
    path.write_text(json.dumps(Plan(phases, ["Short."]).to_json()))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, plan):
    """A run folder, in which an earlier run had saved nothing: `(folder, data)`."""
    folder = tmp_path_factory.mktemp("cli")
    data = colour_folder(folder / "data")
    with RunFolder(folder / "run").begun({"seed": 7}):
        pass
    (folder / "run" / "plan.json").write_text("{}")
    assert main(fit_arguments(data, folder / "run", plan)) == 0
    return folder / "run", data


def test_fit_leaves_everything_in_the_run_folder(run):
    folder, _ = run
    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "serving/1/saved_model.pb").is_file()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["validation"]["images"] == metrics["test"]["images"] == 18
    assert np.sum(metrics["test"]["confusion"]) == 18
    assert metrics["epochs"] == 2
    assert Plan.from_json(json.loads((folder / "plan.json").read_text())).epochs == 2
    for name in ("learning_curves.png", "confusion_matrix.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 200


def test_metrics_are_those_of_the_saved_model(run, capsys):
    folder, data = run
    metrics = json.loads((folder / "metrics.json").read_text())
    assert main(["evaluate", str(folder), str(data)]) == 0
    printed = capsys.readouterr().out
    assert f"accuracy {metrics['test']['accuracy']:.1%} (95% CI" in printed
    assert "n = 18)" in printed
    assert f"loss {metrics['test']['loss']:.3f}" in printed


def test_predict_prints_a_line_for_each_picture(run, capsys):
    folder, data = run
    pictures = sorted(map(str, data.glob("test/*/0.png")))
    assert main(["predict", str(folder), *pictures, "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == pictures
    assert all(len(line.split("\t")) == 3 for line in lines)


def test_predict_as_json_agrees_with_the_model(run, capsys):
    folder, data = run
    picture = str(data / "test/red/0.png")
    assert main(["predict", str(folder), picture, "--json", "--top", "9"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["image"] == picture
    classes = answer["classes"]
    assert {entry["label"] for entry in classes} == {"red", "green", "blue"}
    assert sum(entry["probability"] for entry in classes) == pytest.approx(1.0, abs=1e-5)


def test_predict_names_what_it_cannot_read_and_goes_on(run, tmp_path, capsys):
    folder, data = run
    bad = tmp_path / "bad.jpg"
    bad.write_text("text")
    assert main(["predict", str(folder), str(bad), str(data / "test/red/0.png")]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert f"error: {bad}: " in captured.err


def test_predict_takes_folders_and_lists(run, tmp_path, monkeypatch, capsys):
    folder, data = run
    images = sorted(map(str, (data / "test" / "red").iterdir()))
    assert main(["predict", str(folder), str(data / "test" / "red")]) == 0
    expected = capsys.readouterr().out
    assert [line.split("\t")[0] for line in expected.splitlines()] == images
    (tmp_path / "list").write_text("\n".join(images) + "\n\n")
    assert main(["predict", str(folder), f"@{tmp_path / 'list'}"]) == 0
    assert capsys.readouterr().out == expected
    monkeypatch.setattr("sys.stdin", io.StringIO("\r\n".join(images)))
    assert main(["predict", str(folder), "-"]) == 0
    assert capsys.readouterr().out == expected
    (tmp_path / "empty").mkdir()
    assert main(["predict", str(folder), str(tmp_path / "empty")]) == 1
    assert "no images in the folder" in one_line_error(capsys)


def test_predict_writes_a_table(run, tmp_path, capsys):
    folder, data = run
    image = str(next((data / "test" / "red").iterdir()))
    table = tmp_path / "predictions.csv"
    arguments = ["predict", str(folder), image, "absent.png", "--output", str(table)]
    assert main([*arguments, "--threshold", "0.999"]) == 1
    printed = capsys.readouterr()
    assert "1 are below the threshold of 99.9%." in printed.out
    assert printed.err == "keras-transfer: error: absent.png: No such file or directory\n"
    with open(table, newline="", encoding="utf-8") as file:
        good, bad = csv.DictReader(file)
    probabilities = {name: float(good[f"p({name})"]) for name in ("blue", "green", "red")}
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert good["label"] == max(probabilities, key=probabilities.get)
    assert float(good["probability"]) == max(probabilities.values())
    assert (good["image"], good["below_threshold"], good["error"]) == (image, "yes", "")
    assert (bad["image"], bad["label"]) == ("absent.png", "")
    assert bad["error"] == "No such file or directory"


def test_the_threshold_of_a_table_is_that_of_the_page(run, tmp_path, monkeypatch, capsys):
    folder, data = run
    table = tmp_path / "predictions.csv"
    arguments = ["predict", str(folder), str(data / "test"), "--output", str(table)]
    assert Run(folder).answer_threshold is None  # 18 images show none
    assert main(arguments) == 0
    assert "below the threshold" not in capsys.readouterr().out
    monkeypatch.setattr(Run, "answer_threshold", 0.25)
    assert main(arguments) == 0
    assert "0 are below the threshold of 25.0%: above it, on the" in capsys.readouterr().out
    monkeypatch.setattr(Run, "answer_threshold", 0.0)
    assert main(arguments) == 0
    assert "No threshold is needed: on the images of the run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "RUN", "a.png", "--output", "nowhere/p.csv"], "No such folder: 'nowhere'"),
        (["predict", "RUN", "a.png", "--output", "."], "'.' is a folder: name a file"),
        (["report", "RUN", "--output", "nowhere/page.html"], "No such folder: 'nowhere'"),
        (["export", "RUN", "--file", "nowhere/model.keras"], "No such folder: 'nowhere'"),
        (["export", "RUN", "--file", "model.kera"], "must end in .tflite, .onnx or .keras"),
        (["predict", "RUN", "@nowhere"], "error: No such file or directory: 'nowhere'"),
    ],
)
def test_place_that_cannot_be_written_is_told_before_the_work(
    run, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert main([str(run[0]) if word == "RUN" else word for word in arguments]) == 1
    assert message in one_line_error(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("export RUN --output file", "output"),
        ("export RUN --output file/serving", "output"),
        ("demo --output file", "output"),
        ("cache --directory file", "directory"),
        ("predict MASKS a.png --output file", "output"),
    ],
)
def test_a_file_in_the_place_of_a_folder_is_told(
    run, tmp_path, monkeypatch, capsys, words, option
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "run.json").write_text('{"task": "masks"}')
    given = {"RUN": str(run[0]), "MASKS": "masks"}
    assert main([given.get(word, word) for word in words.split()]) == 1
    told = one_line_error(capsys)
    assert f"'file' is a file, and --{option} names a folder; nothing was overwritten" in told
    assert (tmp_path / "file").read_text() == "kept"


def test_export_writes_the_next_version(run, tmp_path, capsys):
    folder, _ = run
    for version in ("1", "2"):
        assert main(["export", str(folder), "--output", str(tmp_path / "serving")]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "serving" / version)


def test_export_writes_a_file_for_another_runtime(run, tmp_path, capsys):
    target = tmp_path / "model.tflite"
    if not can_write_litert():
        pytest.skip(f"Keras {keras.__version__} has no LiteRT export")
    assert main(["export", str(run[0]), "--file", str(target)]) == 0
    assert capsys.readouterr().out.strip().endswith(str(target))
    assert target.stat().st_size > 10_000


def test_run_is_opened_from_its_folder(run):
    opened = Run(run[0])
    assert opened.class_names == opened.model.class_names == ("blue", "green", "red")
    assert opened.model.heads.num_classes == 3
    assert opened.plan.epochs == 2
    assert opened.history["phase"] == ["head", "fine-tuning"]
    assert opened.measured == "test"
    assert opened.predictions["test"].correct.mean() == opened.metrics["test"]["accuracy"]
    found = opened.predict([run[1] / "test/red/0.png", run[1] / "nothing.png"])
    assert len(found.labels) == len(found.paths) == len(found.unreadable) == 1
    assert opened.evaluate(run[1])["accuracy"] == opened.metrics["test"]["accuracy"]


def test_backbones_prints_a_row_for_each(capsys):
    assert main(["backbones"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 41
    assert "MobileNetV2" in "".join(lines)


def one_line_error(capsys):
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    errors = [line for line in captured.err.splitlines() if "error:" in line]
    assert len(errors) == 1
    return errors[0]


def test_finished_run_is_not_overwritten(run, plan, capsys):
    folder, data = run
    before = (folder / "model.keras").read_bytes()
    assert main(fit_arguments(data, folder, plan)) == 1
    assert "nothing was overwritten" in one_line_error(capsys)
    assert (folder / "model.keras").read_bytes() == before


def unfinished(run, folder):
    """A copy of a run folder as a kill before the first checkpoint leaves it."""
    shutil.copytree(run, folder)
    (folder / "metrics.json").unlink()
    (folder / "checkpoints").mkdir()
    settings = json.loads((folder / "run.json").read_text())
    for derived in ("class_names", "task"):
        del settings[derived]
    RunFolder(folder).agree("run", settings)
    return folder


def test_unfinished_run_is_taken_up_by_the_same_command(run, plan, tmp_path, capsys):
    folder = unfinished(run[0], tmp_path / "run")
    (folder / "checkpoints/.lock").touch()
    (folder / ".writing-half.keras").write_text("half")
    (folder / "serving/.writing-half").mkdir()
    assert main(fit_arguments(run[1], folder, plan)) == 0
    printed = capsys.readouterr().out
    assert f"Resuming the unfinished run in {folder}." in printed
    features = [line for line in printed.splitlines() if line.startswith("Features at")]
    assert len(features) == 4  # two phases, training and validation
    assert all(line.endswith("read from the cache.") for line in features)
    assert {path.name for path in folder.iterdir()} == FILES
    assert not list(folder.rglob(".*"))


def test_preempted_run_says_so_and_ends_with_its_own_code(
    run, plan, tmp_path, monkeypatch, capsys
):
    def preempted(*arguments, **options):
        assert arguments[-1] == 7
        raise training.Preempted

    monkeypatch.setattr("keras_transfer.runs.fitting.fine_tune_in", preempted)
    with pytest.raises(SystemExit) as ended:
        main(fit_arguments(run[1], tmp_path / "run", plan, "--checkpoint-every", "7"))
    assert ended.value.code == 75
    assert "The state is saved; the same command resumes." in capsys.readouterr().err
    assert not list((tmp_path / "run").rglob(".lock"))


def test_sigterm_in_any_part_ends_with_its_own_code(run, plan, tmp_path, monkeypatch, capsys):
    command = fit_arguments(run[1], tmp_path / "run", plan)

    def terminated(*arguments, **options):
        os.kill(os.getpid(), signal.SIGTERM)

    # Each command resumes what the one before has left.
    for part in ("job.read_source", "fitting._train", "fitting.finish"):
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(f"keras_transfer.runs.{part}", terminated)
            main(command)
        assert ended.value.code == 75
    assert main(command) == 0
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_sigterm_while_tensorflow_is_imported_ends_with_the_same_code(
    run, plan, tmp_path, monkeypatch, capsys
):
    def terminated():
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("keras_transfer.cli.main._import_tensorflow", terminated)
    with pytest.raises(SystemExit) as ended:
        main(fit_arguments(run[1], tmp_path / "run", plan))
    assert ended.value.code == 75
    assert "the same command resumes" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_run_that_saved_nothing_is_no_obstacle(run, plan):
    settings = json.loads((run[0] / "run.json").read_text())
    assert settings["seed"] == 0
    assert Plan.load(run[0] / "plan.json") == Plan.load(plan)


def test_run_that_was_killed_before_its_page_gets_it(run, plan, tmp_path, capsys):
    copy = shutil.copytree(run[0], tmp_path / "run")
    (copy / "report.html").unlink()
    (copy / "checkpoints").mkdir()  # it was killed before it removed them
    assert main(fit_arguments(run[1], copy, plan, "--seed", "1")) == 1
    assert not (copy / "report.html").exists()
    assert main(fit_arguments(run[1], copy, plan)) == 0
    assert (copy / "report.html").is_file() and not (copy / "checkpoints").exists()
    assert (copy / "metrics.json").read_bytes() == (run[0] / "metrics.json").read_bytes()
    assert main(fit_arguments(run[1], copy, plan)) == 1
    assert "holds a finished run" in capsys.readouterr().err


OTHER_SETTINGS = [
    (["--seed", "1"], "(seed: 0, now 1)"),
    (["--batch-size", "4", "--balance"], "(balance: False, now True; batch_size: 8, now 4)"),
    (["--weights", "imagenet"], "(weights: None, now imagenet)"),
    (["--epochs", "3", "--unfreeze", "1"], "(epochs: None, now 3; unfreeze: None, now 1)"),
]


@pytest.mark.parametrize(("more", "difference"), OTHER_SETTINGS)
def test_unfinished_run_is_not_taken_up_by_another(
    run, plan, tmp_path, capsys, more, difference
):
    folder = unfinished(run[0], tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(fit_arguments(run[1], folder, plan, *more)) == 1
    error = one_line_error(capsys)
    assert f"an unfinished run with other settings {difference}" in error
    assert "nothing was overwritten" in error
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_plan_of_an_unfinished_run_is_compared_by_what_it_says(run, plan, tmp_path, capsys):
    folder = unfinished(run[0], tmp_path / "run")
    values = json.loads(plan.read_text())
    values["phases"][0]["epochs"] = 2
    (tmp_path / "plan.json").write_text(json.dumps(values))
    assert main(fit_arguments(run[1], folder, tmp_path / "plan.json")) == 1
    assert "other settings (another plan)" in one_line_error(capsys)


def test_run_that_is_being_trained_is_not_taken_up(tmp_path):
    folder, settings = RunFolder(tmp_path / "run"), {"seed": 0}
    with folder.begun(settings):
        other = RunFolder(tmp_path / "run")
        with pytest.raises(FileExistsError, match="Another process is training"):
            other.begun(settings).__enter__()
        folder.finish({})
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        other.begun(settings).__enter__()


@pytest.mark.parametrize("contents", ["[]", "{", "3"])
def test_foreign_folder_is_left_alone(tmp_path, plan, capsys, contents):
    (tmp_path / "run.json").write_text(contents)
    assert main(fit_arguments(tmp_path, tmp_path, plan)) == 1
    assert "is not empty; nothing was overwritten" in one_line_error(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_file_in_place_of_the_run_folder_is_left_alone(tmp_path, plan, capsys):
    (tmp_path / "run").write_text("mine")
    assert main(fit_arguments(tmp_path, tmp_path / "run", plan)) == 1
    assert "is a file; nothing was overwritten" in one_line_error(capsys)
    assert (tmp_path / "run").read_text() == "mine"


def test_more_stages_than_there_are_leave_no_folder(run, plan, tmp_path, capsys):
    assert main(fit_arguments(run[1], tmp_path / "run", plan, "--unfreeze", "99")) == 1
    assert "Received: unfreeze=99" in one_line_error(capsys)
    assert not (tmp_path / "run").exists()


def test_cache_that_cannot_be_written_is_told_before_anything_is(run, plan, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    arguments = fit_arguments(run[1], tmp_path / "run", plan, "--cache", str(tmp_path / "file"))
    assert main(arguments) == 1
    assert "Features cannot be kept in" in one_line_error(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere", "--output", "run"], "No such folder or file"),
        (["audit", "DATA", "--output", "run", "--new", "phone"], "No such folder or file"),
        (["rank", "DATA", "--output", "run", "--backbones", "VGG17"], "Did you mean 'VGG"),
        (["fit", "DATA", "--output", "run", "--backbone", "Resnet"], "Did you mean"),
        (["fit", "DATA", "--output", "run", "--weights", "nowhere.h5"], "is no file"),
        (["fit", "DATA", "--output", "run", "--plan", "nowhere.json"], "nowhere.json"),
        (["evaluate", "nowhere", "DATA"], "is not a run folder"),
        (["predict", "nowhere", "a.jpg"], "is not a run folder"),
        (["export", "nowhere"], "is not a run folder"),
    ],
)
def test_errors_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    colour_folder(tmp_path / "data")
    assert main([argument.replace("DATA", "data") for argument in arguments]) == 1
    assert message in one_line_error(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["no json", "{}", '{"phases": [{}], "reasons": []}'])
def test_broken_plan_is_told(tmp_path, capsys, text):
    plan = tmp_path / "plan.json"
    plan.write_text(text)
    assert main(fit_arguments(tmp_path, tmp_path / "run", plan)) == 1
    assert "does not hold a plan" in one_line_error(capsys)


def test_damaged_run_is_told(tmp_path, capsys):
    (tmp_path / "model.keras").write_text("")
    (tmp_path / "run.json").write_text("{")
    assert main(["predict", str(tmp_path), "a.jpg"]) == 1
    assert "is corrupt" in one_line_error(capsys)


WRONG_DESCRIPTIONS = [
    ({"class_names": 3}, "not a list"),
    ({"class_names": ["a"]}, "do not belong together"),
    ({"image_size": 32}, "not a list"),
    ({"image_size": [64, 64]}, "do not belong together"),
    ({"channels": "3"}, "not an integer"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_DESCRIPTIONS)
def test_description_that_does_not_fit_is_told(run, tmp_path, capsys, change, message):
    folder, data = run
    description = json.loads((folder / "run.json").read_text("utf-8"))
    (tmp_path / "run.json").write_text(json.dumps({**description, **change}))
    (tmp_path / "model.keras").symlink_to(folder / "model.keras")
    assert main(["predict", str(tmp_path), str(data / "test/red/0.png")]) == 1
    assert message in one_line_error(capsys)


def test_damaged_model_is_told(run, tmp_path, capsys):
    folder, data = run
    (tmp_path / "run.json").write_bytes((folder / "run.json").read_bytes())
    (tmp_path / "model.keras").write_bytes((folder / "model.keras").read_bytes()[:9000])
    assert main(["predict", str(tmp_path), str(data / "test/red/0.png")]) == 1
    assert "model.keras' is corrupt" in one_line_error(capsys)


def test_run_without_a_finished_phase_is_told(run, tmp_path, capsys):
    (tmp_path / "run.json").write_bytes((run[0] / "run.json").read_bytes())
    assert main(["export", str(tmp_path)]) == 1
    assert "did not finish a phase" in one_line_error(capsys)


def test_package_started_with_dash_m_registers_the_classes_and_stays_light(tmp_path):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("import keras_transfer\n")
    (package / "go.py").write_text(
        "import keras, sys\n"
        "assert keras.saving.get_registered_object('keras_transfer>TransferModel')\n"
        "late = {'tensorflow_datasets', 'tensorflow_serving'} & set(sys.modules)\n"
        "sys.exit(f'imported {late}' if late else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mine.go"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-1000:]


def test_classes_that_the_model_does_not_know_are_told(run, tmp_path, capsys):
    for number, name in enumerate(("red", "violet")):
        draw(tmp_path / name / "0.png", (1, 2, 3), 2 * number)
        draw(tmp_path / name / "1.png", (1, 2, 3), 2 * number + 1)
    assert main(["evaluate", str(run[0]), str(tmp_path)]) == 1
    assert "does not know the classes 'violet'" in one_line_error(capsys)


def test_traceback_is_shown_when_asked():
    with pytest.raises(FileNotFoundError):
        main(["--traceback", "export", "nowhere"])


def test_interrupt_ends_with_130(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_transfer.cli.backbones.run", interrupt)
    assert main(["backbones"]) == 130
    assert capsys.readouterr().err == "keras-transfer: interrupted\n"


def test_interrupted_command_says_what_the_same_command_does(tmp_path, monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_transfer.cli.fit.run", interrupt)
    monkeypatch.setattr("keras_transfer.cli.probe.run", interrupt)
    for command, message in (("fit", "goes on from the last"), ("probe", "already cached")):
        assert main([command, str(tmp_path), "--output", "run"]) == 130
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def test_every_engine_can_be_chosen():
    (command,) = (a for a in build_parser()._actions if isinstance(a.choices, dict))
    (engine,) = (a for a in command.choices["fit"]._actions if a.dest == "engine")
    assert set(engine.choices) == {"auto", *engines._ENGINES}


def test_engine_without_a_cache_is_told(tmp_path, capsys):
    arguments = ["fit", str(tmp_path), "--output", str(tmp_path / "run"), "--no-cache"]
    assert main([*arguments, "--engine", "openvino"]) == 1
    assert "--no-cache caches none" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fit"],
        ["fit", "data"],
        ["fit", "d", "--output", "r", "--batch-size", "0"],
        ["fit", "d", "--output", "r", "--time-budget", "0s"],
        ["fit", "d", "--output", "r", "--time-budget", "5x"],
        ["fit", "d", "--output", "r", "--time-budget=-1m"],
        ["fit", "d", "--output", "r", "--time-budget", "5m", "--plan", "p"],
        ["fit", "d", "--output", "r", "--cache", "c", "--no-cache"],
        ["fit", "d", "--output", "r", "--engine", "fastest"],
        ["cook"],
    ],
)
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert one_line_error(capsys).endswith("--help`.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--unfrreeze 3 --output r", "no option --unfrreeze. Did you mean --unfreeze?"),
        ("--outputt r", "no option --outputt. Did you mean --output?"),
        ("--output r --xyzzy=1", "no option --xyzzy. See"),
    ],
)
def test_unknown_option_is_answered_with_the_closest_one(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["fit", "data", *arguments.split()])
    assert caught.value.code == 2
    assert message in one_line_error(capsys)


def test_beginning_of_an_option_is_enough():
    assert build_parser().parse_args(["fit", "d", "--out=r", "--epo", "3"]).epochs == 3


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("2 H", 7200)]
)
def test_times_have_a_unit(text, seconds):
    options = build_parser().parse_args(["fit", "d", "--output", "r", "--time-budget", text])
    assert options.time_budget == seconds


@pytest.mark.parametrize(
    "command",
    [
        "",
        "fit",
        "evaluate",
        "predict",
        "export",
        "report",
        "audit",
        "rank",
        "probe",
        "recommend",
        "find-lr",
        "backbones",
        "cache",
        "demo",
    ],
)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args([*command.split(), "--help"])
    assert caught.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_full_memory_of_a_device_is_told_in_one_line():
    ones = tf.function(lambda rows: tf.reduce_sum(tf.ones((rows, 2**24))))
    with pytest.raises(tf.errors.ResourceExhaustedError) as caught:
        ones(tf.constant(2**26))
    assert re.fullmatch(
        r"The memory of the device is full: use a smaller --batch-size .*"
        r"Received: OOM when allocating tensor with shape\[67108864,16777216\].*",
        _message(caught.value),
    )


def test_an_operation_that_cannot_be_deterministic_is_told():
    lines = (
        "Graph execution error:",
        "",
        "A deterministic GPU implementation is missing.",
        ("\t [[{{node it}}]] [Op:f_1]"),
    )
    error = tf.errors.UnimplementedError(None, None, "\n".join(lines))
    assert _message(error).endswith("implementation is missing. Leave out --deterministic.")


def test_help_needs_no_tensorflow():
    code = (
        "import sys; sys.argv = ['/usr/bin/keras-transfer', '--help']\n"
        "from keras_transfer.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    heavy = {'tensorflow', 'keras', 'numpy', 'PIL'} & set(sys.modules)\n"
        "    sys.exit(f'imported {heavy}' if heavy or end.code else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


@pytest.mark.parametrize("module", ["keras_transfer", "keras_transfer.cli"])
def test_python_m_is_the_command_and_needs_no_tensorflow_for_help(module):
    root = str(pathlib.Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: keras-transfer ")
    assert "keras_transfer.cli.main" in done.stderr
    assert "tensorflow" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "nowhere", "--output", "run"],
        ["fit", ".", "--output", "run", "--backbone", "MobilNetV2"],
        ["fit", ".", "--output", "run", "--weights", "nowhere.h5"],
        ["predict", "nowhere", "a.jpg"],
    ],
)
def test_wrong_name_is_answered_without_tensorflow(tmp_path, arguments):
    code = (
        f"import sys; sys.argv = {['/usr/bin/keras-transfer', *arguments]}\n"
        "from keras_transfer.cli.main import main\n"
        "code = main()\n"
        "sys.exit(0 if code == 1 and 'tensorflow' not in sys.modules else 'imported')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("keras-transfer: error: ")
    assert "application" not in done.stderr


def odd_folder(directory):
    """Everything that a folder of pictures may hold: a class for each kind of trouble."""
    good = directory / "good"
    odd = directory / "<b>ü & co<" / "b>"  # a name may hold anything but a slash
    for index in range(6):
        draw(good / f"{index}.jpg", (200, 30, 30), index)
        draw(odd / f"{index}.jpg", (30, 30, 200), 10 + index)
    whole = (good / "0.jpg").read_bytes()
    (good / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (good / "text.jpg").write_text("This is no picture.")
    grey = np.linspace(0, 65535, 32 * 32, dtype="uint16").reshape(32, 32)
    Image.fromarray(grey).save(good / "sixteen_bits.png")
    Image.new("CMYK", (32, 32), (0, 200, 200, 30)).save(good / "cmyk.jpg")
    (directory / "empty").mkdir()
    return directory


def test_odd_folder_is_refused_with_each_file_named(tmp_path, plan, capsys):
    folder = odd_folder(tmp_path / "data")
    assert main(fit_arguments(folder, tmp_path / "run", plan)) == 1
    error = capsys.readouterr().err
    assert "truncated.jpg" in error
    assert "text.jpg" in error
    assert "sixteen_bits" not in error
    assert "cmyk" not in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_odd_folder_trains_when_told_to_skip(tmp_path, plan, capsys):
    folder = odd_folder(tmp_path / "data")
    arguments = fit_arguments(folder, tmp_path / "run", plan, "--on-unreadable", "skip")
    assert main(arguments) == 0
    told = capsys.readouterr().err
    assert "warning: " in told
    assert "empty" in told
    assert "truncated.jpg" in told
    assert "Traceback" not in told
    description = json.loads((tmp_path / "run/run.json").read_text("utf-8"))
    assert description["class_names"] == ["<b>ü & co<", "good"]
    metrics = json.loads((tmp_path / "run/metrics.json").read_text("utf-8"))
    assert "<b>ü & co<" in metrics["validation"]["classes"]
