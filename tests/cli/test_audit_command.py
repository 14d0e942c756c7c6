import json

import pytest

from keras_transfer.cli.main import main
from tests.pictures import colour_folder, draw

NETWORK = ["--alpha", "0.35", "--weights", "none", "--image-size", "32"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("data") / "photos", per_class=4)


def test_audit_prints_findings_and_writes_them(photos, tmp_path, capsys):
    for number in range(3):
        draw(tmp_path / f"new\n/{number}.png", (200, 180, 20), number)
    paths = [f"{split}/{name}/0.png" for split in ("train", "test") for name in ("red", "blue")]
    table = "\n".join(["path,camera", *(f"{path},{path[:4]}" for path in paths)])
    (tmp_path / "metadata.csv").write_text(table)
    run = tmp_path / "run"
    run.mkdir()
    (run / "history.csv").write_text("kept")
    arguments = ["audit", photos, "--new", tmp_path / "new\n", "--output", run, *NETWORK]
    arguments += ["--metadata", tmp_path / "metadata.csv", "--group", "camera"]
    assert main(list(map(str, arguments))) == 0
    printed = capsys.readouterr().out
    names = {"audit.json", "audit.md", "audit.png", "history.csv"}
    assert {path.name for path in run.iterdir()} == names
    content = json.loads((run / "audit.json").read_text())
    assert content["sizes"] == {"train": 12, "validation": 12, "test": 12, "new": 3}
    assert {group["group"] for group in content["groups"]} == {"trai", "test"}
    text = (run / "audit.md").read_text()
    for finding in content["findings"]:
        assert finding["conclusion"] in printed
        assert finding["conclusion"] in text
    assert (run / "audit.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--group", "camera"], "give both or none"),
        (["--metadata", "{}"], "give both or none"),
        (["--metadata", "{}/none.csv", "--group", "a"], "No such folder or file"),
        (["--new", "{}/none"], "No such folder"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(photos, tmp_path, capsys, more, told):
    more = [text.format(tmp_path) for text in more]
    run = tmp_path / "run"
    assert main(["audit", str(photos), "--output", str(run), *NETWORK, *more]) == 1
    error = capsys.readouterr().err
    assert error.startswith("keras-transfer: error: ") and error.count("\n") == 1
    assert told in error
    assert not run.exists()
