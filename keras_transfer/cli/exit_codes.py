"""What the process tells by its exit code."""

# What a person can mend is told in a line and ends with 1; argparse ends with 2 for arguments.
FAILURE, WRONG_ARGUMENTS = 1, 2
# The state is saved, and the same command goes on: `training.Preempted`.
PREEMPTED = 75
INTERRUPTED = 130
