"""Features of a frozen network, computed once and kept on disk."""

import contextlib
import dataclasses
import errno
import os
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._files import cache_directory
from keras_transfer.data.changed_files import changes_reported
from keras_transfer.features.cache_folder import (
    CacheEntry,
    CacheFolder,
    NoRoomError,
    is_temporary,
)
from keras_transfer.features.cached_features import CachedFeatures
from keras_transfer.features.decoded_images import DecodedImages
from keras_transfer.features.engines import Engine, EngineError, TensorFlowEngine, get_engine
from keras_transfer.features.extraction import (
    Extraction,
    batches,
    begun,
    extract_shards,
    parts_of,
    passes_over,
)
from keras_transfer.features.extraction_task import ExtractionTask
from keras_transfer.features.inference_cost import images_per_second

DEFAULT_SIZE_LIMIT = 20 * 10**9
# The files' headers, checksums and directory entries, per shard.
_BYTES_BESIDE = 16_384
_WORTH_SAYING = 100 * 10**6
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no EDQUOT
# Two engines sum in different orders, which changes float32 features by about 1e-6.
_ENGINE_TOLERANCE = 1e-4
# Images to measure a rate on.
_MEASURED = 128


def default_directory():
    """The folder of the cache if none is given."""
    return cache_directory() / "features"


class FeatureCache:
    """Runs the frozen part of a model over images once and keeps the features on disk.

    The frozen part of a network computes the same numbers in every epoch. The cache computes
    them once and writes them in shards. The key of an entry is a digest of the network's graph,
    weights and custom code, the images, their size, the augmentation, the dtype, the engine and
    the versions of the libraries. Features that may change without it are not found again: of
    code that reads files or draws random numbers, and of datasets of other makes that do. A
    killed extraction leaves complete shards, and the next one resumes there. A corrupt shard is
    computed again. Memory use does not depend on the number of images. Several processes can
    share a cache.

    Args:
        directory: the folder. Defaults to None: `features` in the folder that the environment
            variable `KERAS_TRANSFER_CACHE` names, or in the user's cache folder.
        engine: "auto" (the default), "tensorflow", "openvino" or an `Engine`; see
            `get_engine`. If "auto" selects an engine that cannot run a network, or whose
            features differ from TensorFlow's by more than 1e-4 of the largest, it warns and
            uses TensorFlow.
        dtype: "float32" (the default), or "float16" for half the size on disk with a relative
            error of up to 5e-4.
        size_limit: bytes. Before an entry is written, the least recently used ones are removed.
            Defaults to 20 GB. None for no limit.

    Example:

    >>> cache = features.FeatureCache("cache")
    >>> cached = cache.extract(model, splits.train)
    >>> cached.boundary, cached.extraction.num_images
    ('head_pooling', 18)
    >>> model.compile()
    >>> history = model.fit(cached.as_inputs(), epochs=2, verbose=0)
    >>> cache.extract(model, splits.train).extraction.num_images  # all read from the cache
    0
    """

    def __init__(
        self,
        directory: str | os.PathLike | None = None,
        engine: str | Engine = "auto",
        dtype: str = "float32",
        size_limit: int | None = DEFAULT_SIZE_LIMIT,
    ):
        if dtype not in ("float32", "float16"):
            raise ValueError(
                f"`dtype` must be 'float32' or 'float16'. Received: dtype={dtype!r}"
            )
        # "auto" looks at the devices. TensorFlow must not see them before a strategy for
        # several workers is made.
        self._resolved_engine = None if engine == "auto" else get_engine(engine)
        self._compiled = None
        self._only_tensorflow: set[str | None] = set()  # digests of stems
        self.engine, self.dtype, self.size_limit = engine, dtype, size_limit
        self.folder = CacheFolder(directory or default_directory(), size_limit)
        self.decoded = DecodedImages()  # keeps images only within `decoded.kept()`

    @property
    def _engine(self):
        if self._resolved_engine is None:
            self._resolved_engine = get_engine(self.engine)
        return self._resolved_engine

    @property
    def directory(self) -> pathlib.Path:
        """The folder."""
        return self.folder.path

    @property
    def engine_name(self) -> str:
        """The name of the engine that is tried first."""
        return self._engine.name

    def extract(
        self,
        model: keras.Model,
        dataset: tf.data.Dataset,
        views: int = 1,
        verbose: int = 0,
        engine: str | Engine | None = None,
    ) -> CachedFeatures:
        """The features of a dataset's images: reads what is cached and computes the rest.

        If the model was made for several workers, all workers must call this. Workers that
        share the folder compute a part each; all get all features.

        Args:
            model: a `TransferModel`, whose `stem()` is run, or any functional or sequential
                `keras.Model`, which is run as a whole.
            dataset: a `tf.data.Dataset` of batches, of images or of tuples that start with
                images. Labels, sample weights and dicts of them are kept beside the features.
                A dataset that `keras_transfer.data` did not make is read to identify its
                content; its features are found again only if it consists of tensors and of
                operations that always give the same. `CachedFeatures` give the features of
                their first view.
            views: the number of random augmentations to keep of each image. Defaults to 1;
                always 1 without augmentation.
            verbose: 1 prints progress and rates, 0 nothing. Defaults to 0.
            engine: as for the cache. Defaults to None, the cache's engine.

        Returns:
            `CachedFeatures` with the batch size of the dataset, shuffled if that is shuffled.

        Raises:
            ValueError: if the images do not fit the network, or a file of them changed after
                the data were read.
            NoRoomError: an `OSError`, before anything is computed, if the disk or `size_limit`
                leaves too little room; or later, if something else fills the disk. Complete
                shards stay.
        """
        if not isinstance(views, int) or views < 1:
            raise ValueError(f"`views` must be a positive integer. Received: views={views!r}")
        task = ExtractionTask(model, dataset, views, self.dtype)
        chosen = self._engine if engine is None else get_engine(engine)
        is_known = task.stem_digest in self._only_tensorflow
        if engine is None and (is_known or not chosen.supports(task.stem)):
            chosen = TensorFlowEngine()
        try:
            return self._extract(task, chosen, verbose)
        except EngineError as error:
            if engine is not None or self.engine != "auto":
                raise
            self._only_tensorflow.add(task.stem_digest)
            warnings.warn(f"{error} TensorFlow computes the features.", stacklevel=2)
            return self._extract(task, TensorFlowEngine(), verbose)

    def _extract(self, task, engine, verbose):
        key = task.key(engine)
        extraction = self._extract_share(task, engine, key, verbose)
        with self._entry(task, key) as (directory, stores, missing):
            try:
                extraction += self._fill(task, engine, key, stores, missing, verbose)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                raise NoRoomError(
                    error.errno,
                    f"{error.strerror}, while features were written. Complete shards stay, and "
                    "the next extraction resumes there",
                    str(directory),
                ) from error
            self.folder.describe(key, task.description(engine))
            features = task.opened(stores, key)
        features.extraction, features.engine = extraction, engine
        if is_temporary(key):
            # The open files can still be read. Windows keeps them in their folder, and the
            # next extraction removes them.
            self.folder.remove(key)
        if verbose:
            print(_summary(task, engine, extraction))
        return features

    @contextlib.contextmanager
    def _entry(self, task, key):
        """The locked folder of an entry, its stores and their missing shards."""
        with self.folder.locked(key) as directory:
            stores = task.stores(directory)
            missing = [store.missing() for store in stores]
            if not task.source.fixed_order and any(missing):
                # Images in a new order cannot complete the shards that are there.
                missing = [range(store.num_shards) for store in stores]
            yield directory, stores, missing

    def _extract_share(self, task, engine, key, verbose):
        """Computes this worker's part of the missing shards while the others compute theirs.

        If the workers do not share a folder, each of them computes the rest afterwards.
        """
        extraction = Extraction()
        if task.share is None or is_temporary(key) or not task.source.fixed_order:
            return extraction
        with self._entry(task, key) as (_, stores, missing):
            missing = task.share.of(missing)
        # `_entry` removes half-written files, so no worker may write before all have left it.
        task.share.wait_for_all()
        # The other workers wait, so an error must not stop this one here. It is raised when
        # `_extract` computes the rest.
        with contextlib.suppress(OSError):
            extraction = self._fill(task, engine, key, stores, missing, verbose)
        task.share.wait_for_all()
        return extraction

    def _fill(self, task, engine, key, stores, missing, verbose):
        """Makes room for the missing shards, prepares the engine and computes them."""
        if not any(missing):
            return Extraction()
        ranges = [stores[0].rows_of(shard) for shards in missing for shard in shards]
        num_rows = sum(stop - start for start, stop in ranges)
        self.folder.remove_leftovers()
        size = num_rows * stores[0].row_bytes + len(ranges) * _BYTES_BESIDE
        self.folder.make_room(size)
        if verbose and size > _WORTH_SAYING:
            print(f"Features at {task.names[0]} take {size / 1e6:,.0f} MB on the disk.")
        passes = begun(
            passes_over(task.source, task.num_classes, stores, missing, self.decoded)
        )
        run = self._compiled_for(engine, task)  # while the images are read
        self.folder.describe(key, task.description(engine))
        for store in stores:
            store.directory.mkdir(exist_ok=True)
        with (
            _progress.shown() if verbose == 1 else contextlib.nullcontext(),
            _progress.step(f"computing features at {task.names[0]}", num_rows) as advance,
        ):
            return extract_shards(run, passes, stores, advance)

    def _compiled_for(self, engine, task):
        """The engine's function for a stem, kept for the next dataset."""
        wanted = (engine.name, task.stem_digest)
        is_known = task.stem_digest is not None
        if not is_known or self._compiled is None or self._compiled[0] != wanted:
            run = engine.compile(task.stem)
            if not isinstance(engine, TensorFlowEngine):
                _check_features(run, engine, task, self.decoded)
            self._compiled = (wanted, run)
        return self._compiled[1]

    def images_per_second(self, model: keras.Model, dataset: tf.data.Dataset) -> float:
        """The rate at which the engine computes features, without reading the images.

        Args:
            model: as for `extract`.
            dataset: as for `extract`; the rate is measured on its first images.
        """
        task = ExtractionTask(model, dataset, 1, self.dtype)
        try:
            run = self._compiled_for(self._engine, task)
        except EngineError:
            run = self._compiled_for(TensorFlowEngine(), task)
        images = _first_images(task, _MEASURED, self.decoded)
        return images_per_second(run, images, _MEASURED)

    def entries(self) -> list[CacheEntry]:
        """The entries of the cache, the most recently used last."""
        return self.folder.entries()

    def clear(self) -> int:
        """Removes all entries that no other process is writing; returns their number."""
        return sum(map(self.folder.remove, self.folder.keys()))


def _first_images(task, number, decoded):
    """Batches of the first images before their augmentation, as a list of arrays."""
    source = dataclasses.replace(task.source, augmentation=None)
    stop = min(number, source.num_images)
    elements = batches(source, [0], task.num_classes, 0, stop, decoded)
    with changes_reported():
        return [
            tf.nest.map_structure(lambda tensor: tensor.numpy(), parts_of(element)[0])
            for element in elements
        ]


def _check_features(run, engine, task, decoded):
    """Raises `EngineError` if an engine's features differ from TensorFlow's."""
    (images,) = _first_images(task, 2, decoded)
    expected = task.stem(images, training=False).numpy()
    difference = np.abs(next(run(iter([images]))) - expected).max()
    largest = np.abs(expected).max()
    if not difference <= _ENGINE_TOLERANCE * largest:
        raise EngineError(
            f"The features that the engine '{engine.name}' computes for '{task.stem.name}' "
            f"differ from TensorFlow's by up to {difference:.2g}; the largest feature is "
            f"{largest:.2g}."
        )


def _summary(task, engine, extraction):
    views = f" x {task.views} views" if task.views > 1 else ""
    what = f"Features at {task.names[0]}: {task.source.num_images} examples{views}"
    if not extraction.num_images:
        return f"{what}, read from the cache."
    rate = extraction.num_images / extraction.seconds
    waited = extraction.waited / extraction.seconds
    return (
        f"{what}, computed in {extraction.seconds:.1f} s ({engine.name}, {rate:.0f} examples "
        f"per second, {waited:.0%} of the time waiting for data)."
    )
