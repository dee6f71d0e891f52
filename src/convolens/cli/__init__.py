"""The command line: `convolens echo|blur|edges|…`. Parse, call, print; no numerics.

A command module imports only typer and pathlib at its top, and what it needs inside each command, so that `convolens
--help` answers at once and an echo never loads a network. What the user can mend is one sentence on stderr and exit
code 2; a traceback means a mistake of ours.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, TextIO

import typer
from typer.main import get_command

from convolens.cli import (
    completion,
    convolve,
    data,
    explaining,
    export,
    features,
    merge,
    networks,
    pictures,
    restyle,
    similar,
    sounds,
    start,
    studio,
    tour,
    train,
    trunks,
)
from convolens.cli.budget import Commands
from convolens.cli.next_step import what_is_next
from convolens.cli.streams import with_streams
from convolens.cli.telling import Answers, answer, tell, tell_failure, telling_notes
from convolens.cli.wording import given_once, in_words_of, naming_the_file, options_of
from convolens.errors import ArgumentError, ConvolensError
from convolens.media.drafts import remove_drafts
from convolens.media.inputs import Inputs, given

GROUPS = (
    sounds,
    pictures,
    convolve,
    train,
    networks,
    export,
    features,
    similar,
    merge,
    explaining,
    restyle,
    data,
    trunks,
    tour,
    studio,
)  # each has `register(app)`

RESULTS = ("out", "target", "html", "plot")  # arguments that say where to write; all other paths are inputs

COMPLETING = "_CONVOLENS_COMPLETE"  # set by the shell's function, in which typer is called to complete

CANNOT = 2
INTERRUPTED = 130  # as shells report SIGINT
UNREAD = 141  # as shells report SIGPIPE: whoever read our output has stopped, as `| head` does

app = Commands(
    name="convolens",
    add_completion=True,
    rich_markup_mode=None,  # plain help needs no rich, which would take a third of the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for group in GROUPS:
    group.register(app)


def _print_version(requested: bool) -> bool:
    if requested:
        from convolens import __version__

        typer.echo(f"convolens {__version__}")
        raise typer.Exit
    return requested


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Sounds, pictures, and the networks that look at them: one convolution, from an echo to a detector."""


def main() -> None:
    """The `convolens` command."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(getattr(signal, name), _end)
    _open_closed_streams()
    sys.stdout = Answers(sys.stdout)
    code = run(sys.argv[1:])
    if error := _last_flush(sys.stdout):
        unread = isinstance(error, BrokenPipeError)
        code = code or (UNREAD if unread else _complain(str(error)))
    _last_flush(sys.stderr)
    if code == INTERRUPTED:
        sys.stderr.flush()
        os._exit(code)  # a thread that Ctrl-C kept from starting would be waited for
    sys.exit(code)


def _last_flush(stream: TextIO) -> OSError | None:
    """Has a stream say what it still holds; one that takes no more leads nowhere then, or Python's own flush fails."""
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def _open_closed_streams() -> None:
    """Has streams that the caller closed (`>&-`) lead nowhere: what they would say is not wanted, the work is.

    A file that the command opens would otherwise get the number of a closed stream, and whatever is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _end(number: int, frame: Any) -> None:
    """Told to end: what is half-written is removed, and the process ends at once.

    An exception that arrives at any moment whatever may interrupt the start of a thread, which then waits for ever,
    close a file that another thread is reading, come out of a library's loading as an error of its own, or be lost in a
    destructor. Work that has something to keep takes the signals in itself meanwhile (`convolens.stopping`).
    """
    remove_drafts()
    words = b"interrupted\n" if number == signal.SIGINT else b""
    with suppress(OSError):
        if os.isatty(2):  # a bar has hidden the cursor, and its line is not ended
            words = b"\x1b[?25h\n" + words
        os.write(2, words)
    os._exit(128 + number)  # as shells report it


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code: 0, 2 for what the user can mend, 130 for Ctrl-C, 141 unread."""
    if not arguments and COMPLETING not in os.environ:
        answer(start.text())
        return 0
    try:
        with telling_notes():
            code = _guarded_app()(arguments, prog_name="convolens", standalone_mode=False)
    except ConvolensError as error:
        options = options_of(get_command(app), arguments)
        return _complain(in_words_of(options, str(error), subject=isinstance(error, ArgumentError)))
    except typer.TyperException as error:
        sentence = error.format_message().rstrip(".")
        again = given_once(get_command(app), arguments) if "unexpected extra argument" in sentence else ""
        return _complain(f"{sentence}{again}{_where_to_look(error)}")
    except SystemExit as end:
        if end.code != 1:  # typer's answer to a closed pipe
            raise
        return UNREAD
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except MemoryError:
        return _complain("memory: need more than this machine has; use smaller files or numbers")
    except OSError as error:  # what the file system said, where nothing nearer the user worded it
        return _complain(f"{error.filename or 'system'}: {error.strerror or error}")
    if code == INTERRUPTED:
        typer.echo("interrupted", err=True)
    return code if isinstance(code, int) else 0


def _guarded_app() -> Any:
    """The command line, each command of which protects the files that it is given."""
    command = get_command(app)
    _guard(command)
    if COMPLETING in os.environ:
        completion.attach(command)
    return command


def _guard(command: Any, path: tuple[str, ...] = ()) -> None:
    below = getattr(command, "commands", {})
    for name, one in below.items():
        _guard(one, (*path, name))
    if command.callback is not None and not below:
        command.callback = partial(_protecting, command.callback, " ".join(path))


def _protecting(callback: Callable[..., Any], command: str, /, **arguments: Any) -> None:
    with with_streams(command, arguments) as used:
        inputs = Inputs()
        inputs.add_files(value for name, value in used.items() if name not in RESULTS)
        with given(inputs), naming_the_file(used.get("source")):
            made = callback(**used)
    sys.stdout.flush()  # where nobody reads the answer on, this ends in silence
    if not arguments["quiet"] and os.environ.get("RANK", "0") == "0":  # of several processes the first says it
        tell(what_is_next(command, arguments | (made or {})))


def _where_to_look(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"; see {context.command_path} --help" if context else ""


def _complain(sentence: str) -> int:
    tell_failure(f"error: {sentence}")
    return CANNOT
