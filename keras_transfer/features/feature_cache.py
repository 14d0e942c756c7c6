"""Features of a frozen network, computed once and kept on disk."""

import contextlib
import errno
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._files import cache_directory
from keras_transfer.features.cache_folder import TEMPORARY, CacheFolder, NoRoomError
from keras_transfer.features.engine import EngineError
from keras_transfer.features.engines import get_engine
from keras_transfer.features.extraction import Extraction, batches, extract_shards
from keras_transfer.features.extraction_task import ExtractionTask
from keras_transfer.features.rate import images_per_second
from keras_transfer.features.tensorflow_engine import TensorFlowEngine
from keras_transfer.features.work import multiply_adds

DEFAULT_SIZE_LIMIT = 20 * 10**9
# A file's header, checksum and place in its folder.
_BYTES_BESIDE = 16_384
# Converting a network takes seconds, in which TensorFlow does so many multiplications.
_LITTLE_WORK = 30 * 10**9
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", None)}  # Windows has no quota of its own
# Two engines add in another order; in float32 that is worth about 1e-6.
_ENGINE_TOLERANCE = 1e-4
# Pictures that a rate is measured on.
_MEASURED = 128


def default_directory():
    """The folder of the cache where none is named."""
    return cache_directory() / "features"


class FeatureCache:
    """Runs the frozen prefix of a model over pictures once, and keeps what comes out.

    While a part of a network is frozen it computes the same numbers in every epoch. Here they
    are computed once, written to disk in shards, and found again by a key that follows from
    the network's graph and weights, the pictures, their size, the augmentation, the dtype and
    the engine. A run that is killed leaves whole shards, and the next one goes on from there.
    A shard whose checksum is wrong is computed again. Memory is bounded whatever the number
    of pictures.

    A cache may be used by several processes at once.

    Args:
        directory: the folder. Defaults to `features` in the user's cache folder, or in the one
            that the environment variable `KERAS_TRANSFER_CACHE` names.
        engine: "auto", "tensorflow", "openvino" or an `Engine`; see `get_engine`. Where "auto"
            takes an engine that cannot run a network, or whose features are not TensorFlow's
            to 1e-4 of the largest, it warns and takes TensorFlow.
        dtype: "float32" (the default) or "float16" for half the room on disk, with a relative
            error of up to 5e-4.
        size_limit: bytes; before more is written, entries that were not used for longest are
            removed. Defaults to 20 GB. None for no limit.

    Example:

    >>> features = FeatureCache("cache").extract(model, splits.train)  # doctest: +SKIP
    >>> model.tail().fit(features)  # doctest: +SKIP
    """

    def __init__(
        self, directory=None, engine="auto", dtype="float32", size_limit=DEFAULT_SIZE_LIMIT
    ):
        if dtype not in ("float32", "float16"):
            raise ValueError(
                f"`dtype` must be 'float32' or 'float16'. Received: dtype={dtype!r}"
            )
        # "auto" looks at the devices, which must wait until a strategy has found its workers.
        self._resolved_engine = None if engine == "auto" else get_engine(engine)
        self._compiled = None
        self.engine, self.dtype, self.size_limit = engine, dtype, size_limit
        self.folder = CacheFolder(directory or default_directory(), size_limit)

    @property
    def _engine(self):
        if self._resolved_engine is None:
            self._resolved_engine = get_engine(self.engine)
        return self._resolved_engine

    @property
    def directory(self):
        """The folder, a `pathlib.Path`."""
        return self.folder.path

    @property
    def engine_name(self):
        """The name of the engine that is tried first."""
        return self._engine.name

    def extract(self, model, dataset, views=1, verbose=0, engine=None):
        """The features of a dataset's pictures: read where they are, computed where not.

        Args:
            model: a `TransferModel`, whose `stem()` is run, or any functional `keras.Model`
                with one input and one output, which is run as a whole.
            dataset: a `tf.data.Dataset` of batches, of pictures or of tuples that start with
                pictures; labels, sample weights and dicts of them are kept beside the
                features. Those of `keras_transfer.data` know what they hold. Of others one
                pass is read to find out. `CachedFeatures` may stand in the pictures' place,
                and give the features of their first view.
            views: how many independent draws of a random augmentation to keep of each
                picture. Defaults to 1. Where nothing is random it is 1 in any case.
            verbose: 1 prints progress and rates, 0 nothing. Defaults to 0.
            engine: as for the cache. Defaults to None, that of the cache; where that is "auto",
                TensorFlow for so little work that another engine would not make up for its
                preparation.

        Of a model that was made for several workers, each worker computes its own part of the
        pictures where all have the same folder; all workers must call it, and all get all
        features.

        Returns:
            `CachedFeatures`, a dataset with batches of the dataset's size, shuffled if that is
            shuffled.

        Raises:
            ValueError: for pictures that do not fit the network.
            NoRoomError: an `OSError` that says how much is needed, where the disk or
                `size_limit` leaves too little room; nothing was computed yet. Also where
                something else fills the disk meanwhile; what was finished stays.
        """
        if not isinstance(views, int) or views < 1:
            raise ValueError(f"`views` must be a positive integer. Received: views={views!r}")
        task = ExtractionTask(model, dataset, views, self.dtype)
        try:
            return self._extract(task, self._engine_for(task, engine), verbose)
        except EngineError as error:
            if engine is not None or self.engine != "auto":
                raise
            warnings.warn(f"{error} TensorFlow computes the features.", stacklevel=2)
            return self._extract(task, TensorFlowEngine(), verbose)

    def _engine_for(self, task, engine):
        if engine is not None:
            return get_engine(engine)
        # It follows from the task alone: the features of a run that goes on must be those of
        # one that was not interrupted.
        work = multiply_adds(task.stem) * task.source.num_images * task.views
        is_little = self.engine == "auto" and work < _LITTLE_WORK
        return TensorFlowEngine() if is_little else self._engine

    def _extract(self, task, engine, verbose):
        key = task.key(engine)
        extraction = self._extract_share(task, engine, key, verbose)
        with self._entry(task, engine, key) as (directory, stores, missing):
            if any(missing):
                run = self._ready(task, engine, key, stores, missing)
                with _full_disk_told(directory):
                    extraction += _fill(run, task, stores, missing, verbose)
            self.folder.describe(key, task.description(engine))
            features = task.opened(stores, key)
        features.extraction, features.engine = extraction, engine
        if key.startswith(TEMPORARY):
            # The files are open, and go when they are closed; where a system keeps open files
            # in their folder, the next extraction removes them.
            self.folder.remove(key)
        if verbose:
            print(_summary(task, engine, extraction))
        return features

    @contextlib.contextmanager
    def _entry(self, task, engine, key):
        """The folder of an entry for this process alone, its stores, and what they miss."""
        with self.folder.locked(key) as directory:
            stores = task.stores(directory)
            missing = [store.missing() for store in stores]
            if not task.source.fixed_order and any(missing):
                # Pictures that come in another order now do not complete what is there.
                missing = [range(store.num_shards) for store in stores]
            yield directory, stores, missing

    def _extract_share(self, task, engine, key, verbose):
        """Computes this worker's part of what is missing, while the others compute theirs.

        Where the workers' folders are not the same one, each then computes the rest itself.
        """
        share = task.share
        if share is None or key.startswith(TEMPORARY) or not task.source.fixed_order:
            return Extraction()
        with self._entry(task, engine, key) as (_, stores, missing):
            missing = share.of(missing)
        # Who takes an entry removes what is half written in it: not from now on.
        share.wait_for_all()
        extraction = Extraction()
        # One that stayed away would be waited for; what it could not write is told afterwards.
        with contextlib.suppress(OSError):
            if any(missing):
                run = self._ready(task, engine, key, stores, missing)
                extraction = _fill(run, task, stores, missing, verbose)
        share.wait_for_all()
        return extraction

    def _ready(self, task, engine, key, stores, missing):
        """The engine's function, once there is room for what is missing."""
        self._make_room(stores, missing)
        run = self._compiled_for(engine, task)
        self.folder.describe(key, task.description(engine))
        for store in stores:
            store.directory.mkdir(exist_ok=True)
        return run

    def _compiled_for(self, engine, task):
        """The engine's function for a stem, which training and validation pictures share."""
        wanted = (engine.name, task.stem_digest)
        if self._compiled is None or self._compiled[0] != wanted:
            self._compiled = (wanted, _prepared(engine, task))
        return self._compiled[1]

    def _make_room(self, stores, missing):
        size = _num_rows(stores, missing) * stores[0].row_bytes
        self.folder.remove_left_overs()
        self.folder.make_room(size + sum(map(len, missing)) * _BYTES_BESIDE)

    def images_per_second(self, model, dataset):
        """How many pictures the engine computes in a second, reading left out.

        Args:
            model: as for `extract`.
            dataset: as there; its first pictures are taken.

        Returns:
            A float.
        """
        task = ExtractionTask(model, dataset, 1, self.dtype)
        try:
            # The same engine for all networks, however little there is to do.
            run = self._compiled_for(self._engine, task)
        except EngineError:
            run = self._compiled_for(TensorFlowEngine(), task)
        stop = min(_MEASURED, task.source.num_images)
        elements = list(batches(task.source, [0], task.num_classes, 0, stop))
        images = [tf.nest.flatten(element)[0].numpy() for element in elements]
        return images_per_second(run, images, _MEASURED)

    def entries(self):
        """What is in the cache: a list of `CacheEntry`, the one used last at the end."""
        return self.folder.entries()

    def clear(self):
        """Removes all entries that no other process is writing.

        Returns:
            How many were removed.
        """
        return sum(map(self.folder.remove, self.folder.keys()))


def _prepared(engine, task):
    """The engine's function for the stem, once its features are seen to be TensorFlow's."""
    run = engine.compile(task.stem)
    if isinstance(engine, TensorFlowEngine):
        return run
    example = next(iter(batches(task.source, [0], task.num_classes, 0, 2)))
    images = tf.nest.flatten(example)[0].numpy()
    expected = task.stem(images, training=False).numpy()
    difference = np.abs(next(run(iter([images]))) - expected).max()
    if not difference <= _ENGINE_TOLERANCE * np.abs(expected).max():
        raise EngineError(
            f"The engine '{engine.name}' computes other features of '{task.stem.name}' than "
            f"TensorFlow: they differ by {difference:.2g}, the largest is "
            f"{np.abs(expected).max():.2g}."
        )
    return run


def _num_rows(stores, missing):
    """The rows of all missing shards."""
    ranges = (
        store.rows_of(shard)
        for store, shards in zip(stores, missing, strict=True)
        for shard in shards
    )
    return sum(stop - start for start, stop in ranges)


@contextlib.contextmanager
def _full_disk_told(directory):
    """Something else may fill the disk while features are written."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoRoomError(
            error.errno,
            f"{error.strerror}, while features were written. What was finished stays, and the "
            "next run goes on from there",
            str(directory),
        ) from error


def _fill(run, task, stores, missing, verbose):
    shows_progress = verbose == 1 and sys.stdout.isatty()
    progress = keras.utils.Progbar(_num_rows(stores, missing)) if shows_progress else None
    return extract_shards(
        run, task.source, task.num_classes, stores, missing, progress and progress.add
    )


def _summary(task, engine, extraction):
    views = f" x {task.views} views" if task.views > 1 else ""
    what = f"Features at {task.boundary}: {task.source.num_images} pictures{views}"
    if not extraction.num_images:
        return f"{what}, read from the cache."
    rate = extraction.num_images / extraction.seconds
    waited = extraction.waited / extraction.seconds
    return (
        f"{what}, computed in {extraction.seconds:.1f} s ({engine.name}, {rate:.0f} a second, "
        f"{waited:.0%} of the time waiting for pictures)."
    )
