"""Runs on images with a row, on tables and on sounds: from the file to the page."""

import csv
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import backbones, data, freezing, plans, runs
from keras_transfer._statistics.intervals import share_interval
from keras_transfer.cli.main import main
from keras_transfer.cli.parser import build_parser
from keras_transfer.data.sources import read_source
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.kinds import kind_named
from keras_transfer.runs.networks import build_vectors
from keras_transfer.runs.run_settings import check_ready

PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 40, 3e-2)], [])


def network():
    """A network of noise: the row alone decides."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3, strides=4)])
    return backbones.Backbone.from_model(model)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    lines = ["path,age,site,ill"]
    for number in range(40):
        image = random.integers(0, 256, (16, 16, 3))
        keras.utils.save_img(folder / f"{number}.png", image, scale=False)
        age = "" if number % 10 == 9 else 20 + 40 * (number % 2)
        site = ("north", "south")[number % 2] if number % 10 == 9 else "east"
        lines.append(f"{number}.png,{age},{site},{('no', 'yes')[number % 2]}")
    (folder / "photos.csv").write_text("\n".join(lines))
    return folder / "photos.csv"


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    place = tmp_path_factory.mktemp("rows")
    return runs.fit(
        photos, network(), place / "run", targets="ill", inputs=["age", "site"], plan=PLAN,
        cache=None, verbose=0, precision="float32",
    )  # fmt: skip


def test_a_row_beside_the_image_decides(run, photos, capsys):
    assert run.columns == {"age": "numbers", "site": "categories"}
    assert run.metrics["validation"]["accuracy"] == 1.0
    found = runs.Run(run.path).predict(photos)
    assert found.labels[:4] == ["no", "yes", "no", "yes"]
    with pytest.warns(UserWarning, match="not trained"):
        assert run.evaluate(photos)["accuracy"] == 1.0
    with pytest.raises(ValueError, match="columns beside each image: name a CSV file"):
        run.predict(photos.parent / "0.png")


def test_the_page_says_which_columns_went_in_and_what_the_image_adds(run):
    found = run.course["references"]
    assert found["accuracies"]["linear, the row alone"] == 1.0
    assert found["accuracies"]["linear, the image alone"] < 1.0
    page = (run.path / "report.html").read_text("utf-8")
    assert "with age, site" in page and found["conclusion"] in page
    gains = re.findall(
        r"adds ([+-][\d.]+) points of accuracy \(95% CI ([+-][\d.]+) to ([+-][\d.]+)(.*?)\)",
        found["conclusion"],
    )
    both, image, row = (
        found["accuracies"][f"linear, {name}"]
        for name in ("both", "the image alone", "the row alone")
    )
    for (gain, low, high, says), other in zip(gains, (row, image), strict=True):
        assert float(gain) == pytest.approx(100 * (both - other), abs=0.1)
        assert says == (": no difference shown" if float(low) <= 0 <= float(high) else "")
    assert gains[0][3]  # the row alone predicts all 8
    assert "no longer at their paths" not in page


def test_image_and_row_go_into_the_export_and_a_label_comes_out(run, photos):
    served = tf.saved_model.load(str(run.path / "serving" / "1")).signatures["serving_default"]
    answer = served(
        image_bytes=tf.constant([(photos.parent / "0.png").read_bytes()] * 3),
        age=tf.constant([[20.0], [60.0], [np.nan]]),
        site=tf.constant([["east"], ["east"], ["south"]]),
    )
    assert answer["label"].numpy().tolist() == [b"no", b"yes", b"yes"]


def test_a_network_without_positions_has_a_page_without_maps(photos, tmp_path):
    layers = keras.layers.Conv2D(4, 3, strides=4), keras.layers.GlobalAveragePooling2D()
    flat = backbones.Backbone.from_model(keras.Sequential([keras.Input((16, 16, 3)), *layers]))
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-3)], [])
    found = runs.fit(photos, flat, tmp_path / "run", targets="ill", plan=plan, verbose=0)
    page = (found.path / "report.html").read_text("utf-8")
    assert "Worst mistakes" in page and "Grad-CAM" not in page


def test_predictions_for_a_file_list_images_that_are_missing(run, photos, tmp_path, capsys):
    rows = photos.with_name("more.csv")
    rows.write_text("path,site,age\n1.png,east,60\nabsent.png,east,20\n,east,20\n")
    assert main(["predict", str(run.path), str(rows), "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["classes"][0]["label"] == "yes"
    assert "absent.png: names no file" in told.err
    assert f"Row 4 of '{rows}': names no file in its column 'path'" in told.err
    rows.write_text("path,site\n1.png,east\n")
    with pytest.raises(ValueError, match=r"no columns \['age'\]"):
        run.predict(rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": ["ill"]}, "is the image, a target or an input"),
        ({"inputs": ["weight"]}, r"no columns \['weight'\]"),
        ({"inputs": {"site": "numbers"}}, "'site'.*holds numbers. Received: 'east'"),
        ({"inputs": {"site": "words"}}, "A column holds one of"),
        ({"inputs": ["image_bytes"]}, "go in under this name: rename the column"),
    ],
)
def test_wrong_columns_are_told(photos, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.image_table(photos, 16, targets="ill", **arguments)


def test_mixing_images_would_leave_their_rows(photos):
    splits = data.image_table(photos, 16, targets="ill", inputs="age")
    with pytest.raises(ValueError, match="not what goes in beside them"):
        data.augmentation.strong()(splits.train)
    augmented = data.augmentation.light()(splits.train)
    (inputs, _), *_ = augmented
    assert inputs["images"].shape == (32, 16, 16, 3) and inputs["age"].shape == (32, 1)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    for name, number in (("many", 120), ("few", 40)):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["age", "town", "income"])
            for n in range(number):
                age = 20 + n % 50
                writer.writerow([age, ("x", "y")[n % 2], "high" if age > 44 else "low"])
    return folder


@pytest.fixture(scope="module")
def source(people, tmp_path_factory):
    place = tmp_path_factory.mktemp("tables") / "source"
    arguments = ["--targets", "income", "--epochs", "8", "--output", str(place), "--no-cache"]
    assert main(["fit", str(people / "many.csv"), *arguments]) == 0
    return runs.Run(place)


def test_a_table_is_trained_from_scratch_and_compared(source, people, capsys):
    assert source.columns == {"age": "numbers", "town": "categories"}
    found = source.course["references"]
    assert {*found["accuracies"]} == {"this model", "logistic regression on the columns"}
    assert "random, or those" in (source.path / "report.html").read_text("utf-8")
    assert main(["predict", str(source.path), str(people / "few.csv")]) == 0
    assert re.match(r"few.csv:2\tlow ", capsys.readouterr().out)
    assert source.evaluate(people / "few.csv")["images"] == 40


@pytest.mark.parametrize("shape", [(2, 1), (2,)])
@pytest.mark.parametrize(
    "make", [np.array, tf.constant, list, lambda cells: np.array(cells, object)]
)
def test_the_model_takes_the_columns_that_the_page_names(source, shape, make):
    age, town = np.array([30.0, 60.0]).reshape(shape), np.array(["x", "y"]).reshape(shape)
    found = source.model.predict({"town": make(town.tolist()), "age": age}, verbose=0)
    served = tf.saved_model.load(str(source.path / "serving" / "1")).signatures
    expected = served["serving_default"](
        age=tf.constant([[30.0], [60.0]]), town=tf.constant([["x"], ["y"]])
    )
    np.testing.assert_allclose(found, expected["probabilities"], atol=1e-6)
    with pytest.raises(ValueError, match=r"the inputs 'age', 'town'. Received: 'age', 'size'"):
        source.model.predict({"age": age, "size": age}, verbose=0)


def test_rows_of_one_class_are_measured(source, tmp_path):
    (tmp_path / "old.csv").write_text("age,town,income\n60,x,high\n61,y,high\n")
    assert np.sum(source.evaluate(tmp_path / "old.csv")["confusion"], axis=1).tolist() == [2, 0]


def test_a_row_that_cannot_be_read_is_reported(source, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("age,town\n60,x\nold,y\n1e30,y\n,x\n")
    assert main(["predict", str(source.path), str(tmp_path / "new.csv")]) == 1
    told = capsys.readouterr()
    assert re.findall(r"new.csv:(\d)\t", told.out) == ["2", "5"]
    assert "new.csv': the column 'age' holds numbers. Received: 'old'" in told.err
    assert "Row 4 of" in told.err and "beyond 1e+18" in told.err


def test_an_earlier_run_is_the_backbone_of_a_table(source, people, tmp_path):
    run = runs.fit(
        people / "few.csv", source.path, tmp_path / "run", targets="income", cache=False,
        verbose=0,
    )  # fmt: skip
    assert [phase.learning_rate for phase in run.plan.phases] == [1e-4]
    assert "the source as it is" in run.course["references"]["accuracies"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fit FEW --targets income --backbone RUN --inputs age", "takes the columns age, town"),
        ("fit FEW --targets income --backbone RUN --truncate-at hidden_1", "model continues"),
        ("fit FEW --targets income --augmentation standard", "`augmentation` (--augmentation)"),
        ("fit FEW --target income", "`targets` (--targets) names the column with the class"),
        (
            "fit FEW --targets income --vec a.txt --show",
            "`show` (--show), `vectors` (--vectors)",
        ),
        ("fit FEW --targets income --time-budget 5s", "`time_budget` (--time-budget)"),
        ("fit FEW --targets income --plan auto", "Probes (--plan auto) measure"),
        ("evaluate RUN FEW --on-unreadable skip", "`on_unreadable` (--on-unreadable)"),
        ("evaluate RUN FEW --masks FEW", "`masks` (--masks)"),
        ("predict RUN FEW --output a.csv --top 2 --json", "`json` (--json), `top` (--top)"),
        *[
            (f"{command} FEW --targets income --output a{more}", "and the data are rows")
            for command, more in (
                ("audit", ""), ("recommend", ""), ("probe", ""), ("find-lr", ""),
                ("rank", " --backbones VGG16"),
            )
        ],
    ],
)  # fmt: skip
def test_options_without_effect_end_with_2(
    source, people, tmp_path, monkeypatch, words, message, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("")
    given = {"FEW": str(people / "few.csv"), "RUN": str(source.path)}
    words = [given.get(word, word) for word in words.split()]
    more = ["--output", "run", "--no-cache"] if words[0] == "fit" else []
    assert main([*words, *more]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert message in told
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_options_that_ask_for_nothing_are_accepted():
    words = ["fit", "FEW", "--weights", "none", "--augmentation=none", "--output", "run"]
    assert build_parser().parse_args(words).given == {"output"}


def test_the_columns_of_a_network_may_be_named(source):
    backbone = source.model.backbone
    check_ready(source.kind, backbone, set(), None, ["town", "age"])
    with pytest.raises(ValueError, match=r"takes the columns age, town.*inputs=\['age'\]"):
        check_ready(source.kind, backbone, set(), None, "age")


def test_the_size_of_a_network_may_be_named():
    layers = [keras.Input((16, 8, 3)), keras.layers.Conv2D(2, 3)]
    network = backbones.Backbone.from_model(keras.Sequential(layers))
    check_ready(kind_named("images"), network, set(), (16, 8), None)
    with pytest.raises(ValueError, match=r"shape \(16, 8, 3\): `image_size` \(--image-size\)"):
        check_ready(kind_named("images"), network, set(), 16, None)


def test_an_earlier_run_of_other_examples_is_told(run, people, tmp_path):
    with pytest.raises(ValueError, match="takes images, and the data are rows"):
        runs.fit(people / "few.csv", run.path, tmp_path / "run", targets="income")


def test_an_earlier_run_is_the_backbone_of_images(run, photos, tmp_path):
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 3e-2)])
    found = runs.fit(
        photos, run.path, tmp_path / "run", targets="ill", plan=plan, cache=False, verbose=0
    )
    assert found.image_size == (16, 16) and found.kind.name == "images"
    assert found.settings["weights"] == "of the preset"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": None, "target": "income"}, r"`targets` \(--targets\) names the column"),
        ({"targets": None}, "Name the column with the class"),
        ({"backbone": "ResNet50"}, "is no run on a table"),
        ({"vectors": "glove.txt"}, r"rows: `vectors` \(--vectors\) would have no effect"),
        ({"exclude": "audit.json", "alpha": 0.5}, "`alpha` .*, `exclude` .* Leave them out"),
    ],
)
def test_wrong_arguments_of_a_table_are_told(people, tmp_path, arguments, message):
    given = {"targets": "income", "cache": False, "verbose": 0, **arguments}
    with pytest.raises(ValueError, match=message):
        runs.fit(people / "few.csv", output=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_numbers_of_a_table_are_predicted(people, tmp_path, capsys):
    arguments = ["--targets", "age", "--epochs", "1", "--no-cache"]
    place = tmp_path / "run"
    assert main(["fit", str(people / "many.csv"), *arguments, "--output", str(place)]) == 0
    run = runs.Run(place)
    assert run.task.name == "numbers" and run.columns == dict.fromkeys(
        ("town", "income"), "categories"
    )
    assert run.evaluate(people / "few.csv")["images"] == 40
    page = (place / "report.html").read_text("utf-8")
    words = re.sub(r"<(script|style).*?</\1>|<svg.*?</svg>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert "age" in words and "for one row" in words
    assert not re.search(r"\b(image|picture)s?\b", words, re.IGNORECASE)


def test_a_kind_that_is_none_is_corrupt(source, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"")
    text = (source.path / "run.json").read_text("utf-8")
    (tmp_path / "run.json").write_text(text.replace('"kind": "rows"', '"kind": "images"'))
    with pytest.raises(ValueError, match="is corrupt"):
        RunFolder(tmp_path).description()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    soundfile = pytest.importorskip("soundfile")
    folder = tmp_path_factory.mktemp("sounds") / "recordings"
    lines = ["path,speaker"]
    for number in range(24):
        name = ("low", "high")[number % 2]
        (folder / name).mkdir(parents=True, exist_ok=True)
        step = (0.05, 1.5)[number % 2]
        wave = np.sin(np.arange(8000) * step + number) / 2
        soundfile.write(folder / name / f"{number}.wav", wave, 16_000)
        lines.append(f"recordings/{name}/{number}.wav,{number // 4}")
    (folder.parent / "speakers.csv").write_text("\n".join(lines))
    return folder


def test_sounds_are_learned_and_predicted_by_groups(recordings, tmp_path, capsys):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((51, 32, 1)), keras.layers.Conv2D(4, 3, strides=2)])
    network = backbones.Backbone.from_model(network, backbones.MelSpectrogram())
    run = runs.fit(
        recordings, network, tmp_path / "run", plan=PLAN, cache=False, verbose=0,
        metadata=recordings.parent / "speakers.csv", group="speaker",
    )  # fmt: skip
    broken = recordings / "low" / "broken.wav"
    broken.write_bytes(b"RIFF")
    command = ["evaluate", str(run.path), str(recordings)]
    assert main(command) == 1
    assert "(--on-unreadable skip)" in capsys.readouterr().err
    assert main([*command, "--on-unreadable", "skip"]) == 0
    broken.unlink()
    capsys.readouterr()
    assert run.things == "sounds" and run.described_inputs == "sounds of 0.5 s"
    divided = [name for name in run.settings["groups"].values()]
    assert len(set(divided)) == 6
    (validated,) = run.predictions.values()
    measured, number = run.metrics["validation"], len(set(validated.groups))
    assert 0 < measured["groups"] == number == measured["images"] // 4
    assert f"n = {4 * number} of {number} group" in run.summary()
    interval = share_interval(validated.correct, validated.groups)
    assert measured["accuracy_interval"] == list(interval)
    with pytest.warns(UserWarning, match="not trained"):
        assert run.evaluate(recordings)["groups"] == number
    file = run.export(tmp_path / "model.tflite")
    assert file.stat().st_size
    wrong = recordings.parent / "wrong.wav"
    wrong.write_bytes(b"RIFF")
    command = ["predict", str(run.path), str(recordings / "low"), str(wrong)]
    assert main(command) == 1
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 12 and "wrong.wav" in told.err
    page = (run.path / "report.html").read_text("utf-8")
    assert "sounds of 0.5 s" in page and "intervals count groups, not sounds" in page


def test_a_folder_of_sounds_asks_for_a_network_of_sounds(recordings, tmp_path, capsys):
    assert main(["fit", str(recordings), "--output", str(tmp_path / "run")]) == 1
    assert "The data are sounds, and 'MobileNetV2' is no network" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of gensim
def test_word_vectors_take_the_place_of_a_network(tmp_path):
    pytest.importorskip("gensim")
    (tmp_path / "vectors.txt").write_text("good 1.0 0.0\nbad 0.0 1.0\nfilm 0.1 0.1\n")
    rows = [f"a {word} film {n};{word}" for word in ("good", "bad") for n in range(10)]
    (tmp_path / "reviews.csv").write_text("\n".join(["text;label", *rows]))
    run = runs.fit(
        tmp_path / "reviews.csv", output=tmp_path / "run", verbose=0, cache=False,
        vectors=tmp_path / "vectors.txt", epochs=1,
    )  # fmt: skip
    assert [phase.name for phase in run.plan.phases] == ["head", "fine-tuning"]
    assert run.settings["backbone"] == "vectors.txt"
    assert run.predict("good").labels == ["good"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of gensim
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_vectors_of_other_words_are_told(tmp_path):
    pytest.importorskip("gensim")
    for name, word in (("few", "good"), ("none", "gut")):
        (tmp_path / f"{name}.txt").write_text(f"{word} 1.0 0.0\nxx 0.0 1.0\n")
    with pytest.raises(ValueError, match="None of the words of the texts has a vector"):
        build_vectors(tmp_path / "none.txt", ["a good film"])
    with pytest.warns(UserWarning, match="Only 33% of the words of the texts have a vector"):
        build_vectors(tmp_path / "few.txt", ["a good film"])


def test_texts_in_folders_have_groups(tmp_path):
    for number in range(12):
        place = tmp_path / "texts" / ("a", "b")[number % 2] / f"{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"text {number}")
    names = [path.relative_to(tmp_path) for path in (tmp_path / "texts").rglob("*.txt")]
    lines = [f"{name},{int(name.stem) // 4}" for name in names]
    (tmp_path / "authors.csv").write_text("\n".join(["path,author", *lines]))
    splits = read_source(
        tmp_path / "texts", metadata=tmp_path / "authors.csv", group="author",
        validation_split=0.34,
    )  # fmt: skip
    assert splits.num_images == {"train": 8, "validation": 4}
    assert len(set(splits.groups["validation"])) == 1
