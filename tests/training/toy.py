"""A task small enough that a training takes a moment: which of two blobs is brighter. No files, no trunk."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy

from convolens.errors import ConvolensError
from convolens.training.loop import fit
from convolens.training.settings import Settings
from convolens.training.task import TrainingTask, stacked


def toy(count=48, **options):
    """The task of telling such pictures apart."""
    blobs = Blobs(count, **options)
    return TrainingTask(
        blobs.model, blobs, blobs, blobs, blobs.validation_count, "accuracy", blobs.measure, blobs.save,
        {"trunk": "toy", "class_names": ["left", "right"]},
    )  # fmt: skip


class Blobs:
    """Pictures of noise, brighter on the left or on the right."""

    def __init__(self, count=48, *, norm=True, dropout=True, bad=(), poison=(), seed=0):
        self.count, self.bad, self.poison = count, set(bad), set(poison)
        self.validation_count = 1
        torch.manual_seed(seed)
        self.model = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2) if norm and dropout else nn.Identity(),
            nn.Linear(8 * 36, 2),
        )

    @property
    def layers(self):
        return [self.model[0], self.model[1]]

    def train(self, model):
        model.train()

    def __len__(self):
        return self.count

    def sample(self, number, generator):
        if number in self.bad:
            return None
        picture, label = self._picture(number)
        picture = picture + generator.normal(0, 0.05, picture.shape)
        if number in self.poison:
            picture[0, 0, 0] = np.nan
        return {"picture": torch.tensor(picture, dtype=torch.float32), "label": torch.tensor(label)}

    def name(self, number):
        return f"blob {number}"

    def collate(self, samples):
        return stacked(samples)

    def prepare(self, batch, generator):
        return batch

    def counts(self, batch):
        return {"class": float(len(batch["label"]))}

    def losses(self, network, batch):
        return {"class": cross_entropy(network(batch["picture"]), batch["label"], reduction="sum")}

    def measure(self, model):
        model.eval()
        pictures, labels = zip(*(self._picture(number) for number in range(1000, 1040)), strict=True)
        with torch.no_grad():
            named = model(torch.tensor(np.array(pictures), dtype=torch.float32)).argmax(1)
        return {"accuracy": float((named == torch.tensor(labels)).float().mean())}

    def save(self, model, path, metrics):
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)

    def _picture(self, number):
        random = np.random.default_rng([7, number])
        picture, label = random.normal(0, 0.3, (1, 6, 6)), number % 2
        picture[:, :, 3 * label : 3 * label + 3] += 0.5
        return picture, label


def settings(**changes):
    return Settings(**{"epochs": 3, "batch": 8, "checkpoint_seconds": 0.0, "ema": 0.9, "lr": 0.01, **changes})


FIVE_STEPS = {"epochs": 1, "optimizer": "sgd", "ema": None, "precision": "float32"}


class CountedNorm(nn.BatchNorm2d):
    """Notes how many pictures each batch has in training."""

    def __init__(self, channels):
        super().__init__(channels)
        self.sizes = []

    def forward(self, x):
        if self.training:
            self.sizes.append(len(x))
        return super().forward(x)


def counted(count, **options):
    task = toy(count, **options)
    task.model[1] = CountedNorm(8)
    return task


def count_in_one_of_several(folder, request):
    """Trains as the request says, and leaves the sizes of this process's batches, or why there are none."""
    task = counted(request["count"], bad=request["bad"])
    try:
        fit(task, Settings(epochs=2, workers=1, batch=request["batch"]), folder, progress=False)
        found = task.model[1].sizes
    except ConvolensError as error:
        found = str(error)
    (folder / f"sizes-{os.environ['RANK']}.json").write_text(json.dumps(found))


if __name__ == "__main__":  # python toy.py FOLDER [several]: for tests that kill it, or start several of it
    torch.set_num_threads(1)
    if sys.argv[2:] == ["several"]:  # a norm's statistics would be each process's own
        fit(toy(40, norm=False), settings(**FIVE_STEPS), Path(sys.argv[1]), progress=False)
        for thread in Path("/proc/self/task").glob("*/comm"):
            print(thread.read_text().strip(), file=sys.stderr)
    elif sys.argv[2].startswith("{"):
        count_in_one_of_several(Path(sys.argv[1]), json.loads(sys.argv[2]))
    else:
        fit(toy(), settings(epochs=int(sys.argv[2])), Path(sys.argv[1]), resume=True, progress=False)
