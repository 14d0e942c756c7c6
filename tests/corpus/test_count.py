"""How many inputs the corpus holds."""

from tests.corpus import (
    pictures,
    test_cached_shards,
    test_class_names,
    test_command_line,
    test_foreign_folders,
    test_pictures,
    test_run_folders,
    test_weights_files,
)
from tests.corpus.values import EXAMPLES

MODULES = [
    pictures, test_pictures, test_class_names, test_weights_files, test_cached_shards,
    test_run_folders, test_command_line, test_foreign_folders,
]  # fmt: skip


def counts():
    """The number of inputs of each kind."""
    return {name: len(inputs) for module in MODULES for name, inputs in module.KINDS.items()}


def test_every_kind_has_inputs_and_a_name_of_its_own(capsys):
    found = counts()
    assert len(found) == sum(len(module.KINDS) for module in MODULES)
    assert all(number >= 2 for number in found.values())
    with capsys.disabled():
        print(
            f"\nThe corpus: {sum(found.values())} inputs of {len(found)} kinds, and up to "
            f"{sum(EXAMPLES)} drawn by hypothesis in {len(EXAMPLES)} tests."
        )
