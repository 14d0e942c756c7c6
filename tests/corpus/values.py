"""What the tests draw."""

import hypothesis
from hypothesis import strategies as st

# The examples that hypothesis draws are counted with the corpus.
EXAMPLES = []


def few(number):
    """Hypothesis' settings for a few examples, the same ones in each run."""
    EXAMPLES.append(number)
    return hypothesis.settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[
            hypothesis.HealthCheck.function_scoped_fixture,
            hypothesis.HealthCheck.too_slow,
        ],
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
