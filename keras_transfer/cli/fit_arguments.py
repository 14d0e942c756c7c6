"""The arguments of `keras-transfer fit`."""

from keras_transfer.cli.arguments import (
    add_augmentation,
    add_backbone,
    add_cache,
    add_data,
    add_masks,
    add_reading,
    count,
    positive,
    positive_number,
    seconds,
    several,
)

FIT_EXAMPLES = """
examples:
  keras-transfer fit photos --output run
  keras-transfer fit photos.csv --output run
  keras-transfer fit photos --labels labels.csv --targets red wooden --output run
  keras-transfer fit photos --metadata photos/metadata.csv --group patient --output run
  keras-transfer fit photos.csv --targets ill --inputs age sex --output run
  keras-transfer fit people.csv --targets income --output run
  keras-transfer fit reviews.csv --vectors glove.6B.50d.txt --output run
  keras-transfer fit recordings --backbone speech.onnx --output run
  keras-transfer fit photos --exclude run/audit.json --output run
  keras-transfer fit streets --masks masks --ignore-class 255 --image-size 240x320 --output run
  keras-transfer fit photos --boxes annotations.json --output run
  keras-transfer fit photos --backbone EfficientNetV2B0 --image-size 224 --output run
  keras-transfer fit photos --backbone MobileNetV2 --alpha 0.35 --image-size 160 \\
      --weights mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5 --output run
"""


def add_fit(fit):
    """Adds all arguments of `fit`."""
    add_data(fit)
    fit.add_argument("--output", required=True, metavar="RUN", help="folder for all results")
    add_backbone(fit)
    fit.add_argument(
        "--truncate-at",
        metavar="BOUNDARY",
        help="leave out the layers after this boundary, for example the one that `probe` names",
    )
    fit.add_argument(
        "--batch-size", type=positive, help="default: 8 with masks or boxes, else 32"
    )
    add_augmentation(fit)
    fit.add_argument(
        "--show",
        action="store_true",
        help="write RUN/images.png before the training: training images as the network sees "
        "them",
    )
    fit.add_argument(
        "--balance", action="store_true", help="give each class the same weight in the loss"
    )
    add_reading(fit)
    _add_other_inputs(fit)
    add_masks(fit)
    fit.add_argument(
        "--target",
        metavar="FOLDER",
        help="images without labels from where the model will be used, in any subfolders, to "
        "adapt to",
    )
    fit.add_argument(
        "--keep",
        metavar="FOLDER",
        help="images of an earlier task that the network should not forget; with class "
        "folders, the page shows new against old",
    )
    fit.add_argument(
        "--hierarchy",
        metavar="FILE",
        help="'wordnet', or a JSON file with an object from each class to what it is a kind "
        "of: the page and `evaluate` measure how far mistakes are from the right class",
    )
    fit.add_argument(
        "--folds",
        type=several,
        metavar="NUMBER",
        help="cross-validation with this number of folds: a run for each, and the "
        "measures of all",
    )
    _add_plan(fit)
    add_cache(fit)
    _add_execution(fit)


def _add_other_inputs(fit):
    """What goes into the network beside images, or in their place."""
    fit.add_argument(
        "--inputs",
        nargs="+",
        metavar="COLUMN",
        help="columns of the CSV file that go in beside each image, such as an age or a place; "
        "of a table without images, the columns that go in (default: all others)",
    )
    fit.add_argument(
        "--vectors",
        metavar="FILE",
        help="for texts, word vectors in the place of a network: a file of GloVe, fastText or "
        "word2vec",
    )


def _add_plan(fit):
    """What is trained, for how long, and how fast."""
    length = fit.add_mutually_exclusive_group()
    length.add_argument(
        "--plan",
        metavar="FILE",
        help="a plan.json or recommend.json, or 'auto' to measure the images first; by default "
        "the number of images decides",
    )
    length.add_argument(
        "--time-budget",
        type=seconds,
        metavar="TIME",
        help="how long the training may take, for example 90s, 5m or 2h (default: no limit)",
    )
    fit.add_argument(
        "--unfreeze",
        type=count,
        metavar="STAGES",
        help="number of last stages to train after the head, 0 for the head alone (default: "
        "the plan decides)",
    )
    fit.add_argument(
        "--epochs", type=positive, help="of the last phase (default: the plan decides)"
    )
    fit.add_argument(
        "--learning-rate",
        type=positive_number,
        metavar="RATE",
        help="highest learning rate of the last phase, for example the one that `find-lr` "
        "recommends (default: the plan decides)",
    )


def _add_execution(fit):
    """How it is computed."""
    fit.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    fit.add_argument(
        "--deterministic",
        action="store_true",
        help="the same numbers in every run on the same machine; slower on GPUs",
    )
    fit.add_argument(
        "--precision",
        choices=("auto", "float32", "mixed"),
        default="auto",
        help="of the training; auto: mixed where the GPU is faster with it. The model that is "
        "saved computes in float32 (default: %(default)s)",
    )
    fit.add_argument(
        "--xla",
        choices=("auto", "on", "off"),
        default="auto",
        help="compile the steps with XLA; auto: on a GPU, where there are enough steps "
        "(default: %(default)s)",
    )
    fit.add_argument(
        "--checkpoint-every",
        type=positive,
        metavar="STEPS",
        help="also save the state within an epoch (default: at the end of epochs)",
    )
    fit.add_argument(
        "--distribution",
        choices=("auto", "one_device", "mirrored", "multi_worker", "tpu"),
        default="auto",
        help="devices to train on; auto takes a TPU, the workers of TF_CONFIG or Slurm, all "
        "GPUs, or one device (default: %(default)s)",
    )
