"""The state dict in what a training script left, under torchvision's names.

Scripts put it beside other things (`state_dict`, `model`), keep a moving average beside it (`state_dict_ema`), and put
a prefix before every name: the attribute that held the network (`model.`, `backbone.`, `encoder_q.`), the wrapper that
trained it (`module.`, `_orig_mod.`). What is chosen out of several, or left out, is told in a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from convolens.errors import WeightsError
from convolens.media.notes import note
from convolens.trunks.weights.strict import some

State = dict[str, Tensor]

# Under these keys training scripts put a state dict beside other things; averaged ones first, as they are the better.
_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
_PLAIN = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
# Before every key: left by data-parallel training and by torch.compile.
_WRAPPERS = ("module.", "_orig_mod.")
_AVERAGED_MODELS = "n_averaged"  # how many models torch's AveragedModel has averaged; no part of the network
# The first convolution behind the stem of a ResNet, and of a VGG: what stands before these names is a prefix.
_ANCHORS = ("layer1.0.conv1.weight", "features.0.weight")
# Of several networks in one file the one that is meant to be used on.
_PREFERRED = ("encoder_q.", "online_encoder.", "teacher.", "student.")


def state_in(content: object, path: Path) -> Mapping[str, object]:
    """The mapping of names to tensors in what a file holds; what lies beside it is not looked at.

    Raises:
        WeightsError: there is none.
    """
    while isinstance(content, Mapping):
        found = [key for key in (*_AVERAGED, *_PLAIN) if isinstance(content.get(key), Mapping) and content[key]]
        if not found:
            break
        if found[0] in _AVERAGED and found[1:]:
            note(f"{path}: took the averaged weights ({found[0]}), not the plain ones beside them ({found[1]})")
        content = content[found[0]]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: need a state dict, got {type(content).__name__}")
    return content


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
    prefix = prefixes[0]
    if len(prefixes) > 1:
        known = [one for one in prefixes for word in _PREFERRED if word in one]
        if not known:
            raise WeightsError(
                f"{source}: need one network, got {len(prefixes)}, below {some(prefixes)}; save the one that is meant"
            )
        prefix = known[0]
    rest = [key for key in bare if not key.startswith(prefix)]
    if rest:
        note(
            f"{source}: took the {len(bare) - len(rest)} tensors below {prefix}, not {len(rest)} others ({some(rest)})"
        )
    return {key.removeprefix(prefix): value for key, value in bare.items() if key.startswith(prefix)}


def _prefixes(state: Mapping[str, Tensor]) -> list[str]:
    """What stands before the names that every trunk has, each once; empty text where nothing does."""
    found = (key.removesuffix(anchor) for key in state for anchor in _ANCHORS if key.endswith(anchor))
    return list(dict.fromkeys(prefix for prefix in found if not prefix or prefix.endswith(".")))


def _bare(key: str) -> str:
    while key.startswith(_WRAPPERS):
        key = key.partition(".")[2]
    return key
