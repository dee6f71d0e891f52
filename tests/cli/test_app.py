import fcntl
import importlib.metadata
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from convolens import cli
from convolens.cli import start
from convolens.errors import ArgumentError
from convolens.media.images import write_image


@pytest.fixture
def _failing_command():
    def fail(how: str) -> None:
        """Fail on purpose."""
        raise {"argument": ArgumentError("delay: need 0, got 1"), "ctrl-c": KeyboardInterrupt(),
               "disk": OSError(28, "No space left on device", "big.wav"), "bug": ZeroDivisionError()}[how]  # fmt: skip

    cli.app.command("fail")(fail)
    yield
    cli.app.registered_commands.pop()


@pytest.mark.usefixtures("_failing_command")
@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("argument", 2, "error: delay: need 0, got 1\n"),
        ("ctrl-c", 130, "interrupted\n"),
        ("disk", 2, "error: big.wav: No space left on device\n"),
    ],
)
def test_what_went_wrong_is_one_line_on_stderr_and_an_exit_code(capsys, how, code, line):
    assert cli.run(["fail", how]) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", line)


@pytest.mark.usefixtures("_failing_command")
def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(["fail", "bug"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "error: No such command 'nonsense'"),
        (["edges"], "error: Missing argument 'IN'; see convolens edges --help\n"),
        (["edges", "--gain", "loud", "a", "b"], "error: Invalid value for '--gain'"),
    ],
)
def test_wrong_usage_is_one_line_that_says_where_to_look(capsys, arguments, message):
    assert cli.run(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(message) and err.count("\n") == 1


def test_version_and_help_and_no_arguments(capsys):
    from convolens import __version__

    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"convolens {__version__}\n"
    assert cli.run(["--help"]) == 0
    usage = capsys.readouterr().out
    assert "edges" in usage and "--version" in usage


def test_alone_it_says_what_people_come_for_in_commands_that_hold(capsys):
    from typer.main import get_command

    assert cli.run([]) == 0
    shown = capsys.readouterr().out
    for line, what in start.COMMANDS:
        assert f"  {line}\n" in shown and f"  {what}\n" in shown
        program, *words = line.split()
        command, context = get_command(cli.app), None
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        context = command.make_context(program, words)  # parsed, as an unknown word or option is refused there
        assert all(context.params[one.name] is not None for one in command.params if one.required)
    assert max(map(len, shown.splitlines())) < 80


def leaf_commands():
    import typer

    def walk(command, path):
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, [*path, name])
        if not hasattr(command, "commands"):
            yield path, command

    return list(walk(typer.main.get_command(cli.app), []))


@pytest.mark.parametrize(("path", "command"), leaf_commands(), ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_every_command_and_option_has_help_and_a_runnable_example(path, command):
    assert f"convolens {' '.join(path)}" in command.help
    for parameter in command.params:
        assert parameter.help, f"{path}: {parameter.name} has no help"
    assert "\\b" not in command.help  # Click's mark for lines to keep, which a raw docstring would print


def test_help_loads_nothing_heavy_and_answers_quickly():
    code = "import sys; from convolens.cli import run; run(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    for heavy in ("numpy", "scipy", "torch", "PIL", "soundfile", "matplotlib", "rich"):
        assert f"'{heavy}'" not in loaded
    # Its own processor time, which other work on the machine does not stretch; it waits for nothing else.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "convolens", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 0.4, f"convolens --help took {seconds:.2f} s"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_on_ends_the_command_quietly(unbuffered):
    command = [sys.executable, "-m", "convolens", "weights", "list"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_the_work_is_done_though_nobody_listens(tmp_path, closed):
    write_image(tmp_path / "in.png", np.zeros((8, 8), np.uint8))
    program = f"{sys.executable} -m convolens"
    lines = f"{program} edges in.png out.png {closed} && {program} weights list {closed}"
    done = subprocess.run(lines, shell=True, cwd=tmp_path, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if not line.startswith(("wrote out.png", "next: "))]
    assert (done.returncode, said) == (0, [])
    assert (tmp_path / "out.png").stat().st_size > 0


def test_answers_that_cannot_be_written_are_one_sentence():
    line = f"{sys.executable} -m convolens weights list > /dev/full"
    done = subprocess.run(line, shell=True, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: stdout: cannot be written to: No space left on device\n"


def test_a_stream_that_does_not_wait_for_its_reader_is_named_too():
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}  # else Python itself drops what does not fit
    os.write(theirs, bytes(fcntl.fcntl(theirs, fcntl.F_GETPIPE_SZ)))
    done = subprocess.run(
        [sys.executable, "-m", "convolens", "--help"], stdout=theirs, stderr=-1, text=True, env=buffered
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 2
    assert done.stderr.startswith("error: stdout: cannot be written to: ") and done.stderr.count("\n") == 1


def test_ctrl_c_while_the_command_line_is_loading_is_one_line_too():
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="convolens")
    code = f"""
import os
import signal
import sys

class Impatient:
    def find_spec(self, name, *_):
        if name == "convolens.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
from {command.module} import {command.attr}
{command.attr}()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (done.returncode, done.stderr) == (130, b"interrupted\n")


IN_A_DESTRUCTOR = """
import os, signal
from convolens import cli

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def run(words):
    Interrupted()
    return 0

cli.run = run
cli.main()
"""


def test_ctrl_c_is_not_lost_where_an_exception_would_be():
    done = subprocess.run([sys.executable, "-c", IN_A_DESTRUCTOR], capture_output=True)
    assert (done.returncode, done.stderr) == (130, b"interrupted\n")


STOPPED_TWICE = """
import os, signal
from convolens.stopping import stop_requests

def before(number, frame):
    print("as before", flush=True)
    os._exit(7)

signal.signal(signal.SIGTERM, before)
with stop_requests("all of it") as stop:
    os.kill(os.getpid(), signal.SIGTERM)
    print(stop.by == signal.SIGTERM, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_second_signal_does_what_it_did_before():
    done = subprocess.run([sys.executable, "-c", STOPPED_TWICE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "True\nas before\n")
    assert done.stderr == "\nstopping after this step, with all of it; once more ends at once\n"


def test_every_command_works_without_docstrings():
    program = [sys.executable, "-OO", "-m", "convolens", "train", "classify", "--help"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "--epochs" in done.stdout


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no hang-ups here")
def test_a_hang_up_that_is_ignored_stays_ignored():
    """As nohup has it."""
    program = (
        "import signal; from convolens import cli; cli.run = lambda _: print(signal.getsignal(signal.SIGHUP)) or 0"
    )
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {program}; cli.main()"
    done = subprocess.run([sys.executable, "-c", ignoring], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("1", "Handlers.SIG_IGN")
