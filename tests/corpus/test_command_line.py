import hypothesis
import pytest
from hypothesis import strategies as st

from keras_transfer.cli.main import build_parser
from tests.corpus.runs import make_run
from tests.corpus.told import assert_done, assert_told
from tests.corpus.values import few

# Values that an option refuses, or that lead to an error; none of them starts a training.
NUMBERS = [
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "1e3",
    "nan",
    "inf",
    "0x10",
    "1_000_",
    "½",
    "²",
    "one",
    "9" * 5000,
    "None",
    "True",
    "--",
    "\0",
    "1\n2",
    "%s",
    "😀",
]
AMOUNTS = [
    "", "5", "s", "0s", "-5m", "5 x", "5mm", "1e3s", "nan s", "infs", "9" * 400 + "s", "½h",
    "5m\n", "0.0h", ".5m", "5,5m",
]  # fmt: skip
SIZES = ["", "5", "MB", "0GB", "-1KB", "5 PB", "infGB", "9" * 400 + "TB", "1e999MB", "5MB5MB"]
PATHS = [
    "", "nowhere", "a/b/../../nowhere", "x" * 300, "x/" * 2000, "\0", "~nobody/x",
    "%s", "\udcff", "😀", " ", "\x1b[31m", "nowhere/" + "é" * 200, "file/below",
]  # fmt: skip
COMMANDS = [
    [],
    ["cook"],
    ["fit"],
    ["--traceback"],
    ["fit", "--output"],
    ["predict"],
    ["predict", "run"],
    ["evaluate", "run"],
    ["export"],
    ["export", "a", "b"],
    ["cache", "--clear", "--limit"],
    ["cache", "--clear", "--limit", "5GB"],
    ["cache", "--remove"],
    ["backbones", "all"],
    ["demo", "--slow"],
    ["\0"],
    ["😀"],
    ["-"],
    ["--"],
    ["fit", "--help=1"],
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    return tmp_path


def fit(*more):
    return ["fit", "nowhere", "--output", "run", *more]


@pytest.mark.parametrize("option", ["--image-size", "--batch-size", "--checkpoint-every"])
def test_odd_numbers_are_told(folder, option):
    for value in NUMBERS:
        assert_told(fit(f"{option}={value}"), folder)


@pytest.mark.parametrize("option", ["--seed", "--alpha"])
def test_odd_numbers_that_may_be_negative_are_told(folder, option):
    for value in NUMBERS:
        assert_told(fit(f"{option}={value}"), folder)


@pytest.mark.parametrize("value", AMOUNTS, ids=repr)
def test_odd_times_are_told(folder, value):
    assert_told(fit(f"--time-budget={value}"), folder)


@pytest.mark.parametrize("value", SIZES, ids=repr)
def test_odd_sizes_are_told(folder, value):
    assert_told(["cache", "--directory", folder / "cache", f"--limit={value}"], folder)


@pytest.mark.parametrize("arguments", COMMANDS, ids=repr)
def test_odd_commands_are_told(folder, arguments):
    assert_told(arguments, folder)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ascii(path[:20]))
def test_odd_paths_are_told(folder, path):
    for arguments in (
        ["fit", path or "nowhere", "--output", "run", "--weights", "none"],
        fit(f"--plan={path or 'nowhere'}"),
        fit(f"--backbone={path}"),
        ["evaluate", f"./{path}", "nowhere"],
        ["predict", f"./{path}", "picture.jpg"],
        ["export", f"./{path}"],
        ["cache", "--directory", folder / "cache", "--remove", f"k{path}"],
    ):
        assert_told(arguments, folder)


words = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    [*NUMBERS, *AMOUNTS, *SIZES, *PATHS]
)
OPTIONS = {
    "fit": [
        "--backbone", "--image-size", "--weights", "--alpha", "--batch-size", "--augmentation",
        "--plan", "--balance", "--on-unreadable", "--time-budget", "--engine", "--no-cache",
        "--seed", "--checkpoint-every", "--distribution",
    ],
    "evaluate": ["--on-unreadable", "--batch-size"],
    "predict": ["--top", "--json"],
    "export": ["--output", "--file"],
    "cache": ["--clear", "--remove", "--limit"],
}  # fmt: skip


@st.composite
def command_lines(draw):
    """A command on things that are not there, with some of its options and odd values."""
    command = draw(st.sampled_from(sorted(OPTIONS)))
    options = draw(st.lists(st.sampled_from(OPTIONS[command]), max_size=4))
    arguments = [f"{option}={draw(words)}" for option in options]
    places = {
        "fit": ["nowhere", "--output", "run"],
        "evaluate": ["nowhere", "nowhere"],
        "predict": ["nowhere", "nowhere"],
        "export": ["nowhere"],
        "cache": ["--directory", "nowhere", "--remove", "none"],
    }
    return [command, *arguments, *places[command]]


@few(150)
@hypothesis.given(command_lines())
def test_any_command_line_on_nothing_is_told(folder, arguments):
    # TensorFlow starts to look for other machines or a TPU.
    hypothesis.assume(not any(part.startswith("--distribution=") for part in arguments))
    assert_told(arguments, folder)


@few(60)
@hypothesis.given(st.lists(words, max_size=4))
def test_any_words_are_told(folder, arguments):
    hypothesis.assume(not {"-h", "--help", "--version"} & set(arguments))
    assert_told(arguments, folder)


@few(60)
@hypothesis.given(st.floats(0.001, 1e6), st.sampled_from(["s", "m", "h", "S", " M"]))
def test_every_time_is_understood(number, unit):
    text = f"{number:.3f}{unit}"
    seconds = {"s": 1, "m": 60, "h": 3600}[unit.strip().lower()]
    options = build_parser().parse_args(fit("--time-budget", text))
    assert options.time_budget == float(f"{number:.3f}") * seconds


def test_a_folder_that_is_a_run_answers(folder):
    run = make_run(folder / "-odd 'run\n<é>")
    assert_done(["export", f"./{run.name}", "--output", folder / "out"], folder)
    assert (folder / "out/1/saved_model.pb").is_file()


KINDS = {
    "numbers for five options": NUMBERS * 5,
    "times": AMOUNTS,
    "sizes": SIZES,
    "paths in seven places": PATHS * 7,
    "wrong commands": COMMANDS,
}
