"""A model for other classes, which keeps the outputs of those that it has."""

from keras_transfer.backbones import graph
from keras_transfer.heads import SoftmaxHead


def with_classes(model, names):
    """A copy of a `TransferModel` for the classes `names`, see `TransferModel.with_classes`."""
    if not isinstance(model.heads, SoftmaxHead) or model.class_names is None:
        raise ValueError(
            "`with_classes` needs one `SoftmaxHead`, and the names of its classes in "
            f"`model.class_names`. Received: a {type(model.heads).__name__} and "
            f"class_names={model.class_names}"
        )
    if len(set(names)) != len(names):
        raise ValueError(f"`class_names` must be different. Received: {list(names)}")
    head = type(model.heads)(**{**model.heads.get_config(), "num_classes": len(names)})
    other = type(model)(model.backbone.copy(), head, model.freeze_policy, model.name)
    *layers, output = other.layers
    for layer in layers:
        graph.copy_state(model.get_layer(layer.name), layer)
    kernel, bias = output.get_weights()
    old_kernel, old_bias = model.get_layer(output.name).get_weights()
    for place, name in enumerate(names):
        if name in model.class_names:
            column = model.class_names.index(name)
            kernel[..., place], bias[place] = old_kernel[..., column], old_bias[column]
    output.set_weights([kernel, bias])
    other.class_names = names
    return other
