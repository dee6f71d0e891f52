"""Refusals in the words of the command line: `--finetune all` where Python says `finetune='all'`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from convolens.errors import ConvolensError

CONTENT = ("samples", "image", "signal")  # arguments that, on the command line, are what is in the file


def options_of(command: Any, arguments: Sequence[str]) -> dict[str, str]:
    """The options of the command that is called, by the names that Python has for them.

    Args:
        command: the whole command line, as click has it.
        arguments: what was typed.
    """
    found: dict[str, str] = {}
    for parameter in _called(command, arguments).params:
        flags = [flag for flag in parameter.opts if flag.startswith("--")]
        if flags:
            found |= {parameter.name: flags[0], flags[0].removeprefix("--").replace("-", "_"): flags[0]}
    several = {f"{name}s": flag for name, flag in found.items()}  # given again and again, a list in Python: taps
    return several | found


def given_once(command: Any, arguments: Sequence[str]) -> str:
    """What to say where a word is too many: that an option is given again for each of its values; else nothing.

    Args:
        command: the whole command line, as click has it.
        arguments: what was typed, as `--frequency 300 3400`.
    """
    again = {flag for one in _called(command, arguments).params if getattr(one, "multiple", False) for flag in one.opts}
    for flag, first, second in zip(arguments, arguments[1:], arguments[2:], strict=False):
        if flag in again and not second.startswith("-"):
            return f"; give {flag} again for each of its values: {flag} {first} {flag} {second}"
    return ""


def in_words_of(options: Mapping[str, str], sentence: str, *, subject: bool = True) -> str:
    """The sentence with every `name=value` in it as the option that is meant, and so its subject, if that is one.

    >>> in_words_of({"finetune": "--finetune", "taps": "--tap"}, "taps: need one; give finetune='all'")
    '--tap: need one; give --finetune all'
    >>> in_words_of({"overwrite": "--overwrite"}, "runs: overwrite=True replaces it")
    'runs: --overwrite replaces it'
    >>> in_words_of({"lr": "--lr", "batch": "--batch"}, "batch/lr=0.1: need a picture")
    'batch/lr=0.1: need a picture'
    """
    first = re.match(r"\w+(?=:| of )", sentence)  # a subject is followed by its colon; a path is none
    if subject and first:
        sentence = options.get(first[0], first[0]) + sentence[first.end() :]
    return re.sub(r"(?<![\w/.\\-])(\w+)=(?:'([^']*)'|(\w*))", _option(options), sentence)


@contextmanager
def naming_the_file(source: object) -> Iterator[None]:
    """Has refusals of what is in a file name the file: Python was given an array, the command line none.

    Args:
        source: the file that was given; None for commands that take none.
    """
    try:
        yield
    except ConvolensError as error:
        subject, _, rest = str(error).partition(": ")
        if source is None or subject not in CONTENT:
            raise
        raise type(error)(f"{source}: {rest}") from error


def _called(command: Any, arguments: Sequence[str]) -> Any:
    """The command that is called."""
    for word in arguments:
        inner = getattr(command, "commands", {})
        if not inner:
            break
        command = inner.get(word, command)
    return command


def _option(options: Mapping[str, str]) -> Any:
    def worded(found: re.Match[str]) -> str:
        flag = options.get(found[1])
        value = found[2] or found[3]
        return (flag if value == "True" else f"{flag} {value}".rstrip()) if flag else found[0]

    return worded
