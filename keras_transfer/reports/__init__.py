"""What is seen after a training: what a model learned, and whether it can be trusted."""

__all__ = []
