"""What several processes do together, each a `python several.py FOLDER`, started as `torchrun` would."""

import json
import sys
from pathlib import Path

import torch
from torch import nn

import convolens as cl
from convolens.distributed import joined
from convolens.training.loop import fit
from convolens.training.sync_norm import synchronized
from tests.training import toy

TWENTY_STEPS = {"epochs": 4, "batch": 8, "optimizer": "sgd", "ema": None, "precision": "float32"}
TASKS = ("classify", "localize", "detect")


def norm_and_input(dtype):
    """A batch norm with weights that are not 1 and 0, a batch of 6, and a loss's gradient at its output."""
    torch.manual_seed(3)
    norm = nn.BatchNorm2d(4, momentum=0.3).to(dtype)
    norm.weight.data.uniform_(0.5, 2)
    norm.bias.data.normal_()
    return norm, (torch.randn(6, 4, 3, 5) * 2 + 7).to(dtype), torch.randn(6, 4, 3, 5).to(dtype)


def passed(norm, x, g):
    """What a norm makes of x in training, and of g on the way back."""
    x = x.clone().requires_grad_()
    y = norm(x)
    y.backward(g)
    return {"y": y.detach(), "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad,
            "mean": norm.running_mean, "variance": norm.running_var, "count": norm.num_batches_tracked}  # fmt: skip


def norm_of_several(world):
    """The same norm, its batch in unequal parts."""
    norm, x, g = norm_and_input(torch.float64)
    mine = slice(0, 2) if world.leads else slice(2, 6)
    with synchronized(norm, world.size):
        found = passed(norm, x[mine], g[mine])
    return {name: torch.cat(world.gathered(value)) if name in "yx" else sum(world.gathered(value))
            if name in ("weight", "bias") else value for name, value in found.items()}  # fmt: skip


def counted_exchanges(accumulate, folder):
    """How often a training of one step hands gradients over, of a network that fits into one exchange."""
    task, count = toy.toy(8, norm=False), [0]
    all_reduce = torch.distributed.distributed_c10d._get_default_group().allreduce

    def hook(state, bucket):
        count[0] += 1
        future = all_reduce([bucket.buffer().div_(2)]).get_future()
        return future.then(lambda done: done.value()[0])

    wrapped = nn.parallel.DistributedDataParallel.__init__

    def init(self, *arguments, **options):
        wrapped(self, *arguments, **options)
        self.register_comm_hook(None, hook)

    nn.parallel.DistributedDataParallel.__init__ = init
    try:
        fit(task, toy.settings(**TWENTY_STEPS | {"epochs": 1, "accumulate": accumulate}), folder, progress=False)
    finally:
        nn.parallel.DistributedDataParallel.__init__ = wrapped
    return count[0]


def measured(folder, out):
    """What each task's model is found to be, and what trainings by pictures give."""
    found = {
        task: cl.evaluate(cl.load(folder / f"{task}.safetensors"), folder / task, batch=3, progress=False)
        for task in TASKS
    }
    shared = {"trunk": "resnet18", "progress": False, "width": 0.125, "device": "cpu"}
    head = cl.train("classify", folder / "classify", stem="small", size=32, validation=folder / "classify",
                    finetune="head", batch=4, out=out / "head", **shared)  # fmt: skip
    run = cl.train("detect", folder / "detect", size=64, epochs=2, batch=8, lr=1e-3, validation=folder / "detect",
                   optimizer="sgd", precision="float32", sync_norm=True, zoom_out=1.0, out=out / "run",
                   **shared)  # fmt: skip
    return found | {"head": head.metrics, "run": run.metrics, "skipped": [str(one.path) for one in head.skipped]}


def main(folder):
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as world:
        found = {"exchanges": [counted_exchanges(parts, made(folder / f"{parts} parts")) for parts in (1, 4)]}
        norm = norm_of_several(world)
        for name, options in (("fixed", {"norm": False}), ("live", {"dropout": False})):
            settings = toy.settings(**TWENTY_STEPS, sync_norm=name == "live")
            fit(toy.toy(40, **options), settings, made(folder / name), progress=False)
        found |= measured(folder, made(folder / "several"))
        (folder / f"found-{world.rank}.json").write_text(json.dumps(found, default=str))
        torch.save(norm, folder / f"norm-{world.rank}.pt")


def made(folder):
    folder.mkdir(exist_ok=True)
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]))
