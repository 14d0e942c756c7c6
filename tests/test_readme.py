"""Every snippet and every command of the README works."""

import contextlib
import functools
import io
import pathlib
import re
import shlex

import keras

from keras_transfer.cli.main import build_parser
from keras_transfer.freezing import FreezeAll
from keras_transfer.plans import Phase, Plan
from keras_transfer.training import fine_tuning
from tests.pictures import colour_folder

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(mark, language):
    return re.findall(rf"<!-- {mark} -->\n```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_snippets_run_and_print_what_the_readme_says(tmp_path, monkeypatch):
    colour_folder(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    network = keras.applications.MobileNetV2

    @functools.wraps(network)
    def without_download(**arguments):
        return network(**{**arguments, "weights": None})

    monkeypatch.setattr(keras.applications, "MobileNetV2", without_download)
    short = Plan([Phase(FreezeAll(), 1, 1e-3)])
    monkeypatch.setattr(fine_tuning, "choose_plan", lambda *arguments: short)

    printed, names = [], {}
    for example in blocks("example", "python"):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(example, "README.md", "exec"), names)  # noqa: S102  our own file
        printed.append(output.getvalue().strip())
    assert len(printed) == 4
    assert printed[1] == blocks("output", "text")[0].strip()
    assert (tmp_path / "serving/1/saved_model.pb").is_file()


def test_commands_are_understood():
    commands = re.findall(
        r"^\$ (?:\.venv/bin/)?keras-transfer (.+)$", README, flags=re.MULTILINE
    )
    assert len(commands) >= 4
    for command in commands:
        assert build_parser().parse_args(shlex.split(command)).command == command.split()[0]


def test_make_has_the_targets():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\$ make (\w+)", README, flags=re.MULTILINE)
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
