import json

import pytest

from keras_transfer import freezing, plans, runs
from keras_transfer.plans.domain_plan import with_objectives
from keras_transfer.runs.other_domains import read_domains
from tests.networks import residual_backbone
from tests.pictures import colour_folder

READING = {"seed": 0, "color_mode": "rgb", "on_unreadable": "raise", "value_range": None}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("domains")
    colour_folder(place / "photos")
    colour_folder(place / "keep", splits=(), per_class=8)
    colour_folder(place / "target", splits=())
    return place


def test_folder_with_classes_is_divided_to_measure_and_one_without_is_kept_whole(folders):
    found = read_domains(None, folders / "keep", 16, 6, **READING)
    assert found.memory.num_images == len(found.earlier.labels["train"]) < 24
    assert found.target is None
    flat = read_domains(folders / "target" / "red", folders / "keep" / "red", 16, 6, **READING)
    assert (flat.target.num_images, flat.memory.num_images) == (6, 8)
    assert flat.earlier is None


@pytest.mark.slow
def test_a_run_with_a_target_and_an_earlier_task_shows_both(folders, tmp_path):
    plan = plans.Plan(
        [
            plans.Phase(freezing.FreezeAll(), 1, 1e-2),
            plans.Phase(freezing.UnfreezeLast(1), 1, 1e-2, views=1),
        ]
    )
    run = runs.fit(
        folders / "photos", residual_backbone("tf"), tmp_path / "run",
        plan=with_objectives(plan, True, True), target=folders / "target",
        keep=folders / "keep", verbose=0,
    )  # fmt: skip
    domains = json.loads((run.path / "course.json").read_text())["domains"]
    assert domains["keep"]["shares"] == [0, 0.25, 0.5, 0.75, 1]
    page = (run.path / "report.html").read_text()
    for expected in ("Target and earlier task", domains["target"]["conclusion"][:40]):
        assert expected in page
    assert {"target_score", "distillation"} < set(run.history)
    assert run.settings["keep"] == str(folders / "keep")
