"""The nouns of WordNet 3.0, read from its own files."""

import collections
import difflib
import functools
import os
import pathlib

# Debian's package `wordnet-base`, and NLTK's corpus.
_FOLDERS = ("/usr/share/wordnet", "~/nltk_data/corpora/wordnet")
_PHYSICAL = "n00001930"  # physical entity


def find_directory(directory=None):
    """The folder with `data.noun` and `index.noun`, or `FileNotFoundError`."""
    folders = _FOLDERS if directory is None else (os.fspath(directory),)
    for folder in map(pathlib.Path, map(os.path.expanduser, folders)):
        if all((folder / name).is_file() for name in ("data.noun", "index.noun")):
            return folder
    raise FileNotFoundError(
        f"WordNet 3.0 is not here: no data.noun and index.noun in {' or '.join(folders)}. "
        "Install it with `apt install wordnet-base` or `nltk.download('wordnet')`, or write a "
        "hierarchy of your own: --hierarchy FILE. In Python, `Hierarchy.from_wordnet` takes "
        f"`directory`, another folder. Received: directory={directory!r}"
    )


@functools.lru_cache(maxsize=1)
def nouns(directory):
    """What each noun is a kind of, what it is called, and the meanings of words.

    Returns three dicts: an id such as "n02219486" to the ids above it; an id to its first word;
    a word in lower case to its ids, the most frequent meaning first.
    """
    parents, words, meanings = {}, {}, {}
    for line in _lines(directory / "data.noun"):
        found = line.split(" | ")[0].split()
        first = 4 + 2 * int(found[3], 16)  # the number of pointers, of four fields each
        pointers = found[first + 1 :]
        above = zip(pointers[::4], pointers[1::4], strict=False)
        parents[f"n{found[0]}"] = tuple(f"n{to}" for kind, to in above if kind in ("@", "@i"))
        words[f"n{found[0]}"] = found[4].replace("_", " ")
    for line in _lines(directory / "index.noun"):
        word, *found = line.split()
        meanings[word] = tuple(f"n{offset}" for offset in found[-int(found[1]) :])
    return parents, words, meanings


def _lines(path):
    with open(path, encoding="utf-8") as file:
        yield from (line for line in file if line[:1].strip())  # the licence is indented


def meanings_in_context(words, parents, meanings, ancestors):
    """The id of each of some words: of its meanings, the one that shares most with the others.

    Meanings that are physical things are preferred, then the more frequent ones.
    """
    found = [_meanings(word, parents, meanings, ancestors) for word in words]
    counts = collections.Counter(
        node for several in found for node in set().union(*map(ancestors, several))
    )
    return [
        max(several, key=lambda one: sum(counts[node] - 1 for node in ancestors(one)))
        for several in found
    ]


def _meanings(word, parents, meanings, ancestors):
    """The ids of a word, singular or plural."""
    if word in parents:
        return [word]
    wanted = word.strip().lower().replace(" ", "_")
    spellings = (wanted, wanted.replace("_", "-"), wanted.replace("-", "_"))
    for text in spellings:
        for form in (text, *_singulars(text)):
            if form in meanings:
                found = meanings[form]
                return [one for one in found if _PHYSICAL in ancestors(one)] or found
    close = difflib.get_close_matches(wanted, meanings, n=3)
    raise ValueError(
        f"WordNet has no noun '{word}'; closest: {', '.join(map(repr, close)) or 'none'}. Pass "
        f"a dict from the name to a noun or an id, such as {{'{word}': 'ant'}}. "
        f"Received: {word!r}"
    )


def _singulars(text):
    endings = (("s", ""), ("es", ""), ("ves", "f"), ("ies", "y"))
    return [text.removesuffix(end) + new for end, new in endings if text.endswith(end)]
