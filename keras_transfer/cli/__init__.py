"""The command `keras-transfer`."""
