import json

import numpy as np
import pytest

from keras_transfer import freezing, plans, runs
from keras_transfer.backbones import Backbone
from keras_transfer.relations import Hierarchy
from tests.networks import residual_backbone
from tests.pictures import colour_folder
from tests.runs.pages import NAMES, page_of

KINDS = {"red": "warm", "green": "cold", "blue": "cold", "warm": "colour", "cold": "colour"}


def described(run, hierarchy):
    settings = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**settings, "class_hierarchy": hierarchy}))


@pytest.mark.slow
def test_fit_keeps_the_hierarchy_and_evaluate_measures_by_it(tmp_path):
    colour_folder(tmp_path / "photos")
    (tmp_path / "kinds.json").write_text(json.dumps(KINDS))
    plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-2)])
    run = runs.fit(
        tmp_path / "photos", Backbone.from_model(residual_backbone()), tmp_path / "run",
        plan=plan, hierarchy=tmp_path / "kinds.json", cache=False, verbose=0,
    )  # fmt: skip
    (tmp_path / "kinds.json").unlink()
    opened = runs.Run(run.path)
    assert opened.hierarchy.distances().tolist() == [[0, 1, 2], [1, 0, 2], [2, 2, 0]]
    found = opened.evaluate(tmp_path / "photos" / "test")
    assert found["hierarchy"]["num_images"] == found["images"] == 18
    assert found["hierarchy"]["conclusion"] in opened.task.evaluation(found, run.class_names)


def test_a_hierarchy_of_other_classes_leaves_no_folder(tmp_path):
    colour_folder(tmp_path / "photos")
    (tmp_path / "kinds.json").write_text(json.dumps({"red": "warm"}))
    with pytest.raises(ValueError, match=r"kinds.json' is not a hierarchy.*'blue', 'green'"):
        runs.fit(
            tmp_path / "photos", Backbone.from_model(residual_backbone()), tmp_path / "run",
            hierarchy=tmp_path / "kinds.json", verbose=0,
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_page_shows_the_distance_of_mistakes(run):
    assert "Distance of mistakes" not in page_of(run)
    described(run, Hierarchy.from_edges(dict.fromkeys(NAMES, "thing"), NAMES).to_json())
    page = page_of(run)
    assert "Distance of mistakes" in page
    # All classes are one step apart: by least cost as by probability.
    found = runs.Run(run).predictions["validation"]
    wrong = np.mean(found.outputs.argmax(axis=1) != found.labels)
    assert f"{1 - wrong:.1%}" in page


@pytest.mark.parametrize(
    "hierarchy",
    [{}, {"class_names": ["a"], "parents": {"a": ["b"]}}, {"class_names": NAMES, "parents": 3}],
)
def test_a_foreign_hierarchy_is_data(run, hierarchy):
    described(run, hierarchy)
    with pytest.raises(ValueError, match=r"run\.json' is corrupt"):
        runs.Run(run).report()
