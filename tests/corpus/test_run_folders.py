import json
import shutil

import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from keras_transfer.cli.main import main
from keras_transfer.freezing import FreezeAll
from keras_transfer.plans import Phase, Plan
from keras_transfer.runs.folder import RunFolder
from keras_transfer.training import fine_tune, training_state
from keras_transfer.training.checkpoints import Checkpoints
from keras_transfer.training.training_folder import TrainingFolder
from tests.corpus.pictures import WHOLE, write_all
from tests.corpus.runs import NAMES, make_run, small_model
from tests.corpus.told import assert_told
from tests.corpus.values import few, json_values

DEEP = "[" * 100_000
# What may stand in any file of JSON.
TEXTS = {
    "nothing": b"", "a brace": b"{", "null": b"null", "a number": b"3", "a list": b"[]",
    "an empty object": b"{}", "text": b"no json", "no UTF-8": b'"\xff\xfe"',
    "zeros": bytes(100), "a mark before": b"\xef\xbb\xbf{}", "deep": DEEP.encode(),
    "deep objects": b'{"a":' * 50_000, "a long number": b"9" * 5000,
    "UTF-16": "{}".encode("utf-16"),
}  # fmt: skip
DESCRIPTIONS = {
    "names are a number": {"class_names": 3},
    "names are numbers": {"class_names": [1, 2, 3]},
    "names are text": {"class_names": "abc"},
    "a name too few": {"class_names": NAMES[1:]},
    "a name twice": {"class_names": ["a", "b", "a"]},
    "half a character": {"class_names": ["a", "b", "\ud800"]},
    "no names": {"class_names": []},
    "size is a number": {"image_size": 16},
    "size of three": {"image_size": [16, 16, 3]},
    "size of zero": {"image_size": [0, 0]},
    "negative size": {"image_size": [-16, 16]},
    "size in floats": {"image_size": [16.0, 16.0]},
    "size in flags": {"image_size": [True, True]},
    "size that is not a number": {"image_size": [float("nan"), 16]},
    "enormous size": {"image_size": [10**30, 10**30]},
    "another size": {"image_size": [32, 32]},
    "channels in text": {"channels": "3"},
    "no channels": {"channels": 0},
    "one channel": {"channels": 1},
    "many channels": {"channels": 10**20},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def broken(whole, tmp_path):
    """A copy of a run folder, to be damaged, and a picture beside it."""
    shutil.copytree(whole, tmp_path / "run")
    write_all(tmp_path, {"plain.png": WHOLE["plain.png"]})
    return tmp_path / "run"


def commands(run):
    picture = run.parent / "plain.png"
    return [["predict", run, picture], ["export", run], ["evaluate", run, run.parent]]


@pytest.mark.parametrize("contents", TEXTS.values(), ids=TEXTS)
def test_damaged_description_is_told(broken, contents):
    (broken / "run.json").write_bytes(contents)
    for arguments in commands(broken):
        assert "run.json' is corrupt" in assert_told(arguments, broken.parent)


@pytest.mark.parametrize("change", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_description_that_does_not_fit_is_told(broken, change):
    description = json.loads((broken / "run.json").read_text("utf-8"))
    (broken / "run.json").write_text(json.dumps({**description, **change}))
    for arguments in commands(broken)[:2]:
        assert_told(arguments, broken.parent)


@few(25)
@hypothesis.given(
    st.dictionaries(
        st.sampled_from(["class_names", "image_size", "channels", "other"]), json_values
    )
)
def test_any_description_is_told(whole, tmp_path, values):
    run = tmp_path / "run"
    if not run.exists():
        shutil.copytree(whole, run)
        write_all(tmp_path, {"plain.png": WHOLE["plain.png"]})
    (run / "run.json").write_text(json.dumps(values), "utf-8", errors="surrogatepass")
    assert_told(["predict", run, tmp_path / "plain.png"], tmp_path)


MODELS = [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"text", bytes(1000)]


@pytest.mark.parametrize("part", range(8))
def test_truncated_model_is_told(broken, part):
    contents = (broken / "model.keras").read_bytes()
    (broken / "model.keras").write_bytes(contents[: len(contents) * part // 8])
    for arguments in commands(broken)[:2]:
        assert "model.keras' is corrupt" in assert_told(arguments, broken.parent)


@pytest.mark.parametrize("contents", MODELS)
def test_model_of_another_format_is_told(broken, contents):
    (broken / "model.keras").write_bytes(contents)
    assert "model.keras' is corrupt" in assert_told(commands(broken)[0], broken.parent)


POLICY = {
    "class_name": "FreezeAll", "registered_name": "keras_transfer>FreezeAll",
    "module": "keras_transfer.freezing.policies", "config": {"batch_norm": "frozen"},
}  # fmt: skip
PHASE = {"freeze_policy": POLICY, "epochs": 1, "learning_rate": 0.001}


def policy(**changes):
    return {"freeze_policy": {**POLICY, **changes}}


PHASES = {
    "no epochs": {"epochs": 0}, "half an epoch": {"epochs": 0.5}, "text": {"epochs": "1"},
    "no rate": {"learning_rate": 0}, "rate NaN": {"learning_rate": float("nan")},
    "infinite rate": {"learning_rate": float("inf")}, "rate of text": {"learning_rate": "1"},
    "decay of 2": {"layerwise_decay": 2}, "negative decay": {"layerwise_decay": -1},
    "decay of text": {"layerwise_decay": "a"}, "decay NaN": {"layerwise_decay": float("nan")},
    "warm-up of 1": {"warmup": 1}, "warm-up NaN": {"warmup": float("nan")},
    "weight decay NaN": {"weight_decay": float("nan")}, "no views": {"views": 0},
    "batches of -1": {"batch_size": -1}, "solver": {"solver": "magic"},
    "a name of numbers": {"name": 3}, "augmented by text": {"augmented": "no"},
    "another key": {"colour": "red"}, "no policy": {"freeze_policy": None},
    "policy of text": {"freeze_policy": "FreezeAll"},
    "unknown policy": policy(registered_name="keras_transfer>Nothing", class_name="Nothing"),
    "a function": policy(registered_name=None, module="os", class_name="system"),
    "a layer": policy(registered_name=None, module="keras.layers", class_name="Dense"),
    "wrong arguments": policy(config={"colour": "red"}),
    "wrong batch norm": policy(config={"batch_norm": "melted"}),
}  # fmt: skip


def fit_arguments(folder, *more):
    return ["fit", folder, "--output", folder / "run", "--plan", folder / "plan.json", *more]


@pytest.mark.parametrize("contents", TEXTS.values(), ids=TEXTS)
def test_damaged_plan_is_told(tmp_path, contents):
    (tmp_path / "plan.json").write_bytes(contents)
    assert "does not hold a plan" in assert_told(fit_arguments(tmp_path), tmp_path)


@pytest.mark.parametrize("change", PHASES.values(), ids=PHASES)
def test_plan_with_an_odd_phase_is_told(tmp_path, change):
    values = {"phases": [{**PHASE, **change}], "reasons": []}
    (tmp_path / "plan.json").write_text(json.dumps(values))
    assert "does not hold a plan" in assert_told(fit_arguments(tmp_path), tmp_path)


@few(40)
@hypothesis.given(
    st.dictionaries(st.sampled_from(["phases", "reasons"]), json_values, max_size=2)
    | st.builds(
        lambda changes: {"phases": [{**PHASE, **changes}], "reasons": 3},
        st.dictionaries(st.sampled_from([*PHASE, "warmup", "name"]), json_values, max_size=3),
    )
)
def test_any_plan_is_told(tmp_path, values):
    (tmp_path / "plan.json").write_text(json.dumps(values), "utf-8")
    assert "does not hold a plan" in assert_told(fit_arguments(tmp_path), tmp_path)


UNFIT = {
    "no such boundary": {"class_name": "FreezeUpTo", "config": {"at": "nowhere"}},
    "too many stages": {"class_name": "UnfreezeLast", "config": {"num_stages": 99}},
    "no such layer": {"class_name": "FreezePatterns", "config": {"patterns": ["nowhere"]}},
}


@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT)
def test_plan_for_another_network_leaves_no_run(tmp_path, change):
    change = {**change, "registered_name": f"keras_transfer>{change['class_name']}"}
    values = {"phases": [{**PHASE, **policy(**change)}], "reasons": []}
    (tmp_path / "plan.json").write_text(json.dumps(values))
    for name in ("ants", "bees"):
        write_all(tmp_path / name, WHOLE)
    small = ["--weights", "none", "--alpha", "0.35", "--image-size", "32"]
    assert_told(fit_arguments(tmp_path, *small), tmp_path)


IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3)).astype("float32")
LABELS = np.arange(12) % 3


def train(directory, plan=None):
    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(6)
    plan = plan or Plan([Phase(FreezeAll(), 1, 1e-3)])
    return fine_tune(
        small_model(), data, plan=plan, directory=directory, cache=False, verbose=0
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(folder)
    return folder


FILES = ["plan.json", "checkpoints/settings.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("contents", TEXTS.values(), ids=TEXTS)
def test_damaged_settings_of_a_training_are_told(trained, tmp_path, name, contents):
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(contents)
    folder = TrainingFolder(tmp_path / "run")
    with pytest.raises(ValueError, match=r"cannot be read|with other settings"):
        folder.agree("training", {"backbone": "residual"})
        folder.plan()


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def state_of(text):
    return npz(state=np.frombuffer(text.encode(), "uint8"))


def npy(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


# Files in the place of a checkpoint that hold no state, which is told and passed over.
NO_STATES = {
    "nothing": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("text"),
    "an array": npy,
    "no state": npz(a=np.zeros(3)),
    "pickled": npz(
        state=np.frombuffer(b'{"keras_transfer checkpoint 1": {"__array__": "a"}}', "uint8"),
        a=np.array([print], object),
    ),
    "no JSON": state_of("text"),
    "deep": state_of(DEEP),
    "an array too few": state_of('{"__array__": 7}'),
    "an array by text": state_of('{"__array__": "a"}'),
    "code": state_of('{"code": "print()"}'),
    "state is no text": npz(state=np.full(3, 255, "uint8")),
}
# States of something else.
OTHER_STATES = {
    "a number": state_of('{"keras_transfer checkpoint 1": 3}'),
    "a list": state_of('{"keras_transfer checkpoint 1": []}'),
    "empty": state_of('{"keras_transfer checkpoint 1": {}}'),
    "no position": state_of('{"keras_transfer checkpoint 1": {"position": 3}}'),
    "an empty position": state_of('{"keras_transfer checkpoint 1": {"position": {}}}'),
}
POSITION = {"phase": 0, "begun_at": 0, "epoch": 0, "step": 0, "over": False}
# Parts of a state that would train for ever, or write elsewhere.
PARTS = {
    "a step in a million years": ("position", {**POSITION, "epoch": 1, "step": 10**14}),
    "a negative step": ("position", {**POSITION, "step": -1}),
    "a phase after the plan": ("position", {**POSITION, "phase": 9}),
    "a step in words": ("position", {**POSITION, "step": "1"}),
    "millions of passes": ("passes", {"as given": 10**12}),
    "passes in words": ("passes", {"as given": "many"}),
    "a history of texts": ("history", {"epoch": ["a"], "phase": [], "history": {}}),
    "no history": ("history", None),
    "a policy of another kind": (
        "model", {"variables": [], "policy": {"class_name": "Dense", "config": {}}}
    ),
}  # fmt: skip


@pytest.mark.parametrize(("part", "value"), PARTS.values(), ids=PARTS)
def test_checkpoint_with_an_odd_part_is_told(trained, tmp_path, part, value):
    shutil.copytree(trained, tmp_path / "run")
    checkpoints = Checkpoints(tmp_path / "run/checkpoints")
    state = checkpoints.latest()
    checkpoints.write({**state, part: value})
    with pytest.raises(ValueError, match="belongs to another training"):
        train(tmp_path / "run")


def test_checkpoint_gives_callbacks_no_paths(tmp_path):
    callback = keras.callbacks.ModelCheckpoint(tmp_path / "mine.keras")
    state = {"class": "ModelCheckpoint", "state": {"filepath": "/elsewhere", "best": 0.5}}
    training_state.restore_callbacks([callback], [state])
    assert callback.best == 0.5 and str(callback.filepath) == str(tmp_path / "mine.keras")


def with_checkpoint(trained, folder, write):
    """A copy of a training whose only checkpoint is another file."""
    shutil.copytree(trained, folder)
    for path in (folder / "checkpoints").glob("*.npz"):
        path.unlink()
    write(folder / "checkpoints/checkpoint-000001.npz")
    return folder


@pytest.mark.parametrize("write", NO_STATES.values(), ids=NO_STATES)
def test_checkpoint_that_is_none_is_told_and_passed_over(trained, tmp_path, write):
    folder = with_checkpoint(trained, tmp_path / "run", write)
    with pytest.warns(UserWarning, match=r"checkpoint-000001\.npz' is corrupt"):
        assert Checkpoints(folder / "checkpoints").latest() is None


@pytest.mark.parametrize("write", OTHER_STATES.values(), ids=OTHER_STATES)
def test_checkpoint_of_something_else_is_told(trained, tmp_path, write):
    with pytest.raises(ValueError, match="checkpoint belongs to another training"):
        train(with_checkpoint(trained, tmp_path / "run", write))


def test_damaged_history_is_written_anew(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    before = (tmp_path / "run/history.csv").read_text()
    for path in [*(tmp_path / "run/checkpoints").glob("*.npz"), tmp_path / "run/model.keras"]:
        path.unlink()
    (tmp_path / "run/history.csv").write_bytes(b"\xff\0")
    train(tmp_path / "run")
    assert (tmp_path / "run/history.csv").read_text().splitlines()[0] == before.splitlines()[0]


@pytest.mark.parametrize("contents", TEXTS.values(), ids=TEXTS)
def test_foreign_folder_is_left_alone(tmp_path, contents):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_bytes(contents)
    arguments = ["fit", tmp_path, "--output", tmp_path / "run", "--weights", "none"]
    assert "nothing was overwritten" in assert_told(arguments, tmp_path)


def test_description_keeps_a_path_that_is_no_unicode(tmp_path):
    folder = RunFolder(tmp_path)
    folder.describe({"data": "/data/\udcff", "names": ["é", "😀"]})
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["data"] == "/data/\udcff"


def test_export_writes_into_no_link(broken, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shutil.rmtree(broken / "serving", ignore_errors=True)
    (broken / "serving").symlink_to(tmp_path / "elsewhere")
    assert "serving is a link" in assert_told(["export", broken], broken)
    assert not any((tmp_path / "elsewhere").iterdir())


def test_traceback_is_still_there_for_those_who_ask(broken):
    (broken / "run.json").write_bytes(b"")
    with pytest.raises(ValueError, match="is corrupt"):
        main(["--traceback", "export", str(broken)])


KINDS = {
    "texts in place of run.json, plan.json, settings.json": [*TEXTS] * 5,
    "descriptions of runs": DESCRIPTIONS,
    "truncated models": range(8),
    "models of other formats": MODELS,
    "odd phases of plans": PHASES,
    "plans for another network": UNFIT,
    "files in place of a checkpoint": {**NO_STATES, **OTHER_STATES},
    "odd parts of checkpoints": PARTS,
}
