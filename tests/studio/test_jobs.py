"""Jobs: run in their order, stopped, resumed, found again by the next studio, and what is said of those that crash."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convolens.errors import ArgumentError
from convolens.studio.database import Database
from convolens.studio.jobs import process
from convolens.studio.jobs.outcome import outcome, reason
from convolens.studio.jobs.progress import progress_of, verdict_of
from convolens.studio.jobs.queue import Queue
from convolens.studio.jobs.worker import ALIVE, PID


def until(wanted, seconds=60):
    end = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)
    return found


def over(queue, number):
    return until(lambda: (job := queue.get(number)).is_over and job)


@pytest.fixture
def queue(project):
    return Queue(project, Database(project.home))


def test_a_job_runs_the_command_line_in_the_projects_folder(queue, project):
    with queue:
        number = queue.add("blur", "Blur", ["blur", "photos/dark/0.png", ".studio/soft.png", "--sigma", "2"])
        job = over(queue, number)
    assert (job.state, job.message) == ("done", "")
    assert (project.home / "soft.png").is_file()
    assert "wrote .studio/soft.png" in queue.said(number)


def test_what_the_user_can_mend_is_its_sentence(queue):
    with queue:
        job = over(queue, queue.add("blur", "Blur", ["blur", "no.png", "b.png", "--sigma", "2"]))
    assert job.state == "failed" and job.message.startswith("no.png: need ")


def test_a_job_that_waits_is_stopped_without_being_begun(queue, project):
    number = queue.add("blur", "Blur", ["blur", "photos/dark/0.png", "b.png", "--sigma", "2"])
    assert queue.stop(number).state == "stopped"
    with queue:
        time.sleep(0.3)
    assert queue.get(number).state == "stopped" and not (project.folder / "b.png").exists()


def endless(queue):
    """A job that runs until it is told to stop, and is soon begun: a studio of its own."""
    arguments = ["studio", "photos", "--no-browser", "--port", "0"]
    number = queue.add("studio", "Endless", arguments, again=arguments)
    return number, lambda: "http://127.0.0.1" in queue.said(number)


def test_a_job_is_stopped_as_by_ctrl_c_and_resumed_once(queue):
    with queue:
        number, begun = endless(queue)
        until(begun)
        queue.stop(number)
        job = over(queue, number)
        assert (job.state, job.message) == ("stopped", "as you asked")
        resumed = queue.resume(number)
        with pytest.raises(ArgumentError, match="need one that was stopped or cut and can be resumed"):
            queue.resume(number)
        until(lambda: queue.get(resumed).state == "running")
    assert queue.get(resumed).message == "as the studio was ended" and queue.get(resumed).can_resume


def test_the_next_studio_finds_a_job_running_and_one_that_was_cut(queue, project, monkeypatch):
    # As of a studio that is killed: it notes nothing, and tells the job nothing.
    monkeypatch.setattr(queue, "_run", lambda job: queue.ended.wait() and ("running", ""))
    with queue:
        number, begun = endless(queue)
        until(begun)
    following = Queue(project, queue.database)
    with following:
        time.sleep(0.5)
        assert following.get(number).state == "running"
        child = int((following.folder_of(number) / PID).read_text())
        parent = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)  # the machine goes down
        os.kill(child, signal.SIGKILL)
        job = over(following, number)
    assert job.state == "cut" and "gone, without a word" in job.message and job.can_resume


@pytest.mark.slow
def test_a_training_is_stopped_and_resumed(queue, project):
    out = project.runs / "run"
    words = ["train", "classify", "photos", "--trunk", "resnet18", "--stem", "small", "--width", "0.25"]
    words += ["--finetune", "all", "--epochs", "1000", "--checkpoint-seconds", "0", "--out", str(out)]
    with queue:
        number = queue.add("train", "Train", words, again=[*words, "--resume"], folder=out)
        until(lambda: (out / "metrics.csv").exists())
        queue.stop(number)
        assert over(queue, number).state == "stopped"
        resumed = queue.resume(number)
        until(lambda: any(one["event"] == "resumed" for one in progress_of("", out).events))
        queue.stop(resumed)
        assert over(queue, resumed).state == "stopped"


def test_a_number_that_is_another_processs_by_now_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        (tmp_path / PID).write_text(str(other.pid))
        (tmp_path / ALIVE).touch()  # that nobody holds any more
        process.tell_to_stop(tmp_path)
        time.sleep(0.5)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize(
    ("said", "code", "sentence"),
    [
        ("error: a: need b, got c\n", 2, "a: need b, got c"),
        ("Traceback\n  x\nValueError: no\n", 1, "crashed (exit code 1): ValueError: no"),
        ("", 7, "crashed (exit code 7): it said nothing"),
        ("", -9, "ended by SIGKILL, which the system sends when memory runs out"),
    ],
)
def test_a_crash_says_what_happened(said, code, sentence):
    assert reason(said, code) == sentence


def test_progress_is_read_from_the_bars_lines(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,loss,accuracy\n1,0.5,0.75\n2,0.25,\n")
    (tmp_path / "log.jsonl").write_text('{"event": "begun"}\n{"event": "ha')
    said = "note: x\ntraining: 12%  epoch 2/30 loss 0.51 best 0.812 640/s  0:00:12, 0:01:28 left\n"
    progress = progress_of(said, tmp_path)
    assert (progress.left, progress.pictures_per_second) == ("0:01:28", 640)
    assert progress.rows == [{"epoch": 1, "loss": 0.5, "accuracy": 0.75}, {"epoch": 2, "loss": 0.25}]
    assert progress.events == [{"event": "begun"}]
    assert progress_of("", None).rows == []


@pytest.mark.parametrize(
    ("line", "words", "share"),
    [
        ("training pictures: 21/24  0:00:21, 0:00:03 left", "training pictures: 21/24", 21 / 24),
        ("training: 12%  epoch 2/30 loss 0.51  0:00:12, 0:01:28 left", "training: 12%  epoch 2/30 loss 0.51", 0.12),
        ("reading: so far  0:00:12", "reading: so far", None),
        ("restyled.png: 4/60  content 0.4  0:00:39, 0:09:00 left", "restyled.png: 4/60  content 0.4", 4 / 60),
    ],
)
def test_how_far_a_job_is_is_read_from_its_line(line, words, share):
    about = "vgg16, head alone; 24 pictures to train on; about 0:00:21; into .studio/runs/x"
    progress = progress_of(f"{about}\n{line}\n", None)
    assert (progress.words, progress.share) == (words, share)
    assert progress.about == "vgg16, head alone; 24 pictures to train on; about 0:00:21"


def test_how_good_a_classifier_became_is_a_sentence(client, app, project):
    assert verdict_of("6 pictures: top-1 83.3%, macro-F1 0.8\n").endswith("it classified 5 correctly.")
    assert verdict_of("1,200 pictures: top-1 50.0%, x").startswith("Of 1,200 validation pictures")
    assert verdict_of("nothing was measured") == ""


def test_labels_that_are_taken_away_are_no_search_for_wrong_ones(waiting, client, app, model):
    client.post("/take/labels", data={"model": model, "pictures": "photos"})
    job = app.state.queue.jobs()[0]
    with app.state.database.writing() as connection:
        connection.execute("UPDATE job SET state = 'done' WHERE id = ?", (job.id,))
    page = client.get(f"/jobs/{job.id}").text
    assert "Download" in page and "Look at what was found" not in page
    assert outcome(job.kind, 1, "", of_studio=False)[0] == "failed"


def test_the_page_of_a_job_follows_it(client, app):
    number = app.state.queue.add("blur", "<script>alert(1)</script>", ["blur", "no.png", "b.png", "--sigma", "2"])
    over(app.state.queue, number)
    page = client.get(f"/jobs/{number}").text
    assert "&lt;script&gt;" in page and "<script>alert" not in page
    assert "no.png: need " in page and "convolens blur no.png b.png --sigma 2" in page
    events = client.get(f"/jobs/{number}/events").text
    assert events.startswith("event: over\ndata: ") and "failed" in events
    assert client.get("/jobs/999/events").status_code == 400


def test_jobs_go_on_where_somebody_else_wrote_for_long(queue, monkeypatch):
    monkeypatch.setattr("convolens.studio.database.PATIENCE", 0.1)
    number = queue.add("blur", "Blur", ["blur", "photos/dark/0.png", ".studio/soft.png", "--sigma", "2"])
    with queue.database.writing(), queue:
        time.sleep(0.5)
        assert queue.thread.is_alive()
    with queue:
        assert over(queue, number).state == "done"
