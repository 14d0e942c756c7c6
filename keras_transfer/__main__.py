"""`python -m keras_transfer` is the command `keras-transfer`."""

from keras_transfer.cli.main import main_process

if __name__ == "__main__":
    main_process()
