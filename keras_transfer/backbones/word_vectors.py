"""Word vectors, and networks that look them up."""

import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

# What `TextVectorization` puts before the words: padding, and unknown words.
_SPECIAL = 2
_BINARY = (".bin",)


def read_vectors(
    path: str | os.PathLike, most_words: int | None = None
) -> tuple[list[str], np.ndarray]:
    """Reads word vectors: the text files of GloVe and fastText, word2vec's text and binary.

    Needs the extra `vectors`.

    Args:
        path: a file such as `glove.6B.50d.txt`, `wiki-news-300d-1M.vec` or
            `GoogleNews-vectors-negative300.bin`; also compressed, with the suffix `.gz`.
        most_words: how many words to read at most; files begin with the most frequent ones.
            Defaults to None, all.

    Returns:
        `(words, vectors)`: a list, and a float32 array of shape `(words, dimensions)`.

    Raises:
        ImportError: if gensim is not installed.
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds no word vectors.

    Example:
        >>> with open("vectors.txt", "w") as file:
        ...     _ = file.write("2 2\\ngood 1.0 0.5\\nbad -1.0 0.5\\n")
        >>> words, vectors = backbones.read_vectors("vectors.txt")
        >>> words, vectors.shape
        (['good', 'bad'], (2, 2))
    """
    try:
        from gensim.models import KeyedVectors
    except ImportError as error:
        raise ImportError(
            f"Word vectors are read by gensim: pip install gensim. Received: {error}"
        ) from error
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No such file: '{path}'")
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    is_binary = suffixes[-1:] and suffixes[-1] in _BINARY
    try:
        found = KeyedVectors.load_word2vec_format(
            os.fspath(path),
            binary=bool(is_binary),
            no_header=not is_binary and not _has_header(path),
            limit=most_words,
        )
        # gensim leaves None at the end for words that are there twice.
        words = [word for word in found.index_to_key if word is not None]
        vectors = np.asarray(found.vectors[: len(words)], "float32")
        if not vectors.size:
            raise ValueError(f"{len(words)} words, {vectors.shape[1]} numbers")
    except (ValueError, TypeError, EOFError, IndexError) as error:
        raise ValueError(
            f"'{path}' holds no word vectors, a word and its numbers in each line: {error}"
        ) from error
    return words, vectors


def _has_header(path):
    """Whether the first line is the number of words and of dimensions."""
    from gensim.utils import open as open_any

    with open_any(path, "rb") as file:
        return len(file.readline().split()) == 2


def vectors_network(
    vocabulary: Sequence[str], vectors: np.ndarray, sequence_length: int
) -> keras.Model:
    """A network from texts to the vectors of their words, `(batch, positions, dimensions)`."""
    words, vectors = list(vocabulary), np.asarray(vectors, "float32")
    if vectors.ndim != 2 or len(words) != len(vectors) or len(set(words)) != len(words):
        raise ValueError(
            "`vocabulary` must hold different words, and `vectors` a row for each. Received: "
            f"{len(words)} words, {len(set(words))} different, and vectors of shape "
            f"{vectors.shape}"
        )
    is_lower = all(word == word.lower() for word in words)
    texts = keras.Input((), dtype="string", name="text")
    ids = keras.layers.TextVectorization(
        standardize="lower_and_strip_punctuation" if is_lower else "strip_punctuation",
        output_sequence_length=sequence_length,
        vocabulary=words,
        name="preprocessing",
    )(texts)
    embedding = keras.layers.Embedding(
        len(words) + _SPECIAL, vectors.shape[1], mask_zero=True, name="embedding"
    )
    found = embedding(ids)
    embedding.set_weights([np.pad(vectors, ((_SPECIAL, 0), (0, 0)))])
    return keras.Model(texts, found, name="word_vectors")
