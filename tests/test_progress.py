"""What a command shows while it works."""

import io
import re
import time

import pytest

from keras_transfer import _progress


class Terminal(io.StringIO):
    """A text stream that is a terminal."""

    def isatty(self):
        return True


def test_the_library_shows_nothing_by_itself(capfd):
    with _progress.step("work", 2) as advance:
        advance()
    assert list(_progress.each([1, 2], "more")) == [1, 2]
    assert capfd.readouterr() == ("", "")


def test_a_terminal_shows_a_line_that_vanishes():
    stream = Terminal()
    with _progress.shown(stream), _progress.step("features [of] it", 3) as advance:
        advance(2)
        time.sleep(0.3)
    assert "features [of] it" in stream.getvalue() and "2/3" in stream.getvalue()
    assert "\x1b[2K" in stream.getvalue()[-20:]  # the line is erased


def test_a_file_gets_a_line_only_for_long_steps(monkeypatch):
    stream = io.StringIO()
    with _progress.shown(stream), _progress.step("quick"):
        pass
    assert stream.getvalue() == ""
    monkeypatch.setattr(_progress, "_BETWEEN_LINES", 0.1)
    with _progress.shown(stream), _progress.step("outer"), _progress.step("slow", 5) as advance:
        advance(2)
        time.sleep(0.35)
    lines = stream.getvalue().splitlines()
    assert 2 <= len(lines) <= 3 and all(re.fullmatch("slow: 2 of 5, 0 s", x) for x in lines)


def test_an_error_ends_the_steps():
    stream = Terminal()
    with pytest.raises(ValueError), _progress.shown(stream), _progress.step("work"):
        raise ValueError
    with _progress.step("silent"):  # nothing is shown any more
        pass
    assert "silent" not in stream.getvalue()


def test_a_function_can_be_a_step():
    stream = Terminal()

    @_progress.step("function")
    def work(number):
        time.sleep(0.2)
        return number

    with _progress.shown(stream):
        assert work(1) + work(2) == 3
    assert "function" in stream.getvalue()
