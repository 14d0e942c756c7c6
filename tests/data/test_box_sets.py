"""Images with boxes in the formats of VOC, COCO and YOLO."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_transfer import data
from keras_transfer.data.box_sets import ImageBoxes
from keras_transfer.data.sources import read_source

HEIGHT, WIDTH = 20, 40
# Of every image: a cell from (10, 5) to (30, 15) and a dot from (0, 0) to (4, 4).
BOXES = [("cell", (10, 5, 30, 15)), ("dot", (0, 0, 4, 4))]
INNER = ((0.25, 0.25, 0.75, 0.75, 0), (0.0, 0.0, 0.1, 0.2, 1))
OBJECT = (
    "<object><name>{0}</name><bndbox><xmin>{1[0]}</xmin><ymin>{1[1]}</ymin>"
    "<xmax>{1[2]}</xmax><ymax>{1[3]}</ymax></bndbox></object>"
)


def images(folder, make_image, number=4):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        make_image(index, (HEIGHT, WIDTH)).save(folder / f"{index}.png")


def voc_xml(boxes=BOXES, width=WIDTH):
    size = f"<size><width>{width}</width><height>{HEIGHT}</height></size>"
    return f"<annotation>{size}{''.join(OBJECT.format(*box) for box in boxes)}</annotation>"


@pytest.fixture
def voc(tmp_path, make_image):
    images(tmp_path / "JPEGImages", make_image)
    (tmp_path / "Annotations").mkdir()
    for index in range(4):
        (tmp_path / "Annotations" / f"{index}.xml").write_text(voc_xml())
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for name, indices in (("train", "012"), ("val", "3")):
        (tmp_path / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(indices) + "\n")
    return tmp_path


def coco_content(number=4):
    rows, names = [], {"cell": 7, "dot": 3}
    for image in range(number):
        for name, (left, top, right, bottom) in BOXES:
            box = [left, top, right - left, bottom - top]
            rows.append({"id": len(rows), "image_id": image, "category_id": names[name],
                         "bbox": box})  # fmt: skip
    return {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(number)],
        "annotations": rows,
        "categories": [{"id": 7, "name": "cell"}, {"id": 3, "name": "dot"}],
    }


@pytest.fixture
def coco(tmp_path, make_image):
    images(tmp_path / "images", make_image)
    (tmp_path / "boxes.json").write_text(json.dumps(coco_content()))
    return tmp_path / "boxes.json"


@pytest.fixture
def yolo(tmp_path, make_image):
    for split, number in (("train", 4), ("val", 1)):
        for index in range(number):
            folder = tmp_path / split / "images"
            folder.mkdir(parents=True, exist_ok=True)
            make_image(index + 10 * number, (HEIGHT, WIDTH)).save(folder / f"{index}.png")
            labels = tmp_path / split / "labels"
            labels.mkdir(exist_ok=True)
            text = "0 0.5 0.5 0.5 0.5\n1 0.05 0.1 0.1 0.2\n"
            (labels / f"{index}.txt").write_text(text)
    (tmp_path / "data.yaml").write_text("train: x\nnames:\n  0: cell\n  1: dot\nnc: 2\n")
    return tmp_path


def test_the_three_formats_become_one(voc, coco, yolo):
    # Images of the other formats lie in the same folder.
    for name, path in (("voc", voc), ("coco", coco), ("yolo", yolo / "train")):
        read = data.boxes(path, 16, format=name, validation_split=None)
        assert read.task == "boxes" and len(read.class_names) == 2
        for one in read.labels["train"]:
            assert isinstance(one, ImageBoxes)
            np.testing.assert_allclose(sorted(one.boxes), sorted(INNER), atol=1e-6)


def test_splits_are_those_of_the_data(voc):
    assert data.boxes(voc, 16).num_images == {"train": 3, "validation": 1}


def test_the_names_of_yolo_are_read_from_a_list_too(tmp_path, make_image):
    images(tmp_path / "images", make_image)
    for text in ("names: [cell, 'dot']\n", "names:\n- cell\n- dot\n"):
        (tmp_path / "data.yaml").write_text(text)
        for index in range(4):
            (tmp_path / "images" / f"{index}.txt").write_text("1 0.5 0.5 0.5 0.5")
        with pytest.warns(data.DataWarning, match="No image in the train split for 'cell'"):
            read = data.boxes(tmp_path, 16, format="yolo", validation_split=None)
        assert read.class_names == ("cell", "dot")


def test_elements_are_filled_up_with_rows_of_the_class_minus_one(coco):
    content = coco_content()
    content["annotations"] = content["annotations"][1:]
    coco.write_text(json.dumps(content))
    read = data.boxes(coco, 16, format="coco", validation_split=None, shuffle=False)
    ((_, boxes),) = list(read.train)
    assert boxes.shape == (4, 2, 5) and boxes.dtype == "float32"
    np.testing.assert_allclose(boxes[0, 1], [0, 0, 0, 0, -1])


TREATED = {
    "no area": ([10, 5, 0, 8], "Boxes without an area, left out: 1"),
    "negative sides": ([10, 5, -4, 8], "Boxes without an area, left out: 1"),
    "over the edge": ([30, 5, 30, 8], "Boxes that reach over the edge, cut off: 1"),
    "outside": ([100, 5, 10, 8], "Boxes outside the image, left out: 1"),
    "almost outside": ([39, 5, 40, 8], "Boxes outside the image, left out: 1"),
    "twice": ([10, 5, 20, 10], "Boxes that come twice, left out once: 1"),
}


@pytest.mark.parametrize("name", list(TREATED))
def test_a_bad_box_has_a_line_and_a_treatment(name, coco):
    box, line = TREATED[name]
    content = coco_content()
    content["annotations"].append({"id": 99, "image_id": 0, "category_id": 7, "bbox": box})
    coco.write_text(json.dumps(content))
    with pytest.warns(data.DataWarning, match=line):
        read = data.boxes(coco, 16, format="coco", validation_split=None)
    extra = 1 if name == "over the edge" else 0
    assert len(read.labels["train"][0].boxes) == 2 + extra


def test_an_image_without_boxes_is_kept_as_background(voc):
    (voc / "Annotations" / "0.xml").write_text(voc_xml([]))
    (voc / "Annotations" / "1.xml").unlink()
    with pytest.warns(data.DataWarning, match="without a box, kept as background: 2"):
        assert data.boxes(voc, 16).num_images["train"] == 3


@pytest.mark.parametrize("boxes", ["Annotations", ".."])
def test_files_of_voc_are_about_the_images_of_another_folder(voc, tmp_path, boxes):
    place = voc / "other"
    place.mkdir()
    (voc / "JPEGImages").rename(place / "photos")
    whole = voc if boxes == ".." else voc / "Annotations"
    splits = read_source(place / "photos", 16, boxes=whole)
    assert splits.num_images["train"] == (3 if boxes == ".." else 2 + 1)
    (voc / "Annotations" / "1.xml").unlink()
    told = "kept as background: 1; without a file of boxes: 1, such as '1.png'"
    with pytest.warns(data.DataWarning, match=told):
        read_source(place / "photos", 16, boxes=whole)
    (place / "photos" / "0.png").unlink()
    with pytest.raises(ValueError, match=r"(?s)1 of 4 annotated images.*0\.xml: no image"):
        read_source(place / "photos", 16, boxes=whole)


def test_two_images_of_one_name_are_told(voc, make_image):
    make_image(9, (HEIGHT, WIDTH)).save(voc / "JPEGImages" / "0.jpg")
    with pytest.raises(ValueError, match=r"two images have one name: .*0\.jpg' and .*0\.png'"):
        data.boxes(voc, 16)


@pytest.mark.parametrize("boxes", ["train/labels", "train"])
def test_files_of_yolo_are_about_the_images_of_another_folder(yolo, boxes):
    (yolo / "train" / "images").rename(yolo / "photos")
    (yolo / "data.yaml").rename(yolo / "photos" / "data.yaml")
    given = {"boxes": yolo / boxes, "box_format": "yolo", "validation_split": None}
    splits = read_source(yolo / "photos", 16, **given)
    assert splits.num_images == {"train": 4} and splits.class_names == ("cell", "dot")
    assert all(len(one.boxes) == 2 for one in splits.labels["train"])
    (yolo / "train" / "labels" / "classes.txt").write_text("cell\ndot\n")
    (yolo / "photos" / "0.png").unlink()
    (yolo / "train" / "labels" / "1.txt").unlink()
    with pytest.warns(data.DataWarning) as caught:
        read_source(yolo / "photos", 16, **given)
    told = "\n".join(str(one.message) for one in caught)
    assert "Files of boxes without an image: 1, such as '" in told and "labels/0.txt'" in told
    assert "kept as background: 1; without a file of boxes: 1, such as '1.png'" in told


def test_images_that_a_coco_file_does_not_name_are_told(coco, tmp_path, make_image):
    make_image(9, (HEIGHT, WIDTH)).save(tmp_path / "images" / "more.png")
    told = r"Left out, since .*boxes.json' does not name them: 1 files, such as 'more.png'"
    given = {"boxes": coco, "validation_split": None}
    with pytest.warns(data.DataWarning, match=told):
        read_source(tmp_path / "images", 16, **given)
    (tmp_path / "images" / "more.png").unlink()
    # Names are relative to the folder of the images, as `division_of` writes them.
    with pytest.warns(data.DataWarning, match="as requested: 1 images"):
        splits = read_source(tmp_path / "images", 16, exclude=["1.png"], **given)
    assert splits.excluded == (str(tmp_path / "images" / "1.png"),)


def test_crowds_and_ids_that_come_twice_have_a_line(coco):
    content = coco_content()
    content["annotations"][1]["id"] = content["annotations"][0]["id"]
    content["annotations"][2]["iscrowd"] = 1
    coco.write_text(json.dumps(content))
    with pytest.warns(data.DataWarning) as told:
        data.boxes(coco, 16, format="coco", validation_split=None)
    text = " ".join(str(one.message) for one in told)
    assert "Boxes kept, the id of a box comes twice: 1" in text
    assert "Boxes left out, the box of a crowd: 1" in text


def test_blood_cells_are_read(real_data):
    with pytest.warns(data.DataWarning, match="Boxes without an area, left out: 2"):
        read = data.boxes(real_data / "blood_cells", 32)
    assert read.num_images == {"train": 205, "validation": 87, "test": 72}
    assert read.class_names == ("Platelets", "RBC", "WBC")


def test_a_turned_photo_has_boxes_of_the_upright_image(voc, make_image):
    exif = Image.Exif()
    exif[0x0112] = 6
    make_image(9, (WIDTH, HEIGHT)).save(voc / "JPEGImages" / "0.jpg", exif=exif)
    (voc / "JPEGImages" / "0.png").unlink()
    assert data.boxes(voc, 16).num_images["train"] == 3
