"""A run on texts: from a CSV file to the page and the export."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import freezing, plans, runs
from keras_transfer.backbones import Backbone
from keras_transfer.cli.main import main
from tests.networks import residual_backbone

WORDS = ["good", "bad", "film", "book", "the", "a"]
PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 20, 5e-2)], [])


def rows(label, number):
    return [
        f"the {label} {thing} {n};{label}" for thing in ("film", "book") for n in range(number)
    ]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "reviews.csv"
    path.write_text("\n".join(["text;label", *rows("good", 12), *rows("bad", 12)]))
    return path


def backbone():
    return Backbone.from_vectors(WORDS, np.eye(len(WORDS)), sequence_length=4)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    output = tmp_path_factory.mktemp("run") / "run"
    return runs.fit(table, backbone(), output, plan=PLAN, verbose=0, cache=False)


def test_classes_of_texts_are_learned_and_predicted(run, table):
    assert run.kind.name == "texts" and run.described_inputs == "texts"
    assert run.metrics["validation"]["accuracy"] == 1.0
    opened = runs.Run(run.path)
    assert opened.predict(["the good thing", "bad"]).labels == ["good", "bad"]
    assert opened.predict("a bad one").labels == ["bad"]
    with pytest.warns(UserWarning, match="only the texts that were not trained"):
        assert opened.evaluate(table)["images"] == run.metrics["validation"]["images"]


def test_page_shows_texts_and_the_export_takes_them(run):
    page = (run.path / "report.html").read_text("utf-8")
    assert "texts" in page and "for one text" in page
    served = tf.saved_model.load(str(run.path / "serving" / "1")).signatures["serving_default"]
    assert served(text=tf.constant(["good"]))["label"].numpy().tolist() == [b"good"]


def test_mistakes_are_on_the_page(table, tmp_path):
    nothing = Backbone.from_vectors(["x"], np.zeros((1, 2)), sequence_length=4)
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-3)], [])
    found = runs.fit(table, nothing, tmp_path / "run", plan=plan, verbose=0, cache=False)
    page = (found.path / "report.html").read_text("utf-8")
    assert "Worst mistakes" in page and "film" in page


def test_command_line_predicts_texts(run, capsys, tmp_path):
    assert main(["predict", str(run.path), "the good film", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["classes"][0]["label"] == "good"


def test_texts_are_predicted_from_files(run, tmp_path, capsys):
    (tmp_path / "more.csv").write_text("text,other\nthe good film,1\nbad,2\n")
    (tmp_path / "folder" / "in").mkdir(parents=True)
    (tmp_path / "folder" / "in" / "1.txt").write_text("a bad book")
    found = run.predict([tmp_path / "more.csv", tmp_path / "folder", "good"])
    assert found.labels == ["good", "bad", "bad", "good"]
    assert found.paths == [
        "the good film", "bad", str(tmp_path / "folder" / "in" / "1.txt"), "good"
    ]  # fmt: skip
    long = "bad " * 100  # longer than a file name may be
    assert run.predict([long, f"{long}.txt"]).labels == ["bad", "bad"]
    (tmp_path / "more.csv").write_text("review\ngood\n")
    with pytest.raises(ValueError, match="no column 'text' or 'sentence'"):
        run.predict(tmp_path / "more.csv")
    assert main(["predict", str(run.path), "good", "--output", str(tmp_path / "a.csv")]) == 0
    assert "1 text in" in capsys.readouterr().out


def test_a_file_is_read_and_another_word_is_a_text(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").write_text("the bad film\n@good\n")
    (tmp_path / "notes.md").write_text("the bad book")
    given = [
        "@list",
        "@good is good",
        "@good",
        "notes.md",
        " good.txt",
        "absent.txt",
        "b.csv.gz",
    ]
    assert main(["predict", str(run.path), *given, "--output", "predicted.csv"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"keras-transfer: error: {name}: there is no such file. To predict the name itself as "
        "a text, put a space before it"
        for name in ("absent.txt", "b.csv.gz")
    ]
    with open("predicted.csv", newline="", encoding="utf-8") as file:
        labels = {row["image"]: row["label"] for row in csv.DictReader(file)}
    assert labels["the bad film"] == "bad" and labels["notes.md"] == "bad"
    assert labels["@good is good"] == labels["@good"] == "good" and " good.txt" in labels


def test_an_empty_text_is_reported_and_the_others_are_predicted(run, tmp_path, capsys):
    table, folder = tmp_path / "more.csv", tmp_path / "folder"
    table.write_text("text,other\nthe good film,1\n  ,2\nbad,3\n")
    folder.mkdir()
    with pytest.raises(ValueError, match=r"no \.txt files in the folder"):
        run.predict(folder)
    (folder / "1.txt").write_text("")
    (folder / "2.txt").write_bytes(b"\xff\xfe\xff")
    output = tmp_path / "predictions.csv"
    words = ["predict", str(run.path), str(table), " ", str(folder), "--output", str(output)]
    assert main(words) == 1
    told = capsys.readouterr()
    assert "2 texts in" in told.out and "error: Text 2: has no text" in told.err
    with open(output, newline="", encoding="utf-8") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert rows["the good film"]["label"] == "good" and rows["bad"]["label"] == "bad"
    assert rows[f"Row 3 of '{table}'"]["error"] == "has no text"
    assert "no text" in rows[str(folder / "1.txt")]["error"]
    assert "UTF-8" in rows[str(folder / "2.txt")]["error"]


def test_networks_and_data_must_fit(table, tmp_path):
    with pytest.raises(ValueError, match="takes images, and the data are texts"):
        runs.fit(table, residual_backbone(), tmp_path / "run", plan=PLAN, verbose=0)
    with pytest.raises(ValueError, match="texts has no `metadata`"):
        runs.fit(table, backbone(), tmp_path / "run", metadata=table, plan=PLAN, verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_texts_is_labelled_by_a_csv_file(tmp_path, capsys):
    (tmp_path / "texts").mkdir()
    lines = ["path,label"]
    for number, row in enumerate([*rows("good", 6), *rows("bad", 6)]):
        text, label = row.split(";")
        (tmp_path / "texts" / f"{number}.txt").write_text(text)
        lines.append(f"{number}.txt,{label}")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(lines))
    found = runs.fit(
        tmp_path / "texts", backbone(), tmp_path / "run", labels=labels, plan=PLAN, verbose=0,
        cache=False,
    )  # fmt: skip
    command = ["evaluate", str(found.path), str(tmp_path / "texts")]
    assert main(command) == 1
    assert "name one with `labels` (--labels FILE)" in capsys.readouterr().err
    assert main([*command, "--labels", str(labels)]) == 0
    assert f"n = {found.metrics['validation']['images']})" in capsys.readouterr().out
