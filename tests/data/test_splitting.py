import random

import pytest

from keras_transfer.data.splitting import stratified_split


def test_every_class_gives_its_share():
    labels = [0] * 50 + [1] * 10
    kept, set_aside = stratified_split(
        [(one,) for one in labels], [str(i) for i in range(60)], 0.2, seed=0
    )
    assert sum(index < 50 for index in set_aside) == 10  # 0.2 * 50
    assert sum(index >= 50 for index in set_aside) == 2  # 0.2 * 10
    assert sorted(kept + set_aside) == list(range(60))


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (3, 0.9, 2), (3, 0.1, 1)],
)
def test_one_image_stays_and_one_is_set_aside_where_there_are_two(count, fraction, expected):
    digests = [str(i) for i in range(count)]
    assert len(stratified_split([(0,)] * count, digests, fraction, seed=0)[1]) == expected


def test_order_of_the_files_does_not_matter():
    rows = [((i % 3,), f"digest {i}") for i in range(40)]
    mixed = random.Random(1).sample(rows, len(rows))

    def chosen(rows):
        labels, digests = zip(*rows, strict=True)
        return {digests[index] for index in stratified_split(labels, digests, 0.3, seed=4)[1]}

    assert chosen(rows) == chosen(mixed)


def test_another_seed_is_another_split():
    labels, digests = [(0,)] * 40, [str(i) for i in range(40)]
    splits = {tuple(stratified_split(labels, digests, 0.25, seed)[1]) for seed in range(3)}
    assert len(splits) == 3


def test_copies_stay_on_one_side():
    digests = [str(i // 2) for i in range(20)]
    for seed in range(5):
        set_aside = set(stratified_split([(0,)] * 20, digests, 0.3, seed)[1])
        assert all((i in set_aside) == (i + 1 in set_aside) for i in range(0, 20, 2))
