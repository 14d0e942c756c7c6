from keras_transfer.cli import exit_codes
from keras_transfer.training import Preempted


def test_a_preempted_training_ends_with_the_code_that_launch_knows():
    assert exit_codes.PREEMPTED == Preempted.CODE
