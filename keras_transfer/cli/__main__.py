"""`python -m keras_transfer.cli`."""

from keras_transfer.cli.main import main_process

main_process()
