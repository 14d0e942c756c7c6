import pytest

from benchmarks import replicas


def test_ring_sends_nearly_twice_the_gradients():
    assert replicas.sent_bytes(100, 1) == 0
    assert replicas.sent_bytes(100, 2) == 100
    assert replicas.sent_bytes(100, 512) == pytest.approx(200, rel=0.01)


def test_exchange_takes_its_bytes_and_its_messages():
    # 100 MB through 10 Gbit/s is 80 ms, and two messages of 50 microseconds.
    assert replicas.exchange_seconds(100e6, 2, 10) == pytest.approx(0.0801)
    assert replicas.exchange_seconds(100e6, 2, 100) == pytest.approx(0.0081)


def test_step_is_the_median_and_bytes_are_shared_by_the_replicas():
    readings = [(0.0, 0), (1.0, 4_000_000), (2.0, 8_000_000), (12.0, 12_000_000)]
    assert replicas._of_readings(readings, 2) == {"milliseconds": 1000.0, "megabytes": 2.0}
