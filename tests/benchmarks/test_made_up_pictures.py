import io

import numpy as np
from PIL import Image

from benchmarks import made_up_pictures


def test_a_comment_changes_the_file_and_not_the_picture():
    jpeg = made_up_pictures.draw(0, 16)
    changed = made_up_pictures.with_comment(jpeg, b"7")
    assert changed != jpeg
    pictures = [np.asarray(Image.open(io.BytesIO(file))) for file in (jpeg, changed)]
    np.testing.assert_array_equal(*pictures)


def test_files_are_as_many_as_wanted_and_all_different(tmp_path):
    made_up_pictures.write(tmp_path / "pictures", 23, size=8)
    files = list(tmp_path.rglob("*.jpg"))
    assert len({file.read_bytes() for file in files}) == len(files) == 23
    assert len({file.parent for file in files}) == 10
