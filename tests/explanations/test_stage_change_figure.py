from PIL import Image

from keras_transfer.explanations import StageChange, plot_stage_changes


def test_each_stage_has_its_bar(tmp_path):
    changes = [StageChange(f"stage{n}", "add", 1.0 - 0.1 * n, 0.01 * n**2) for n in range(1, 8)]
    heights = []
    for count in (2, 7):
        plot_stage_changes(changes[:count], tmp_path / "changes.png")
        with Image.open(tmp_path / "changes.png") as picture:
            heights.append(picture.size[1])
    assert heights[0] < heights[1]


def test_weights_that_did_not_move_are_drawn(tmp_path):
    changes = [StageChange("stage1", "add", 1.0, 0.0), StageChange("stage2", "add", 0.5, 0.0)]
    plot_stage_changes(changes, tmp_path / "changes.png")
    assert (tmp_path / "changes.png").stat().st_size > 0
