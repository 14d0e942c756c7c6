"""What several commands tell."""

import sys


def tell_unreadable(splits):
    """Names each picture that was left out, and why."""
    for path, reason in splits.unreadable:
        print(f"keras-transfer: left out {path}: {reason}", file=sys.stderr)
