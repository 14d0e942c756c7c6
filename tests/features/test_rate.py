import numpy as np
import pytest

from keras_transfer.features import rate

IMAGES = [np.zeros((4, 2, 2, 3)), np.zeros((2, 2, 2, 3))]


class Engine:
    """Takes the seconds that it is told, a turn each, by a clock of its own."""

    def __init__(self, seconds):
        self.now, self._seconds, self.num_images = 0.0, iter(seconds), []

    def run(self, images):
        images = list(images)
        self.num_images.append(sum(map(len, images)))
        self.now += next(self._seconds)
        yield from images


@pytest.mark.parametrize(
    ("seconds", "fastest", "turns"),
    [
        # The first turn warms up, and the slow one was disturbed.
        ([9.0, 0.5, 0.9, 0.4], 0.4, 3),
        # Longer than 2 s: once is enough.
        ([9.0, 2.5], 2.5, 1),
    ],
)
def test_rate_is_that_of_the_fastest_turn(monkeypatch, seconds, fastest, turns):
    engine = Engine(seconds)
    monkeypatch.setattr(rate.time, "perf_counter", lambda: engine.now)
    # 6 pictures, taken twice to be at least 10.
    assert rate.images_per_second(engine.run, IMAGES, 10) == pytest.approx(12 / fastest)
    assert engine.num_images == [6, *[12] * turns]
