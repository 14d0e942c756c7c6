"""What is measured: for each suite, a generator of jobs.

A generator gets the rows of each job back from its `yield`, or None where the job failed, so
that a job may depend on what an earlier one measured.
"""

import functools
import itertools

from benchmarks.jobs import Job
from benchmarks.picture_folders import DATA_SETS

# The share of the guide's time that `at_guide_accuracy` may take.
_BUDGET = 1 / 22
_VIEWS = (1, 2, 4, 8)
# Network, size and number of pictures: some seconds of `predict` each. Nearly all the clothes
# for the network of the limits: a part of the time is the same for any number.
_EXTRACTIONS = (
    ("MobileNetV2", 160, 3040),
    ("MobileNet", 160, 768),
    ("MobileNet", 224, 512),
    ("ResNet50", 224, 96),
)
_STRATEGIES = {
    "recommended": "auto",
    "head": "train the head",
    "last two stages": "train the last stages",
    "everything": "train everything",
    "from scratch": "train from scratch",
}
_AUDITED = ("hymenoptera", "clothing", "xray")
_REPLICAS = (("MobileNetV2-1.0", 160), ("EfficientNetV2S", 128))
_MEMORY_SIZES = {"base size": 1, "10 times": 10, "100 times": 100}


def accuracy(options):
    """Accuracy and time on whole data sets: the Keras guide's recipe and the library's."""
    data_sets, backbones = DATA_SETS, ("MobileNetV2", "MobileNet")
    if options.quick:
        data_sets, backbones = ("hymenoptera",), ("MobileNetV2",)
    for data_set, network, seed, number in itertools.product(
        options.data or data_sets,
        options.backbone or backbones,
        range(options.seeds),
        range(options.rounds or 1),
    ):
        recipe = functools.partial(
            _recipe, options, "accuracy", data_set, network, seed, number
        )
        epochs = 1 if options.quick else 10
        guide = yield recipe("guide_recipe", "guide", epochs=epochs)
        if not options.without_cached_guide:
            yield recipe("guide_recipe", "guide_cached", epochs=epochs)
        yield recipe("library_recipe", "default")
        if guide:
            budget = round(_BUDGET * guide[0]["values"]["seconds"], 2)
            yield recipe("library_recipe", "at_guide_accuracy", time_budget=budget)


def strategies(options):
    """What is recommended beside the fixed strategies, at a smaller size."""
    data_sets, backbones, size = DATA_SETS, ("MobileNetV2", "MobileNet"), 96
    if options.quick:
        data_sets, backbones, size = ("hymenoptera",), ("MobileNetV2",), 64
    # The longest strategy comes last, for all data.
    for (row, strategy), data_set, network, seed in itertools.product(
        _STRATEGIES.items(),
        options.data or data_sets,
        options.backbone or backbones,
        range(options.seeds),
    ):
        arguments = {
            "row": row,
            "data_set": data_set,
            "network": network,
            "image_size": size,
            "seed": seed,
            "limit": 8 if options.quick else None,
            "strategy": strategy,
        }
        group = {"data": data_set, "network": f"{network} at {size} px"}
        yield Job("strategies", "library_recipe", arguments, group, seed, 0, options.quick)


def ranking(options):
    """What is said of networks before a training, beside what they reach by it."""
    networks, size, limit = ["MobileNet-0.25", "MobileNet", "MobileNetV2"], 96, None
    if options.quick:
        networks, size, limit = networks[:1], 64, 8
    for data_set, seed in itertools.product(
        options.data or DATA_SETS[: 1 if options.quick else None], range(options.seeds)
    ):
        arguments = {"data_set": data_set, "networks": options.backbone or networks}
        arguments |= {"image_size": size, "seed": seed, "limit": limit}
        group = {"data": data_set, "size": f"{size} px"}
        yield Job("ranking", "ranking", arguments, group, seed, 0, options.quick)


def dead_stages(options):
    """A network beside its part without the stages that `probe_layers` calls dead."""
    data_sets, backbones, size = DATA_SETS, ("MobileNetV2", "MobileNet"), 96
    if options.quick:
        data_sets, backbones, size = ("hymenoptera",), ("MobileNetV2",), 64
    for data_set, network, seed in itertools.product(
        options.data or data_sets, options.backbone or backbones, range(options.seeds)
    ):
        arguments = {"data_set": data_set, "network": network, "image_size": size}
        arguments |= {"seed": seed, "limit": 8 if options.quick else None}
        group = {"data": data_set, "network": f"{network} at {size} px"}
        yield Job("dead_stages", "dead_stages", arguments, group, seed, 0, options.quick)


def head(options):
    """The time of a head's epochs on cached features."""
    size, limit, epochs = (64, 8, 3) if options.quick else (160, None, 30)
    for data_set, network in itertools.product(
        options.data or ("clothing",), options.backbone or ("MobileNetV2",)
    ):
        arguments = {"data_set": data_set, "network": network, "image_size": size}
        arguments |= {"epochs": epochs, "rounds": options.rounds or 3, "limit": limit}
        group = {"data": data_set, "network": f"{network} at {size} px", "epochs": epochs}
        yield Job("head", "head", arguments, group, quick=options.quick)


def extraction(options):
    """Pictures per second through the frozen part."""
    for network, size, num_pictures in _EXTRACTIONS[:1] if options.quick else _EXTRACTIONS:
        if network not in (options.backbone or (network,)):
            continue
        if options.quick:
            num_pictures //= 16
        rounds = options.rounds or (2 if options.quick else 5)
        arguments = {"network": network, "image_size": size}
        arguments |= {"num_pictures": num_pictures, "rounds": rounds}
        group = {"network": f"{network} at {size} px", "pictures": num_pictures}
        yield Job("extraction", "extraction", arguments, group, quick=options.quick)


def steps(options):
    """The time of a training step, and of the input before it."""
    size, batch_size, number = (64, 8, 3) if options.quick else (160, 32, 10)
    rounds = options.rounds or (3 if options.quick else 15)
    for network in options.backbone or ("MobileNetV2",):
        arguments = {"network": network, "image_size": size}
        arguments |= {"batch_size": batch_size, "steps": number, "rounds": rounds}
        group = {"network": f"{network} at {size} px", "batch size": batch_size}
        for module in ("optimizer_steps", "fit_steps"):
            what = {"what": module.replace("_", " ")}
            yield Job("steps", module, arguments, {**what, **group}, quick=options.quick)
    for data_set in options.data or ("clothing",):
        arguments = {"data_set": data_set, "image_size": size}
        arguments |= {"rounds": min(rounds, 5), "limit": 8 if options.quick else None}
        group = {"what": "input", "data": data_set, "size": f"{size} px"}
        yield Job("steps", "input_rates", arguments, group, quick=options.quick)


def memory(options):
    """Memory and time over the number of pictures."""
    base, sizes = 1000, list(_MEMORY_SIZES.items())
    if options.quick:
        base, sizes = 20, sizes[:2]
    for number in range(options.rounds or 1):
        for row, times in sizes:
            arguments = {"row": row, "network": "MobileNetV2-random", "image_size": 32}
            arguments |= {"num_pictures": base * times}
            group = {"network": "MobileNetV2 at 32 px", "base size": base}
            yield Job("memory", "memory", arguments, group, 0, number, options.quick)


def views(options):
    """Accuracy and time over the number of views."""
    for data_set, network, seed, number in itertools.product(
        options.data or ("hymenoptera",),
        options.backbone or ("MobileNetV2",),
        range(options.seeds),
        range(options.rounds or 1),
    ):
        recipe = functools.partial(_recipe, options, "views", data_set, network, seed, number)
        for count in _VIEWS[:2] if options.quick else _VIEWS:
            yield recipe("library_recipe", f"views {count}", views=count)


def kills(options):
    """What a training that is killed leaves, and what it ends with when it goes on."""
    size, data, epochs, number = 96, {"data_set": "hymenoptera"}, [4, 3, 2], 20
    if options.quick:
        size, data, epochs, number = 64, {"num_pictures": 64}, [2, 2, 1], 3
    for seed, repetition in itertools.product(range(options.seeds), range(options.rounds or 1)):
        arguments = {"row": f"killed {number} times", "image_size": size, **data}
        arguments |= {"epochs": epochs, "kills": number}
        # Each repetition is killed at other moments.
        arguments["seed"] = seed * 1000 + repetition
        what = next(iter(data.values()))
        group = {"network": f"MobileNetV2 at {size} px", "pictures": what}
        yield Job("kills", "kills", arguments, group, seed, repetition, options.quick)


def replicas(options):
    """The time of a step on several workers, and what they exchange."""
    for network, size in _REPLICAS[:1] if options.quick else _REPLICAS:
        if network not in (options.backbone or (network,)):
            continue
        if options.quick:
            size //= 2
        arguments = {"network": network, "image_size": size, "batch_size": 8}
        arguments |= {"steps": 3 if options.quick else 10}
        for number in range(options.rounds or 1):
            group = {"network": f"{network} at {size} px", "pictures of a replica": 8}
            yield Job("replicas", "replicas", arguments, group, 0, number, options.quick)


def workers(options):
    """The same training by one process, by two workers, and with one of them killed."""
    size, data, epochs, number = 96, {"data_set": "hymenoptera"}, [6, 4, 2], 5
    if options.quick:
        size, data, epochs, number = 64, {"num_pictures": 64}, [1, 1, 1], 1
    arguments = {"image_size": size, **data, "epochs": epochs, "kills": number}
    group = {"network": f"MobileNetV2 at {size} px", "pictures": next(iter(data.values()))}
    for repetition in range(options.rounds or 1):
        # Each repetition is killed at other moments.
        seeded = {**arguments, "seed": repetition}
        yield Job("workers", "workers", seeded, group, 0, repetition, options.quick)


def audit(options):
    """What an audit finds of what was planted, and what it tells where nothing was."""
    size, limit, planted, splits = (64, 12, 6, 3) if options.quick else (160, None, 40, 20)
    for data_set, number in itertools.product(
        options.data or _AUDITED, range(options.rounds or 1)
    ):
        common = {"data_set": data_set, "image_size": size, "seed": number, "limit": limit}
        group = {"data": data_set}
        copies = {"row": "copies", **common, "planted": planted}
        yield Job("audit", "audit_copies", copies, group, 0, number, options.quick)
        for network in options.backbone or ("MobileNetV2",):
            named = {**common, "network": network}
            group = {"data": data_set, "network": f"{network} at {size} px"}
            labels = {"row": "label errors", **named, "share": 0.05}
            yield Job("audit", "audit_labels", labels, group, 0, number, options.quick)
            shift = {"row": "shift", **named, "splits": splits, "most": 300}
            yield Job("audit", "audit_shift", shift, group, 0, number, options.quick)


_ALL = (
    accuracy,
    strategies,
    ranking,
    dead_stages,
    head,
    extraction,
    steps,
    memory,
    views,
    kills,
    replicas,
    workers,
    audit,
)
SUITES = {suite.__name__: suite for suite in _ALL}


def _recipe(options, suite, data_set, network, seed, number, module, row, **more):
    size = 64 if options.quick else 160
    arguments = {
        "row": row,
        "data_set": data_set,
        "network": network,
        "image_size": size,
        "seed": seed,
        "limit": 8 if options.quick else None,
        **more,
    }
    group = {"data": data_set, "network": f"{network} at {size} px"}
    return Job(suite, module, arguments, group, seed, number, options.quick)
