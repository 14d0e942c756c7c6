"""Sounds from a folder with a subfolder for each class."""

import collections.abc
import os

import numpy as np

from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.labelled_files import labelled_files
from keras_transfer.data.row_splits import RowOptions

SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_MOST_BYTES = 8 * 2**30


def audio_folder(
    directory: str | os.PathLike,
    seconds: float = 1.0,
    sample_rate: int = 16_000,
    group: collections.abc.Callable | collections.abc.Mapping | str | None = None,
    *,
    batch_size: int = 32,
    validation_split: float | None = 0.2,
    seed: int = 0,
    shuffle: bool = True,
    fold: tuple[int, int] | None = None,
    class_names: collections.abc.Sequence[str] | None = None,
    on_unreadable: str = "raise",
    labels: str | os.PathLike | None = None,
    images: str | None = None,
    targets: str | None = None,
    task: str | None = None,
) -> ImageSplits:
    """Reads the sounds of a folder that has a subfolder for each class.

    An element of each dataset is `(sounds, labels)`: float32 in [-1, 1] of shape `(batch,
    seconds * sample_rate)`, and int32 labels. Channels are averaged. The end of a longer sound
    is cut off. Silence precedes a shorter one, since networks of speech are trained on words
    that end where the sound ends. `backbones.MelSpectrogram` makes images of such sounds. All
    sounds are held in memory, 64 kB a second. Needs the extra `audio`.

    The folder may hold `train`, `validation` and `test`, each with the folders of the classes.
    Subfolders of a class folder belong to the class.

    Args:
        directory: the folder, with `.wav`, `.flac`, `.ogg` or `.mp3` files.
        seconds: the length of each sound. Defaults to 1.0.
        sample_rate: samples a second to which each sound is resampled: that with which the
            network was trained. Defaults to 16,000.
        group: the speaker or the place of each sound; all sounds of a group stay on one side of
            the split. A function from the path of a file to its group, or a mapping from
            paths; None or no entry for a sound without a group. Defaults to None, no groups.
        batch_size: as in `text_table`, as all that follow.
        validation_split: fraction of each class.
        seed: of the split and of the order.
        shuffle: whether the order changes in each epoch.
        fold: `(index, number)` for cross-validation.
        class_names: as in `image_folder`.
        on_unreadable: "raise" for an error that lists files that cannot be read; "skip" leaves
            them out.
        labels: a CSV file that names the files, relative to the folder, and their classes; the
            subfolders are then no classes, and `group` is a column. A column "split" divides
            the files, as in `image_table`. Defaults to None.
        images: its column with the files. Defaults to None, as in `image_table`.
        targets: its column with the classes. Defaults to None, as in `image_table`.
        task: as in `text_table`.

    Returns:
        An `ImageSplits`, whose examples are sounds.

    Raises:
        FileNotFoundError: if there is no such folder.
        ImportError: if the packages of the extra `audio` are missing.
        ValueError: if there are no two classes, a file is not readable or empty, or the sounds
            take more than 8 GiB.

    Example:
        >>> import pathlib
        >>> import soundfile
        >>> for number in range(10):
        ...     folder = pathlib.Path("sounds") / ("low" if number % 2 else "high")
        ...     folder.mkdir(parents=True, exist_ok=True)
        ...     wave = np.sin(np.arange(8000) * (0.1 if number % 2 else 0.9) + number) / 2
        ...     soundfile.write(folder / f"{number}.wav", wave, 8000)
        >>> splits = data.audio_folder("sounds")
        >>> splits.class_names, splits.train.element_spec[0].shape
        (('high', 'low'), TensorShape([None, 16000]))
    """
    received = repr(os.fspath(directory))
    options = RowOptions(
        received, batch_size, validation_split, seed, shuffle, fold, class_names, on_unreadable
    )
    num_samples = round(seconds * sample_rate)
    if num_samples < 1:
        raise ValueError(
            "`seconds` and `sample_rate` must be positive. "
            f"Received: seconds={seconds!r}, sample_rate={sample_rate!r}"
        )
    files, groups, noted = labelled_files(
        directory, SOUND_SUFFIXES, options, group, labels, images, targets, task
    )
    if len(files) * num_samples * 4 > _MOST_BYTES:
        raise ValueError(
            f"{len(files)} sounds of {seconds} s take more than 8 GiB of memory: pass fewer "
            f"`seconds`, or fewer files. Received: {received}"
        )
    cut = []

    def read(path):
        sound = read_sound(path, sample_rate)
        if len(sound) > num_samples:
            cut.append(path)
        return padded(sound, num_samples)

    rows, unreadable, messages = options.contents(files, groups, read, "sounds", directory)
    messages += noted
    if cut:
        messages.append(
            f"{len(cut)} of {len(rows)} sounds are longer than {seconds} s, as the network "
            "takes them: their end is cut off. `data.audio_folder(seconds=...)` reads longer "
            "ones."
        )
    return options.splits(rows, np.stack, "sound", messages, directory, unreadable=unreadable)


def padded(sound, num_samples):
    """The beginning of a sound, after silence if it is shorter."""
    sound = sound[:num_samples]
    return np.pad(sound, (num_samples - len(sound), 0))


def read_sound(path, sample_rate):
    """The samples of a file, resampled, float32; raises `ValueError` if it is not readable."""
    try:
        import soundfile
        import soxr
    except ImportError as error:
        raise ImportError(
            "Sounds need two more packages: pip install 'keras-transfer[audio]'. "
            f"Received: {error}"
        ) from error
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"not a readable sound ({error.error_string.rstrip('.')})") from error
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError("no samples, or samples that are NaN or infinite")
    return soxr.resample(samples.mean(axis=1), rate, sample_rate).astype("float32")
