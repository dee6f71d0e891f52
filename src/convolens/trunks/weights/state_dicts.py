"""The state dict in what a training script left, under torchvision's names.

Scripts put it beside other things under whatever key (`state_dict`, `model`, `params`), keep a moving average beside it
(`state_dict_ema`), and put a prefix before every name: the attribute that held the network (`model.`, `backbone.`,
`encoder_q.`), the wrapper that trained it (`module.`, `_orig_mod.`). It is told by its content: names that end in
`.weight`, each with a tensor. What is chosen out of several, or left out, is told in a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from convolens.errors import WeightsError
from convolens.media.notes import note
from convolens.trunks.weights.strict import some

State = dict[str, Tensor]
Where = tuple[str, ...]  # the keys that lead to a state dict

# Of several weights the averaged ones are taken, as they are the better: words in keys and prefixes. Then those under a
# key as most scripts call what is no average, and of several networks the one that is meant to be used on.
_AVERAGED = ("ema", "swa", "averaged", "average", "avg", "shadow")
_MEANT = ("encoder_q", "base_encoder", "online_encoder", "online_network", "teacher", "student")
_PLAIN = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "module", "params")
_BEST = ("best",)
# Before every key: left by data-parallel training and by torch.compile.
_WRAPPERS = ("module.", "_orig_mod.")
_AVERAGED_MODELS = "n_averaged"  # how many models torch's AveragedModel has averaged; no part of the network
# The first convolution behind the stem of a ResNet, and of a VGG: what stands before these names is a prefix.
_ANCHORS = ("layer1.0.conv1.weight", "features.0.weight")
_DEEPEST = 6  # containers within containers that are looked into
_LONGEST = 16  # entries of a list that are; an optimizer's are many, and no networks


def state_in(content: object, path: Path) -> State:
    """The tensors by their names in what a file holds.

    A note says which of several state dicts was taken, and what beside the tensors was passed over.

    Raises:
        WeightsError: there is none; or there are several, and none of them is known to be the one.
    """
    found = dict(_state_dicts(content, (), set()))
    with_anchors = {where: state for where, state in found.items() if any(map(_is_anchor, state))}
    chosen = _chosen(list(with_anchors or found), path)
    _mention_nameless(content, list(found), path)
    state = content if chosen is None else found[chosen]
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(f"{path}: need a state dict, got {type(state).__name__}")
    tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    strangers = [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
    if strangers and not any(key.endswith(".weight") for key in tensors):
        raise WeightsError(f"{path}: need a state dict of tensors only, got {some(strangers)} besides")
    if strangers:
        note(f"{path}: passed over what is no tensor among the weights: {some(strangers)}")
    return tensors


def without_prefix(state: Mapping[str, Tensor], source: object) -> State:
    """The tensors of the network in it, by the network's own names.

    A note says what lay outside the prefix, or which of several networks was taken.

    Raises:
        WeightsError: several networks, and none of them is known to be the one.
    """
    bare = {_bare(key): value for key, value in state.items() if key != _AVERAGED_MODELS}
    prefixes = _prefixes(bare)
    if not prefixes or "" in prefixes or "backbone.scale_weight" in bare:  # the last is torchvision's SSD, as a whole
        return bare
    prefix = _only(prefixes, plain=False)
    if prefix is None:
        raise WeightsError(
            f"{source}: need one network, got {len(prefixes)}, below {some(prefixes)}; save the one that is meant"
        )
    rest = [key for key in bare if not key.startswith(prefix)]
    if rest:
        note(
            f"{source}: took the {len(bare) - len(rest)} tensors below {prefix}, not {len(rest)} others ({some(rest)})"
        )
    return {key.removeprefix(prefix): value for key, value in bare.items() if key.startswith(prefix)}


def _state_dicts(content: object, where: Where, seen: set[int]) -> Iterator[tuple[Where, Mapping[object, object]]]:
    """Every state dict in nested containers, which may hold themselves, with the keys that lead to it."""
    if id(content) in seen or len(where) > _DEEPEST:
        return
    seen.add(id(content))
    if isinstance(content, Mapping):
        if any(isinstance(key, str) and key.endswith(".weight") and isinstance(value, Tensor)
               for key, value in content.items()):  # fmt: skip
            yield where, content
        inner = [(str(key), value) for key, value in content.items()]
    elif isinstance(content, list | tuple):
        inner = [(str(at), value) for at, value in enumerate(content[:_LONGEST])]
    else:
        return
    for key, value in inner:
        yield from _state_dicts(value, (*where, key), seen)


def _chosen(places: list[Where], path: Path) -> Where | None:
    """Of the places of state dicts the one that is meant, with a word on the others; None where there is none."""
    if not places:
        return None
    by_name = {".".join(where): where for where in places}
    name = _only(list(by_name), plain=True)
    if name is None:
        raise WeightsError(
            f"{path}: need one state dict, got {len(places)} ({some(list(by_name))}); save the one that is meant"
        )
    others = [one for one in by_name if one != name]
    if others:
        averaged = "averaged weights" if any(_says(name, word) for word in _AVERAGED) else "weights"
        note(f"{path}: took the {averaged} ({name}), not the others beside them ({some(others)})")
    return by_name[name]


def _mention_nameless(content: object, places: list[Where], path: Path) -> None:
    """A word on averages that are kept as a list, in the order of the parameters, as torch_ema does."""
    if isinstance(content, Mapping):
        with_names = {where[0] for where in places if where}
        averaged = {str(key): value for key, value in content.items() if any(_says(str(key), one) for one in _AVERAGED)}
        lost = [key for key, value in averaged.items() if key not in with_names and _lists_tensors(value)]
        if lost:
            note(f"{path}: holds averaged weights without names ({some(lost)}), which are not taken")


def _lists_tensors(value: object) -> bool:
    inner = [value, *value.values()] if isinstance(value, Mapping) else [value]
    return any(isinstance(one, list | tuple) and len(one) > 0 and isinstance(one[0], Tensor) for one in inner)


def _only(names: list[str], *, plain: bool) -> str | None:
    """The one of several networks' names that is meant; None where none of them is known to be."""
    left = names
    groups = ((_AVERAGED, _says), (_PLAIN if plain else (), _is_in), (_MEANT, _is_in), (_BEST, _says))
    for words, fits in groups:
        for word in words:
            if len(left) > 1:
                left = [name for name in left if fits(name, word)] or left
    return left[0] if len(left) == 1 else None


def _says(name: str, word: str) -> bool:
    """Whether a word occurs in a dotted name: `model_ema.module.` says `ema`."""
    return word in re.split(r"[^a-z0-9]+", name.lower())


def _is_in(name: str, word: str) -> bool:
    """Whether a word is a part of a dotted name."""
    return word in name.split(".")


def _is_anchor(key: object) -> bool:
    return isinstance(key, str) and key.endswith(_ANCHORS)


def _prefixes(state: Mapping[str, Tensor]) -> list[str]:
    """What stands before the names that every trunk has, each once; empty text where nothing does."""
    found = (key.removesuffix(anchor) for key in state for anchor in _ANCHORS if key.endswith(anchor))
    return list(dict.fromkeys(prefix for prefix in found if not prefix or prefix.endswith(".")))


def _bare(key: str) -> str:
    while key.startswith(_WRAPPERS):
        key = key.partition(".")[2]
    return key
