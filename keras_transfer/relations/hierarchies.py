"""Which classes are kinds of the same thing."""

from __future__ import annotations

import functools
import graphlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_transfer._records import check, read_json
from keras_transfer.relations import wordnet

if TYPE_CHECKING:
    import networkx

_FORM = {"class_names": [str], "parents": dict}


class Hierarchy:
    """What each class is a kind of: a directed graph from classes to ever wider terms.

    `start_head` finds related classes in it, `least_cost` and `mistake_distance` measure how
    far a wrong class is from the right one.

    Args:
        parents: a dict from a class or a term to the terms directly above it.
        class_names: the names of the classes, in the order of the labels.

    Raises:
        ValueError: if a class has nothing above it, stands twice, or a term lies above itself.

    Example:
        >>> kinds = {"ant": "insect", "bee": "insect", "insect": "animal", "cat": "animal"}
        >>> hierarchy = relations.Hierarchy.from_edges(kinds)
        >>> hierarchy.class_names
        ('ant', 'bee', 'cat')
        >>> hierarchy.distances().tolist()
        [[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [2.0, 2.0, 0.0]]
    """

    def __init__(self, parents: Mapping[str, Sequence[str]], class_names: Sequence[str]):
        self.parents, self.class_names = parents, tuple(map(str, class_names))
        self._words: Mapping[str, str] = {}
        missing = [name for name in self.class_names if not parents.get(name)]
        if missing or len(set(self.class_names)) < len(self.class_names) or not class_names:
            raise ValueError(
                "Each class needs a name of its own and a term above it. Received: "
                f"class_names={self.class_names!r:.200}, nothing above {missing!r:.200}"
            )
        self._heights = self._heights_above(self.class_names)

    @classmethod
    def from_edges(
        cls,
        edges: Mapping[str, str | Sequence[str]],
        class_names: Sequence[str] | None = None,
    ) -> Hierarchy:
        """Makes a hierarchy from what you write down.

        Args:
            edges: a dict from a name to the term above it, or to several.
            class_names: in the order of the labels. Defaults to None: the names that nothing
                lies below, sorted, as a folder of classes has them.

        Example:
            >>> relations.Hierarchy.from_edges({"ant": "insect", "bee": "insect"}).class_names
            ('ant', 'bee')
        """
        parents = {
            str(name): (above,) if isinstance(above, str) else tuple(map(str, above))
            for name, above in edges.items()
        }
        wider = {term for above in parents.values() for term in above}
        names = sorted(set(parents) - wider) if class_names is None else class_names
        return cls(parents, names)

    @classmethod
    def from_networkx(
        cls, graph: networkx.DiGraph, class_names: Sequence[str] | None = None
    ) -> Hierarchy:
        """Makes a hierarchy from a graph of networkx with edges from wider terms to classes.

        Args:
            graph: a `networkx.DiGraph`.
            class_names: as in `from_edges`.
        """
        edges = {node: list(graph.predecessors(node)) for node in graph.nodes}
        edges = {node: above for node, above in edges.items() if above}
        return cls.from_edges(edges, class_names)

    @classmethod
    def from_wordnet(
        cls,
        names: Sequence[str] | Mapping[str, str],
        directory: str | os.PathLike | None = None,
    ) -> Hierarchy:
        """Makes a hierarchy of the nouns of WordNet 3.0.

        A plural counts as its singular. Of several meanings that are physical things, the one
        that has most in common with the other names counts: look at `rows()`.

        Args:
            names: the names of the classes, in the order of the labels; for those that are no
                nouns, a dict from each name to a noun or to an id such as "n02219486".
            directory: the folder with `data.noun` and `index.noun`. Defaults to None: that of
                Debian's package `wordnet-base`, or NLTK's `wordnet`.

        Raises:
            FileNotFoundError: if WordNet is not there.
            ValueError: if it does not have a noun; the message names the closest ones.
        """
        parents, words, meanings = wordnet.nouns(wordnet.find_directory(directory))
        given = names if isinstance(names, Mapping) else {name: name for name in names}
        above = functools.cache(functools.partial(_above, parents))
        nouns = list(map(str, given.values()))
        ids = wordnet.meanings_in_context(nouns, parents, meanings, above)
        pairs = zip(given, ids, strict=True)
        found = {str(name): (node,) for name, node in pairs if name not in parents}
        hierarchy = cls({**parents, **found}, list(given))
        hierarchy._words = words
        return hierarchy

    def ancestors(self, name: str) -> set[str]:
        """A class or a term and everything above it."""
        return _above(self.parents, name)

    def word(self, name: str) -> str:
        """What to call a term: the first word of a WordNet id, otherwise the name itself."""
        return self._words.get(name, name)

    def distances(self) -> np.ndarray:
        """How far each class is from each other one.

        The distance is the height of the lowest term above both: the largest number of steps
        from it down to a class. Classes without a common term are one step further apart than
        the highest.

        Returns:
            A symmetric float array of shape `(classes, classes)` with zeros on the diagonal.
        """
        members: dict[str, list[int]] = {}
        for index, name in enumerate(self.class_names):
            for node in self.ancestors(name):
                members.setdefault(node, []).append(index)
        size = len(self.class_names)
        found = np.full((size, size), max(self._heights.values()) + 1.0)
        for node in sorted(members, key=lambda node: self._heights[node], reverse=True):
            found[np.ix_(members[node], members[node])] = self._heights[node]
        np.fill_diagonal(found, 0.0)
        return found

    def _heights_above(self, names):
        """The longest way down to one of some names, for each term above them."""
        nodes = set().union(*map(self.ancestors, names))
        graph = {node: self.parents.get(node, ()) for node in nodes}
        try:
            order = list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as error:
            raise ValueError(
                f"No term may lie above itself. Received: {' < '.join(error.args[1])}"
            ) from error
        heights = dict.fromkeys(order, 0)
        for node in reversed(order):
            for above in graph[node]:
                heights[above] = max(heights[above], heights[node] + 1)
        return heights

    def rows(self) -> list[tuple[str, str]]:
        """The table of the classes and what lies above each, the header first."""
        lines = [(name, self._way_up(name)) for name in self.class_names]
        return [("class", "is a kind of"), *lines]

    def _way_up(self, name):
        way, seen = [], {name}
        while above := [node for node in self.parents.get(name, ()) if node not in seen]:
            name = above[0]
            seen.add(name)
            way.append(self.word(name))
        return " < ".join(way)

    def to_json(self) -> dict[str, Any]:
        """The classes and what lies above them, as a dict that `from_json` takes."""
        kept = {node: list(self.parents.get(node, ())) for node in sorted(self._heights)}
        parents = {node: above for node, above in kept.items() if above}
        return {"class_names": list(self.class_names), "parents": parents}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Hierarchy:
        """The hierarchy that `to_json` described; the description may come from elsewhere.

        Args:
            values: the description.

        Raises:
            ValueError: if it describes something else.
        """
        check(values, _FORM, "the hierarchy")
        for name, above in values["parents"].items():
            check(above, [str], f"{name!a:.40} in the hierarchy")
        return cls.from_edges(values["parents"], values["class_names"])


def read_hierarchy(source, class_names):
    """A hierarchy of classes: "wordnet", or the path of a JSON file of edges.

    The file holds an object from each name to the term above it, or to a list of terms.
    """
    if isinstance(source, Hierarchy):
        edges = source.parents
        return source if source.class_names == class_names else Hierarchy(edges, class_names)
    if source == "wordnet":
        return Hierarchy.from_wordnet(class_names)
    try:
        edges = read_json(source)
        check(edges, dict, "it")
        for name, above in edges.items():
            check([above] if isinstance(above, str) else above, [str], f"{name!a:.40} in it")
        return Hierarchy.from_edges(edges, class_names)
    except ValueError as error:
        raise ValueError(
            f"'{os.fspath(source)}' is not a hierarchy of the classes: {error}"
        ) from error


def _above(parents, name):
    seen, left = set(), [name]
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            left += parents.get(node, ())
    return seen
