"""Where a dataset's pictures come from, so that work on them can be kept and found again."""

import collections.abc
import dataclasses

from keras_transfer.data.augmentation import Augmentation


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSource:
    """The pictures behind a dataset, one by one, in an order that never changes.

    A shuffled and augmented dataset cannot be told apart from another by looking at it. Its
    source can: it names the pictures, and it gives them in the same order in every pass,
    starting from any of them.

    Attributes:
        examples: a function from the number of the first example to a `tf.data.Dataset` of
            single `(image, label)` pairs, not augmented.
        num_images: how many there are.
        fingerprint: a string that changes when a picture, a label, their order or the size
            does; None where every pass gives other pictures, which cannot be found again.
        batch_size: pictures in a batch of the dataset.
        shuffle: whether the dataset comes in another order in each epoch.
        seed: of that order.
        augmentation: the `Augmentation` of the dataset, or None.
        fixed_order: whether every pass gives the pictures in the same order. Defaults to True.
    """

    examples: collections.abc.Callable
    num_images: int
    fingerprint: str | None
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    augmentation: Augmentation | None = None
    fixed_order: bool = True

    @property
    def draws_differ(self):
        """Whether two passes, each with its own draw, give different pictures."""
        return self.augmentation is not None or self.fingerprint is None

    def augmented(self, augmentation):
        """The same pictures under an augmentation; None if they have one already."""
        if self.augmentation is not None:
            return None
        return dataclasses.replace(self, augmentation=augmentation)
