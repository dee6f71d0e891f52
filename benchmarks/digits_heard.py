"""Spoken digits by espeak-ng's voices: a network taught from scratch, then by voices that it never heard.

    apt-get install espeak-ng
    python -m benchmarks.digits_heard make digits-heard
    convolens train classify digits-heard/train --minutes 5 --out digits-heard/run
    convolens evaluate digits-heard/run digits-heard/unseen
    python -m benchmarks.digits_heard recording digits-heard
    python -m benchmarks.digits_heard listen digits-heard
    python -m benchmarks.digits_heard point digits-heard
    apt-get install asterisk-core-sounds-en-wav
    python -m benchmarks.digits_heard real digits-heard
    convolens evaluate digits-heard/run digits-heard/real

30 voices, each a man's, woman's or other variant of an accent; 25 to train on, 5 never trained on. Each says each digit
at three speeds and two pitches. The unseen ones are measured clean and, in `unseen_noisy`, in noise of 10 to 25 dB.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbclan")
VARIANTS = [
    *("m1", "m2", "m3", "m4", "m5", "m7", "f1", "f2", "f3", "f4", "f5", "adam", "anika", "aunty", "belinda"),
    *("benjamin", "boris", "caleb", "david", "edward", "linda", "michael", "Alex", "Andrea", "Annie", "Gene"),
    *("Lee", "steph", "grandpa", "victor"),
]
VOICES = [f"{ACCENTS[at % len(ACCENTS)]}+{variant}" for at, variant in enumerate(VARIANTS)]
UNSEEN = [VOICES[at] for at in (3, 9, 17, 23, 27)]
SPEEDS, PITCHES = (130, 165, 205), (40, 60)


def spoken(word: str, voice: str, speed: int, pitch: int) -> tuple[np.ndarray, int]:
    """A word without the silence around it."""
    line = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    data = subprocess.run(line, capture_output=True, check=True).stdout
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    loud = np.flatnonzero(abs(samples) > 0.02 * abs(samples).max())
    return samples[loud[0] : loud[-1] + 1], rate


def in_noise(samples: np.ndarray, decibels: float, generator: np.random.Generator) -> np.ndarray:
    """With white noise so many dB below it."""
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-decibels / 20)
    return (samples + generator.normal(0, level, len(samples))).astype(np.float32)


def make(folder: Path) -> None:
    """Writes train, unseen and unseen_noisy: a folder for each digit."""
    generator = np.random.default_rng(0)
    for voice in VOICES:
        for word in WORDS:
            for speed in SPEEDS:
                for pitch in PITCHES:
                    samples, rate = spoken(word, voice, speed, pitch)
                    name = f"{word}/{voice.replace('+', '-')}-{speed}-{pitch}.wav"
                    parts = {"unseen": samples} if voice in UNSEEN else {"train": samples}
                    if voice in UNSEEN:
                        parts["unseen_noisy"] = in_noise(samples, generator.uniform(10, 25), generator)
                    for part, sound in parts.items():
                        (folder / part / word).mkdir(parents=True, exist_ok=True)
                        soundfile.write(folder / part / name, sound / max(1, abs(sound).max()), rate)


def recording(folder: Path, minutes: float = 30, words: int = 200) -> None:
    """Words of voices never trained on, at known times in half an hour of noise: recording.wav and recording.csv."""
    generator = np.random.default_rng(1)
    files = sorted((folder / "unseen").glob("*/*.wav"))
    rate = soundfile.info(files[0]).samplerate
    total = int(minutes * 60 * rate)
    sound = generator.normal(0, 0.003, total).astype(np.float32)
    rows, room = [], total // words
    for at in range(words):
        file = files[generator.integers(len(files))]
        samples, _ = soundfile.read(file, dtype="float32")
        first = at * room + int(generator.integers(0, room - len(samples) - rate // 4))
        sound[first : first + len(samples)] += samples * generator.uniform(0.3, 1.0)
        rows.append((first / rate, (first + len(samples)) / rate, file.parent.name))
    soundfile.write(folder / "recording.wav", sound / abs(sound).max(), rate)
    with (folder / "recording.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "start", "end", "label"])
        writer.writerows(("recording.wav", f"{start:.3f}", f"{end:.3f}", label) for start, end, label in rows)


def listen(folder: Path, onset: float = 0.05) -> None:
    """The pass over the recording beside its windows one by one: F1 of events, seconds, memory."""
    import resource

    import torch

    import convolens as cl
    from convolens.features.convolutionalize import convolutionalize

    model = cl.load(folder / "run")
    hearing = model.preprocessing.sound
    cl.listen(model, next((folder / "unseen").glob("*/*.wav")))  # what is made once is made
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    found = cl.listen(model, folder / "recording.wav")
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (folder / "recording.csv").open(encoding="utf-8") as stream:
        truth = [(float(row["start"]), row["label"]) for row in csv.DictReader(stream)]
    left, right = list(truth), 0
    for event in found.events:
        near = [one for one in left if one[1] == event.label and abs(one[0] - event.start) <= onset]
        right += bool(near)
        if near:
            left.remove(near[0])
    print(f"F1 {2 * right / (len(truth) + len(found.events)):.3f}, {right} right of {len(found.events)} events, "
          f"{len(truth)} words")  # fmt: skip
    started = time.perf_counter()
    picture = hearing.picture(*cl.read_audio(folder / "recording.wav"))
    heard = time.perf_counter() - started
    stride = convolutionalize(model, (hearing.bands, hearing.columns)).stride
    windows = [picture[:, at : at + hearing.columns] for at in range(0, picture.shape[1] - hearing.columns, stride)]
    some = windows[:: len(windows) // 500]
    started = time.perf_counter()
    for one in some:
        model.predict(one)
    each = (time.perf_counter() - started) / len(some) * len(windows)
    print(f"{seconds:.2f} s in one pass, {heard:.2f} s of it the spectrogram; {len(windows)} windows one by one "
          f"{each:.2f} s: {each / (seconds - heard):.1f} times the pass without the spectrogram, "
          f"{(each + heard) / seconds:.1f} times all of it")  # fmt: skip
    print(f"memory {before / 1024:.0f} MB before, at most {after / 1024:.0f} MB; {torch.get_num_threads()} threads")


def point(folder: Path, seconds: float = 3.0) -> None:
    """The pointing game in time: an unseen word somewhere in noise; is the explanation's hottest moment within it?"""
    import convolens as cl

    generator, model = np.random.default_rng(2), cl.load(folder / "run")
    files = sorted((folder / "unseen").glob("*/*.wav"))[::3]
    hits, shares = 0, 0.0
    for file in files:
        word, rate = soundfile.read(file, dtype="float32")
        sound = generator.normal(0, 0.003, int(seconds * rate)).astype(np.float32)
        first = int(generator.integers(0, len(sound) - len(word)))
        sound[first : first + len(word)] += word * 0.5
        soundfile.write(folder / "point.wav", sound, rate)
        why = cl.explain(model, folder / "point.wav", target=file.parent.name)
        hits += first / rate <= why.moment <= (first + len(word)) / rate
        shares += len(word) / rate / model.preprocessing.sound.seconds
    print(f"pointing game in time: {hits} of {len(files)}, {hits / len(files):.1%}; a moment drawn from what the "
          f"network takes at once hits {shares / len(files):.1%}")  # fmt: skip


def real(folder: Path) -> None:
    """The ten digits of Asterisk's prompts, a person's voice at 8 kHz, as a folder for each."""
    for number, word in enumerate(WORDS):
        (folder / "real" / word).mkdir(parents=True, exist_ok=True)
        source = Path("/usr/share/asterisk/sounds/en_US_f_Allison/digits") / f"{number}.wav"
        (folder / "real" / word / source.name).write_bytes(source.read_bytes())


if __name__ == "__main__":
    {"make": make, "recording": recording, "listen": listen, "point": point, "real": real}[sys.argv[1]](
        Path(sys.argv[2])
    )
