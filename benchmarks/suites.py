"""What is measured: for each suite, a generator of jobs.

A generator gets the rows of each job back from its `yield`, or None if the job failed, so that
a job may depend on what an earlier one measured.
"""

import itertools

from benchmarks.images import DATA_SETS
from benchmarks.jobs import Job

# The share of the guide's time that `at_guide_accuracy` may take.
_BUDGET = 1 / 22
_NETWORKS = ("MobileNetV2", "MobileNet")
_STRATEGIES = {
    "recommended": "auto",
    "head": "train the head",
    "last two stages": "train the last stages",
    "everything": "train everything",
    "from scratch": "train from scratch",
}
# Network, size and number of images: some seconds of `predict` each.
_EXTRACTIONS = (("MobileNetV2", 160, 3040), ("MobileNet", 160, 768), ("MobileNet", 224, 512))


def _trainings(options, size, rounds=False):
    """Arguments, group, seed and round of each data set, network, seed and round."""
    for data_set, network, seed, number in itertools.product(
        options.data or DATA_SETS[: 1 if options.quick else None],
        options.backbone or _NETWORKS[: 1 if options.quick else None],
        range(options.seeds),
        range(options.rounds or 1) if rounds else (0,),
    ):
        size = 64 if options.quick else size
        arguments = {"data_set": data_set, "network": network, "image_size": size}
        arguments |= {"seed": seed, "limit": 8 if options.quick else None}
        group = {"data": data_set, "network": f"{network} at {size} px"}
        yield arguments, group, seed, number


def accuracy(options):
    """Accuracy and time on whole data sets: the Keras guide's recipe and the library's."""
    for arguments, *rest in _trainings(options, 160, rounds=True):

        def job(function, row, arguments=arguments, rest=rest, **more):
            named = {"row": row, **arguments, **more}
            return Job("accuracy", f"recipes.{function}", named, *rest, options.quick)

        guide = yield job("guide", "guide", epochs=1 if options.quick else 10)
        yield job("library", "default")
        if guide:
            budget = round(_BUDGET * guide[0]["values"]["seconds"], 2)
            yield job("library", "at_guide_accuracy", time_budget=budget)


def strategies(options):
    """The recommended plan beside the fixed strategies, at a smaller size."""
    # The longest strategy comes last, for all data.
    for row, strategy in _STRATEGIES.items():
        for arguments, *rest in _trainings(options, 96):
            named = {"row": row, **arguments, "strategy": strategy}
            yield Job("strategies", "recipes.library", named, *rest, options.quick)


def ranking(options):
    """The scores of networks before a training, beside what they reach by it."""
    networks, size = ["MobileNet-0.25", "MobileNet", "MobileNetV2"], 96
    if options.quick:
        networks, size = networks[:1], 64
    for data_set, seed in itertools.product(
        options.data or DATA_SETS[: 1 if options.quick else None], range(options.seeds)
    ):
        arguments = {"data_set": data_set, "candidates": options.backbone or networks}
        arguments |= {"image_size": size, "seed": seed, "limit": 8 if options.quick else None}
        group = {"data": data_set, "size": f"{size} px"}
        yield Job("ranking", "scores.ranking", arguments, group, seed, 0, options.quick)


def dead_stages(options):
    """A network beside its part without the stages that `probe_layers` calls dead."""
    for arguments, *rest in _trainings(options, 96):
        yield Job("dead_stages", "scores.dead_stages", arguments, *rest, options.quick)


def extraction(options):
    """Images per second through the frozen part."""
    rounds = options.rounds or (2 if options.quick else 5)
    for network, size, number in _EXTRACTIONS[: 1 if options.quick else None]:
        number = 64 if options.quick else number
        arguments = {"network": network, "image_size": size, "num_images": number}
        arguments["rounds"] = rounds
        group = {"network": f"{network} at {size} px", "images": number}
        yield Job("extraction", "rates.extraction", arguments, group, quick=options.quick)


def steps(options):
    """The time of a training step with one learning rate and with one for each stage."""
    size, number, rounds = (64, 3, 3) if options.quick else (160, 10, 15)
    arguments = {"network": "MobileNetV2", "image_size": size, "steps": number}
    arguments["rounds"] = options.rounds or rounds
    group = {"network": f"MobileNetV2 at {size} px", "batch size": 32}
    yield Job("steps", "rates.steps", arguments, group, quick=options.quick)


def inputs(options):
    """Texts, sounds and tables: what the source is worth for a few labelled examples."""
    for name, data, rounds in (
        ("questions", "TREC", 1), ("digits", "spoken digits", 1), ("reviews", "reviews", 3),
        ("census", "adult", 3),
    ):  # fmt: skip
        for seed in range(options.rounds or rounds):
            arguments = {"row": "transferred", "seed": seed}
            arguments["limit"] = 8 if options.quick else None
            group = {"data": data}
            yield Job("inputs", f"inputs.{name}", arguments, group, seed, 0, options.quick)


def _scenes(options, suite, data):
    for row, seed in itertools.product(
        ("frozen", "last two stages", "random network, frozen"), range(options.seeds)
    ):
        arguments = {"row": row, "seed": seed, "limit": 8 if options.quick else None}
        group = {"data": data, "network": "MobileNetV2 0.35"}
        yield Job(suite, f"scenes.{suite}", arguments, group, seed, 0, options.quick)


def masks(options):
    """A class for each pixel: the decoder alone, with the last stages, on a random network."""
    yield from _scenes(options, "masks", "CamVid at 240x320")


def boxes(options):
    """Boxes around objects: the same."""
    yield from _scenes(options, "boxes", "BCCD at 320x416")


def zoos(options):
    """Networks of other zoos: whether they compute what their own runtime computes."""
    for name, data in (("lite0", "ImageNet sample"), ("speech", "noise")):
        arguments = {"row": name, "seed": 0, "limit": 8 if options.quick else None}
        yield Job("zoos", f"zoos.{name}", arguments, {"data": data}, 0, 0, options.quick)


def audit(options):
    """What an audit finds of what was planted, and what it reports where nothing was."""
    size, limit, planted, splits = (64, 12, 6, 3) if options.quick else (160, None, 40, 20)
    for data_set, number in itertools.product(
        options.data or ("hymenoptera", "clothing", "xray"), range(options.rounds or 1)
    ):
        common = {"data_set": data_set, "image_size": size, "seed": number, "limit": limit}
        for row, function, more in (
            ("copies", "copies", {"planted": planted}),
            ("label errors", "label_errors", {"network": "MobileNetV2", "share": 0.05}),
            ("shift", "shift", {"network": "MobileNetV2", "splits": splits, "most": 300}),
        ):
            group = {"data": data_set}
            if "network" in more:
                group["network"] = f"MobileNetV2 at {size} px"
            arguments = {"row": row, **common, **more}
            yield Job("audit", f"audits.{function}", arguments, group, 0, number, options.quick)


def objectives(options):
    """Other domains without labels, expected accuracies, and what is not forgotten."""
    size, limit = (64, 8) if options.quick else (96, None)
    common = {"limit": limit}

    def job(function, row, data, seed, **more):
        arguments = {"row": row, "seed": seed, **common, **more}
        group = {"data": data}
        return Job(
            "objectives", f"objectives.{function}", arguments, group, seed, 0, options.quick
        )

    for seed in range(1 if options.quick else 3):
        epochs = 1 if options.quick else 14
        yield job("digits", "class confusion", "USPS to MNIST", seed, epochs=epochs)
        for change in ("grey", "blurred", "drawn", "camera"):
            yield job("pairs", change, "clothing, changed", seed, image_size=size)
    for seed in range(options.seeds):
        for shift in ("classes", "brightness", "certainty"):
            yield job("estimates", shift, "expected accuracy", seed, image_size=size)
        for number in (1, 5, 10):
            arguments = {"seed": seed, "image_size": size, "per_class": number}
            yield job("few_labels", f"{number} a class", "labels of drawings", **arguments)
    # Both that a target compares; the others once.
    for seed in range(1 if options.quick else 3):
        for data_set in ("sign_digits", "clothing"):
            for row in ("naive", "distilled", *(("L2-SP", "EWC") if seed == 0 else ())):
                arguments = {"data_set": data_set, "image_size": 64 if options.quick else 128}
                yield job("keeping", row, f"{data_set} after ImageNet", seed, **arguments)


def relations(options):
    """Few labels and few weights: related classes, unlabelled images, updates, sizes."""
    size, limit = (64, 24) if options.quick else (None, None)
    seeds = range(options.rounds or (1 if options.quick else 3))
    chosen = options.data or ("hymenoptera", "clothing", "sign_digits", "xray")

    def job(function, row, data_set, seed, default_size, **more):
        arguments = {"row": row, "data_set": data_set, "seed": seed, "limit": limit, **more}
        if default_size is not None:
            arguments["image_size"] = size or default_size
        group = {"data": data_set, "what": function.replace("_", " ")}
        function = f"few_labels.{function}"
        return Job("relations", function, arguments, group, seed, 0, options.quick)

    for data_set, seed in itertools.product(chosen, seeds):
        if data_set in ("hymenoptera", "clothing"):
            yield job("related_classes", data_set, data_set, seed, 224, wordnet=options.wordnet)
        if data_set in ("sign_digits", "xray"):
            more = {"network": "MobileNetV2", "epochs": 1 if options.quick else 20}
            yield job("self_supervised", data_set, data_set, seed, 96, **more)
        if data_set == "sign_digits":
            for row, batch_norm in (("rank 8", "frozen"), ("rank 8, affine", "affine")):
                more = {"network": "MobileNetV2", "rank": 8, "batch_norm": batch_norm}
                yield job("low_rank", row, data_set, seed, 96, **more)
        if data_set == "hymenoptera" and seed == 0:
            many = [32, 64] if options.quick else [64, 96, 128, 160, 224]
            more = {"network": "MobileNetV2", "image_sizes": many}
            yield job("sizes", "probes", data_set, seed, None, **more)


def gpu(options):
    """The same on a GPU and, where there is none, on the CPU."""
    size, many, few, rounds = (64, 64, 2, 2) if options.quick else (224, 2048, 10, 3)
    rounds = options.rounds or rounds
    for data_set in options.data or ("hymenoptera", "clothing")[: 1 if options.quick else None]:
        arguments = {"data_set": data_set, "network": "MobileNetV2", "image_size": 160}
        arguments["limit"] = 8 if options.quick else None
        group = {"whole run": data_set}
        yield Job("gpu", "devices.whole_run", arguments, group, quick=options.quick)
    for network in ("MobileNetV2", "ResNet50-random")[: 1 if options.quick else None]:
        common = {"network": network, "image_size": size, "rounds": rounds}
        for function, more in (("from_memory", "num_images"), ("full_steps", "steps")):
            arguments = {**common, more: many if more == "num_images" else few}
            group = {function.replace("_", " "): f"{network} at {size} px"}
            yield Job("gpu", f"devices.{function}", arguments, group, quick=options.quick)


def gpu_xla(options):
    """The steps of `gpu`, compiled with XLA, which takes a minute or more for each of them."""
    size, few, rounds = (64, 2, 2) if options.quick else (224, 10, 3)
    for network in ("MobileNetV2", "ResNet50-random"):
        arguments = {"network": network, "image_size": size, "steps": few, "xla": True}
        arguments["rounds"] = options.rounds or rounds
        group = {"full steps": f"{network} at {size} px"}
        yield Job("gpu_xla", "devices.full_steps", arguments, group, quick=options.quick)


def memory(options):
    """What a training leaves in the memory of a process that goes on."""
    size, trainings = (32, 1) if options.quick else (96, 4)
    for network in ("MobileNetV2", "EfficientNetV2B0")[: 1 if options.quick else None]:
        for row in ("plain Keras", "TransferModel"):
            arguments = {"row": row, "network": network, "image_size": size}
            arguments["trainings"] = trainings
            group = {"network": f"{network} at {size} px"}
            yield Job("memory", "memory.growth", arguments, group, quick=options.quick)


SUITES = {
    suite.__name__: suite
    for suite in (
        accuracy,
        strategies,
        ranking,
        dead_stages,
        extraction,
        steps,
        inputs,
        masks,
        boxes,
        zoos,
        audit,
        objectives,
        relations,
        memory,
        gpu,
        gpu_xla,
    )
}
