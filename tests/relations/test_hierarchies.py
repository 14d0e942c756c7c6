import json
import types

import numpy as np
import pytest

from keras_transfer.relations import Hierarchy
from keras_transfer.relations.hierarchies import read_hierarchy
from tests.relations.nouns import write_nouns

PETS = {"pug": "dog", "beagle": "dog", "tabby": "cat", "dog": "pet", "cat": "pet"}


@pytest.fixture(scope="module")
def nouns(tmp_path_factory):
    return write_nouns(tmp_path_factory.mktemp("wordnet"))


def test_distance_is_the_height_of_the_lowest_common_term():
    found = Hierarchy.from_edges(PETS)
    assert found.class_names == ("beagle", "pug", "tabby")
    assert found.distances().tolist() == [[0, 1, 2], [1, 0, 2], [2, 2, 0]]


def test_of_several_ways_up_the_lowest_counts():
    edges = {"a": ["x", "y"], "b": ["x"], "c": ["y"], "x": ["z"], "z": ["top"], "y": ["top"]}
    # a and b meet at x (1 step), a and c at y (1 step), b and c at the top (3 steps from b).
    assert Hierarchy.from_edges(edges).distances().tolist() == [[0, 1, 1], [1, 0, 3], [1, 3, 0]]


def test_classes_without_a_common_term_are_farthest():
    distances = Hierarchy.from_edges({"a": "x", "b": "x", "c": "y"}).distances()
    assert distances[0].tolist() == [0, 1, 2]


def test_a_graph_of_networkx_gives_the_same():
    above = {
        "pug": ["dog"],
        "beagle": ["dog"],
        "tabby": ["cat"],
        "dog": ["pet"],
        "cat": ["pet"],
    }
    graph = types.SimpleNamespace(
        nodes=[*above, "pet"], predecessors=lambda node: iter(above.get(node, ()))
    )
    found = Hierarchy.from_networkx(graph)
    assert found.to_json() == Hierarchy.from_edges(PETS).to_json()


@pytest.mark.parametrize(
    ("edges", "names", "message"),
    [
        ({"a": "b", "b": "c", "c": "b"}, ["a"], "No term may lie above itself"),
        ({"a": "b"}, ["a", "lion"], r"nothing above \['lion'\]"),
        ({"a": "b"}, ["a", "a"], "a name of its own"),
        ({}, None, "a term above it"),
    ],
)
def test_what_is_no_hierarchy_is_refused(edges, names, message):
    with pytest.raises(ValueError, match=message):
        Hierarchy.from_edges(edges, names)


def test_wordnet_knows_plurals_and_prefers_things(nouns):
    found = Hierarchy.from_wordnet(["ants", "Bees", "domestic dog"], nouns)
    assert [found.parents[name] for name in found.class_names] == [
        ("n02219486",), ("n02206856",), ("n02084071",),
    ]  # fmt: skip
    # Entity to animal, insect, ant, "ants": the animal is 3 steps above "ants".
    assert found.distances()[0].tolist() == [0, 2, 3]
    assert found.rows()[1] == ("ants", "ant < insect < animal < physical entity < entity")


def test_the_other_classes_decide_between_meanings(nouns):
    assert Hierarchy.from_wordnet(["crane", "vulture"], nouns).parents["crane"] == (
        "n02012849",
    )
    assert Hierarchy.from_wordnet(["crane"], nouns).parents["crane"] == ("n03126707",)


def test_a_name_that_is_no_noun_is_explained_or_given(nouns):
    with pytest.raises(ValueError, match="no noun 'beee'; closest: 'bee'"):
        Hierarchy.from_wordnet(["beee"], nouns)
    found = Hierarchy.from_wordnet({"beee": "n02206856", "n02219486": "ant"}, nouns)
    assert found.parents["beee"] == ("n02206856",)
    assert found.distances().tolist() == [[0, 2], [2, 0]]


def test_without_wordnet_the_error_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"apt install wordnet-base.*--hierarchy FILE.*directory"
    ):
        Hierarchy.from_wordnet(["ant"], tmp_path)


def test_description_holds_only_what_lies_above_the_classes(nouns):
    found = Hierarchy.from_wordnet(["ants", "bees"], nouns)
    described = json.loads(json.dumps(found.to_json()))
    assert len(described["parents"]) == 7  # two classes, ant, bee, insect, animal, two more
    assert np.array_equal(Hierarchy.from_json(described).distances(), found.distances())


@pytest.mark.parametrize(
    "values",
    [
        [], {"class_names": ["a"]}, {"class_names": ["a"], "parents": {"a": "b"}},
        {"class_names": ["a"], "parents": {"a": [1]}}, {"class_names": [], "parents": {}},
        {"class_names": ["a"], "parents": {"a": ["a"]}},
    ],
)  # fmt: skip
def test_a_foreign_description_is_data(values):
    with pytest.raises(ValueError, match=r"."):
        Hierarchy.from_json(values)


def test_a_file_of_edges_is_read_for_the_classes_at_hand(tmp_path):
    path = tmp_path / "kinds.json"
    path.write_text(json.dumps({**PETS, "pug": ["dog"]}))
    assert read_hierarchy(path, ("pug", "beagle")).class_names == ("pug", "beagle")
    with pytest.raises(ValueError, match=r"kinds.json' is not a hierarchy.*nothing above"):
        read_hierarchy(path, ("pug", "lion"))
