"""Which images a command reads: tables, groups, exclusions and ranges of values."""

import contextlib
import io
import json
import shlex
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer.cli.main import main
from keras_transfer.freezing import FreezeAll
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs import Run
from tests.photographs import made_up
from tests.pictures import COLOURS, colour_folder

NETWORK = ["--alpha", "0.35", "--image-size", "32", "--weights", "none"]


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_text(json.dumps(Plan([Phase(FreezeAll(), 1, 1e-3)], ["Short."]).to_json()))
    return path


@pytest.fixture
def photos(tmp_path):
    return colour_folder(tmp_path / "photos", splits=None, per_class=10)


def fit(data, run, plan, *more):
    arguments = ["fit", data, "--output", run, "--plan", plan, *NETWORK, *more]
    return main([str(argument) for argument in arguments])


def write_table(file, photos, columns="path,kind,person"):
    rows = [
        f"{name}/{number}.png,{name},p{number % 5}" for name in COLOURS for number in range(10)
    ]
    file.write_text("\n".join([columns, *rows]))
    return file


def persons(paths):
    return {int(path.rsplit("/")[-1].split(".")[0]) % 5 for path in paths}


@pytest.fixture(scope="module", params=["table", "folder"])
def grouped(request, plan, tmp_path_factory):
    """A run whose sets are divided by persons: `(folder, its data, what fit printed)`."""
    folder = tmp_path_factory.mktemp("grouped")
    photos = colour_folder(folder / "photos", splits=None, per_class=10)
    table = write_table(photos / "people.csv", photos)
    data, more = photos, ["--metadata", table]
    if request.param == "table":
        data, more = table, ["--targets", "kind"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert fit(data, folder / "run", plan, *more, "--group", "person") == 0
    if request.param == "folder":
        table.unlink()  # the run knows the groups
    return folder / "run", data, printed.getvalue()


def test_groups_hold_for_fit_and_evaluate(grouped, capsys):
    folder, data, told = grouped
    assert "3 classes; images: 24 train, 6 validation." in told
    run = Run(folder)
    measured = run.predictions["validation"].paths
    # One person of five is the validation set.
    assert len(measured) == 6 and len(persons(measured)) == 1
    assert main(["evaluate", str(folder), str(data)]) == 0
    printed = capsys.readouterr().out
    assert f"accuracy {run.metrics['validation']['accuracy']:.1%} (95% CI" in printed
    # One person tells nothing about others.
    assert "(95% CI 0.0% to 100.0%, n = 6 of 1 group)" in printed


@pytest.mark.parametrize("grouped", ["folder"], indirect=True)
@pytest.mark.parametrize(
    "broken", [{"groups": "/etc/passwd"}, {"excluded": "/etc/passwd", "metadata": "/none"}]
)
def test_evaluate_reads_no_file_that_a_run_names(grouped, tmp_path, broken):
    folder, data, _ = grouped
    description = json.loads((folder / "run.json").read_text())
    run = shutil.copytree(folder, tmp_path / "run")
    (run / "run.json").write_text(json.dumps({**description, **broken}))
    assert main(["evaluate", str(run), str(data)]) == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--targets", "kind"], "in a folder, the subfolders are the classes"),
        (["--task", "labels"], "are about a CSV file (FILE.csv or --labels FILE.csv)"),
        (["--labels", "{}/none.csv"], "No such folder or file"),
        (["--labels", "{}/people.csv", "--metadata", "{}/people.csv"], "leave `metadata` ("),
        (["--group", "person"], "give both or none"),
        (["--metadata", "{}/none.csv", "--group", "a"], "No such folder or file"),
        (["--metadata", "{}/people.csv", "--group", "a"], "no column 'a'"),
        (["--exclude", "{}/none.json"], "No such folder or file"),
        (["--exclude", "{}/people.csv"], "not an `audit.json`"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(photos, plan, tmp_path, capsys, more, told):
    write_table(tmp_path / "people.csv", photos)
    assert fit(photos, tmp_path / "run", plan, *[one.format(tmp_path) for one in more]) == 1
    error = capsys.readouterr().err
    assert error.startswith("keras-transfer: error: ") and error.count("\n") == 1
    assert told in error and not (tmp_path / "run").exists()


def test_a_table_that_leaves_doubt_is_asked_about(photos, plan, tmp_path, capsys):
    table = write_table(photos / "people.csv", photos)
    assert fit(table, tmp_path / "run", plan) == 1
    error = capsys.readouterr().err
    assert "(--targets COLUMN); the columns are ['kind', 'person']" in error
    assert fit(table, tmp_path / "run", plan, "--labels", table, "--targets", "kind") == 1
    assert "name the folder, or one CSV file alone" in capsys.readouterr().err
    assert fit(table, tmp_path / "run", plan, "--targets", "kind", "--metadata", table) == 1
    assert "leave `metadata` (--metadata) out" in capsys.readouterr().err
    assert fit(photos / "none.csv", tmp_path / "run", plan, "--targets", "kind") == 1
    assert "No such folder or file" in capsys.readouterr().err


def test_the_command_that_an_audit_prints_leaves_its_findings_out(tmp_path, plan, capsys):
    photos = tmp_path / "my photos"
    for name, tone in (("dark", 60), ("light", 190)):
        (photos / name).mkdir(parents=True)
        for seed in range(12):
            image = np.asarray(made_up(seed + tone), "float32") / 4 + tone
            Image.fromarray(image.astype("uint8")).save(photos / name / f"{seed}.png")
        with Image.open(photos / name / "0.png") as image:
            image.save(photos / name / "copy.jpg", quality=90)
    run = tmp_path / "my run"
    assert main(["audit", str(photos), "--output", str(run), *NETWORK]) == 0
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if line.startswith("Next: ")]
    assert "leaves out 2 copies." in printed  # and says nothing about 0 label errors
    assert "across splits" not in printed  # the library made the split itself
    program, *arguments = shlex.split(line.removeprefix("Next: "))
    assert program == "keras-transfer"
    assert arguments[:2] == ["fit", str(photos)]
    assert main([*arguments, "--plan", str(plan)]) == 0
    captured = capsys.readouterr()
    assert f"that '{run}/audit.json' names: " in captured.err and "2 copies" in captured.err
    assert len(json.loads((run / "run.json").read_text())["excluded"]) >= 2
    measured = Run(run).metrics["validation"]["images"]
    assert main(["evaluate", str(run), str(photos)]) == 0
    assert f"n = {measured})" in capsys.readouterr().out


def test_a_range_holds_for_predict_evaluate_and_the_export(tmp_path, plan, capsys):
    photos = tmp_path / "photos"
    for name, tone in (("dark", 800), ("light", 3000)):
        (photos / name).mkdir(parents=True)
        for seed in range(5):
            values = np.random.default_rng(seed + tone).integers(tone, tone + 900, (40, 40))
            values[0, 0] = 4095
            Image.fromarray(values.astype("uint16")).save(photos / name / f"{seed}.png")
    assert fit(photos, tmp_path / "run", plan, "--value-range", "4095") == 0
    assert "16 bits" not in capsys.readouterr().err
    run = Run(tmp_path / "run")
    assert run.model.value_range == 4095
    paths = run.predictions["validation"].paths
    expected = run.predictions["validation"].outputs
    np.testing.assert_allclose(run.predict(paths).probabilities, expected, atol=1e-4)
    with pytest.warns(UserWarning, match="only the images that were not trained on"):
        found = run.evaluate(photos)
    assert found["confusion"] == run.metrics["validation"]["confusion"]
    served = tf.saved_model.load(str(tmp_path / "run" / "serving" / "1"))
    contents = [tf.io.read_file(path) for path in paths]
    answers = served.signatures["serving_default"](image_bytes=tf.stack(contents))
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-4)


def test_other_divisions_are_another_run(photos, plan, tmp_path, capsys, monkeypatch):
    from keras_transfer.runs import fitting

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "finish", stop)  # the trained model is saved
    table = write_table(photos / "people.csv", photos)
    grouped = ["--metadata", table, "--group", "person"]
    assert fit(photos, tmp_path / "run", plan, *grouped) == 130
    capsys.readouterr()
    assert fit(photos, tmp_path / "run", plan) == 1
    assert "group: person, now None" in capsys.readouterr().err
    assert fit(photos, tmp_path / "run", plan, *grouped) == 130
    assert "Resuming" in capsys.readouterr().out
