"""Progress fits a terminal of 80 columns, and becomes plain lines where there is none."""

import io
import os
import re

import pytest
from rich.console import Console

from convolens import progress
from convolens.training.run_log import Bar


def on(monkeypatch, *, width, terminal):
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    monkeypatch.setattr(progress, "terminal", lambda: console)
    return file


@pytest.mark.parametrize("width", [80, 200])
def test_a_trainings_longest_line_fits_with_all_its_numbers(monkeypatch, width):
    file = on(monkeypatch, width=width, terminal=True)
    with progress.watching("training", 1.0, counted=False) as watched:
        Bar(watched, 100).step(0.5, 98, 10.532, 0.812, 64, 0.01)
        watched.bar.refresh()
    lines = re.split(r"\r|\n", re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", file.getvalue()))
    last = [line for line in lines if line.strip()][-1]
    assert len(last) <= width
    assert re.search(r"training ━.* epoch 99/100 loss 10\.53 best 0\.812 6400/s 0:00:\d\d, 0:00:\d\d left *$", last)
    assert not any("…" in line for line in lines)


def test_without_a_terminal_a_line_now_and_then_says_step_and_time_left(monkeypatch):
    file, now = on(monkeypatch, width=80, terminal=False), iter(range(0, 10_000, 2))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    list(progress.track(range(200), "pictures", 200))  # two seconds each
    lines = file.getvalue().splitlines()
    assert lines[0] == "pictures: 3/200  0:00:06, 0:06:34 left"
    assert 10 < len(lines) < 70  # ever further apart, so that a night's log can be read


def test_what_is_not_to_be_shown_is_not(monkeypatch):
    for terminal in (True, False):
        file, now = on(monkeypatch, width=80, terminal=terminal), iter(range(0, 10_000, 9))
        monkeypatch.setattr(progress.time, "monotonic", lambda now=now: float(next(now)))
        list(progress.track(range(9), "pictures", 9, show=False))
        assert file.getvalue() == ""


def test_a_stream_that_takes_no_more_ends_no_work(monkeypatch):
    """A full disk, and a pipe whose reader has gone: rich ends the process of its own accord."""
    make, (ours, theirs) = progress.terminal.__wrapped__, os.pipe()
    os.close(ours)
    for number in (os.open("/dev/full", os.O_WRONLY), theirs):
        with open(number, "w", buffering=1, closefd=False) as stream:
            console = make()
            console.file = stream
            monkeypatch.setattr(progress, "terminal", lambda console=console: console)
            monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
            with progress.watching("work", 3) as watched:
                watched.say("a word")
                watched.advance(1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # so that it can be closed
        os.close(number)


@pytest.mark.parametrize("narrow", [True, False])
def test_a_terminal_that_is_too_narrow_or_cannot_draw_gets_plain_lines(monkeypatch, narrow):
    monkeypatch.setenv("TERM", "xterm" if narrow else "dumb")
    file, now = on(monkeypatch, width=40 if narrow else 100, terminal=True), iter(range(0, 10_000, 9))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    list(progress.track(range(9), "pictures", 9))
    assert file.getvalue().startswith("pictures: 1/9  0:00:09, 0:01:12 left\n") and "\x1b" not in file.getvalue()


def test_no_color_means_none(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    console = progress.terminal.__wrapped__()
    console._force_terminal, console.file = True, io.StringIO()
    monkeypatch.setattr(progress, "terminal", lambda: console)
    with progress.watching("pictures", 3) as watched:
        watched.update(2)
        watched.bar.refresh()
    assert "pictures" in console.file.getvalue()
    assert not re.search(r"\x1b\[[\d;]*3[0-9;]*m", console.file.getvalue())


def test_the_log_is_silent_until_somebody_listens(capfd, caplog):
    import logging
    import subprocess
    import sys

    code = "import convolens, logging; logging.getLogger('convolens').warning('heard')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).stderr == b""
    with caplog.at_level(logging.INFO, "convolens"), progress.watching("x", 1, show=False) as watched:
        watched.say("something of the work")
    assert caplog.messages == ["something of the work"]
