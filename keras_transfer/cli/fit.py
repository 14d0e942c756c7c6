"""`keras-transfer fit`."""

import functools
import sys

from keras_transfer import runs
from keras_transfer._text import print_table
from keras_transfer.cli.arguments import reading_of
from keras_transfer.cli.inputs import cache_of, kind_asked, weights_of
from keras_transfer.runs.kinds import check_taken
from keras_transfer.serving.warmup import can_write_warmup


def run(options):
    """Trains on data, and prints the results."""
    check_taken(kind_asked(options), options.given)
    train = runs.fit
    if options.folds is not None:
        train = functools.partial(runs.cross_validate, folds=options.folds)
    found = train(
        options.data,
        options.backbone,
        options.output,
        image_size=options.image_size,
        weights=weights_of(options),
        alpha=options.alpha,
        truncate_at=options.truncate_at,
        augmentation=options.augmentation,
        balance=options.balance,
        batch_size=options.batch_size,
        **reading_of(options),
        inputs=options.inputs and _split_names(options.inputs),
        vectors=options.vectors,
        hierarchy=options.hierarchy,
        masks=options.masks,
        classes=options.classes,
        ignore_class=options.ignore_class,
        boxes=options.boxes,
        box_format=options.box_format,
        plan=options.plan,
        time_budget=options.time_budget,
        unfreeze=options.unfreeze,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        cache=cache_of(options),
        checkpoint_every=options.checkpoint_every,
        target=options.target,
        keep=options.keep,
        seed=options.seed,
        deterministic=options.deterministic,
        jit_compile={"on": True, "off": False}.get(options.xla, "auto"),
        precision=options.precision,
        strategy=options.distribution,
        show=options.show,
    )
    if found is None:  # not the chief
        return
    if options.folds is not None:
        print()
        print_table(found.rows())
        print(f"\n{found.conclusion}")
        print(
            f"The run of each fold is in {options.output}. For a model to use, train on all "
            "of the data: the same command without --folds, with another --output."
        )
    else:
        _print_results(found)


def _split_names(words):
    """The names of columns: `age sex`, or `age,sex`."""
    return [name for word in words for name in word.split(",") if name]


def _print_results(run):
    print("\n" + run.summary())
    references = run.course.get("references")
    if references:
        print(f"\n{references['conclusion']}")
    if not can_write_warmup():
        print("No warm-up requests: pip install tensorflow-serving-api", file=sys.stderr)
    print(f"\n{run.metrics['seconds']:.0f} s. All results are in {run.path}:")
    if (run.path / "report.html").is_file():
        print(f"  {run.path / 'report.html'}")
    print(f"  keras-transfer predict {run.path} {run.kind.word}...")
    base_path = (run.path / "serving").resolve()
    print(f"  tensorflow_model_server --rest_api_port=8501 --model_base_path={base_path}")
