"""Heads, attached to a backbone."""

from keras_transfer.backbones import graph


def attached(heads, backbone):
    """The inputs and the outputs of a model of a backbone with a head, or a dict of heads."""
    several = heads if isinstance(heads, dict) else {None: heads}
    further = {one.name: one for head in several.values() for one in head.inputs}
    taken = sorted(set(further) & set(backbone.input_names))
    if taken:
        raise ValueError(
            f"An input of a head has the name of an input of the backbone. Received: {taken}"
        )
    inputs = backbone.input
    if further:
        inputs = {**{tensor.name: tensor for tensor in backbone.inputs}, **further}
    if None in several:
        return inputs, heads(_features(heads, backbone))
    return inputs, {
        name: head(_features(head, backbone), name, output_name=name)
        for name, head in several.items()
    }


def stage_outputs(backbone):
    """The output of each stage, tensors of the graph."""
    tensors = graph.boundaries(backbone)
    return [tensors[stage.boundary] for stage in backbone.stages]


def _features(head, backbone):
    """What a head takes, with the padding mask where Keras' layers look for it."""
    features = stage_outputs(backbone) if head.takes_stages else [backbone.output]
    images = [backbone.inputs[0]] if head.takes_images else []
    features = [*images, *graph.masked(backbone, features), *head.inputs]
    return features if features[1:] or head.takes_stages else features[0]
