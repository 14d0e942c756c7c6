"""Every snippet and every command of the README and of the guides works."""

import contextlib
import functools
import io
import pathlib
import re
import runpy
import shlex

import keras
import pytest

from keras_transfer.cli.main import build_parser
from keras_transfer.freezing import FreezeAll
from keras_transfer.plans import Phase, Plan
from keras_transfer.training import fine_tuning
from tests.networks import small_application
from tests.pictures import colour_folder, draw

ROOT = pathlib.Path(__file__).parents[1]
MOBILENET = keras.applications.MobileNetV2
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def with_snippets(language):
    pages = [page for page in PAGES if blocks(page, language)]
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.stem)


@pytest.fixture
def offline(page, tmp_path, monkeypatch):
    """A folder with images; small networks without a download; a plan of one epoch."""
    colour_folder(tmp_path / "photos")
    for name in ("cat.jpg", "dog.jpg"):
        draw(tmp_path / name, (200, 20, 20), 1)
    monkeypatch.chdir(tmp_path)
    # The temperature of this page needs the real network.
    use(MOBILENET if page.stem == "trust" else small_application, monkeypatch)
    short = Plan([Phase(FreezeAll(), 1, 1e-3)], ["Short."])
    monkeypatch.setattr(fine_tuning, "choose_plan", lambda *arguments: short)


def use(network, monkeypatch):
    """Makes a function of `keras.applications` the MobileNetV2 of this test."""

    @functools.wraps(network)
    def without_download(**arguments):
        return network(**{**arguments, "weights": None})

    monkeypatch.setattr(keras.applications, "MobileNetV2", without_download)


def run(snippet, page, names):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(snippet, page.name, "exec"), names)  # noqa: S102  our own file
    return output.getvalue().strip()


# The networks here are random: no temperature is right for them.
@pytest.mark.filterwarnings("ignore:The validation set does not determine a temperature")
@with_snippets("python")
def test_snippets_run_and_print_what_the_page_says(page, offline, monkeypatch):
    names = {}
    printed = [run(snippet, page, names) for snippet in blocks(page, "python")]
    if page.stem == "README":  # its table is that of the real network
        use(MOBILENET, monkeypatch)
        tables = [one for one in blocks(page, "python") if "stage_summary()" in one]
        printed += [run(snippet, page, names) for snippet in tables]
    for text in blocks(page, "text"):
        assert text.strip() in printed


@with_snippets("console")
def test_commands_are_understood(page):
    commands = [
        line.removeprefix("$ ").split(" keras-transfer ")[-1].split("#")[0]
        for block in blocks(page, "console")
        for line in block.splitlines()
        if re.search(r"(^| |/)keras-transfer ", line)
    ]
    for command in commands:
        words = shlex.split(re.sub(r"^\S*keras-transfer ", "", command))
        assert build_parser().parse_args(words).command == words[0]


def test_commands_of_the_readme_are_looked_at():
    assert sum("keras-transfer fit" in block for block in blocks(PAGES[0], "console")) == 1


@with_snippets("console")
def test_make_has_the_targets(page):
    makefile = (ROOT / "Makefile").read_text()
    for block in blocks(page, "console"):
        for target in re.findall(r"^\$ make ([\w-]+)", block, flags=re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_within_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_readme_is_a_landing_page():
    assert len(PAGES[0].read_text("utf-8").splitlines()) <= 150


def test_page_of_the_commands_has_all_of_them():
    page = runpy.run_path(str(ROOT / "docs" / "hooks.py"))["commands"]()
    for name in ("fit", "predict", "find-lr", "cache"):
        assert f"## {name}\n" in page and f"usage: keras-transfer {name}" in page
