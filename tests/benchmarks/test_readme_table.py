import pathlib

from benchmarks import readme_table, results

ROOT = pathlib.Path(__file__).parents[2]


def test_readme_shows_what_was_measured():
    content = results.read(ROOT / "benchmarks" / "measured" / "accuracy.json")
    assert readme_table.to_markdown(content) in (ROOT / "README.md").read_text()


def test_a_group_without_the_guide_is_left_out():
    rows = [{"row": "default", "seed": 0, "round": 0, "values": {"seconds": 1.0}}]
    job = {"suite": "accuracy", "group": {"data": "d", "network": "n"}, "quick": False}
    text = readme_table.to_markdown({"measurements": [{"job": job, "rows": rows}]})
    assert len(text.splitlines()) == 2
