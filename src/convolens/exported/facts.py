"""What an exported file says of its model: texts of JSON under `convolens.…` in ONNX's `metadata_props`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from convolens.errors import WeightsError

FORMAT = 1  # of these facts; a later one may mean others
PREFIX = "convolens."
_LATER = ("int8", "grid")  # facts that files of earlier versions have not
PICTURE, PICTURES, BATCH = "picture", "pictures", "batch"  # names of inputs


@dataclass(frozen=True)
class Facts:
    """What a file says of its model.

    Attributes:
        task: `classify`, `localize`, `detect`, `unusual`, `features` or `edges`.
        class_names: one for each class.
        takes: the input's name: `picture` (one, uint8), `pictures` (uint8) or `batch` (preprocessed, float32).
        preprocessing: as `Preprocessing.to_dict` has it; it is part of the graph, unless the input is `batch`.
        least_side: pixels that each side of a picture must have.
        multi_label: whether a picture may show any number of classes.
        metrics: what was measured on pictures that the model was not trained on.
        check: how many pictures the file was compared with the model on, and the largest difference of each kind.
        version: of the Convolens that wrote it.
        format: of these facts.
        int8: where the network was brought to 8 bits: `metric`, `before` and `after` it, the `pictures` that it was
            measured on. `check` is of the network before. Files of earlier versions have none.
        grid: of an inspector, where its places are in the network's input, as `heatmaps.Grid` has it.
    """

    task: str
    class_names: list[str]
    takes: str
    preprocessing: dict[str, Any]
    least_side: int
    multi_label: bool
    metrics: dict[str, Any]
    check: dict[str, Any]
    version: str
    format: int = FORMAT
    int8: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, Any] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """As ONNX keeps them."""
        return {PREFIX + name: json.dumps(value, ensure_ascii=False) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, metadata: Mapping[str, str], path: Path) -> Facts:
        """The inverse of `to_metadata`, for a file; every fact is checked by its kind.

        Raises:
            WeightsError: not a file of ours, of a later version, or a fact is missing or of another kind.
        """
        if PREFIX + "format" not in metadata:
            raise WeightsError(
                f"{path}: need a model that Convolens exported, got an ONNX file without its facts; "
                "export the model by convolens export"
            )
        version = _value(metadata, "format", int, path)
        if not 1 <= version <= FORMAT:
            raise WeightsError(
                f"{path}: need facts of version {FORMAT} or earlier, got {version}; a newer Convolens may read it"
            )
        kinds = get_type_hints(cls)
        said = [one.name for one in fields(cls) if one.name not in _LATER or PREFIX + one.name in metadata]
        facts = cls(**{name: _value(metadata, name, kinds[name], path) for name in said})
        if not all(isinstance(name, str) for name in facts.class_names):
            raise WeightsError(f"{path}: need class_names as texts, got {facts.class_names!r:.80}")
        return facts


def _value(metadata: Mapping[str, str], name: str, kind: Any, path: Path) -> Any:
    wanted = get_origin(kind) or kind
    try:
        value = json.loads(metadata[PREFIX + name])
    except KeyError:
        raise WeightsError(f"{path}: need {name} in its metadata, found none; export the model again") from None
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: its {name} is not JSON: {error}; export the model again") from error
    if type(value) is not wanted:
        raise WeightsError(f"{path}: need {name} as {wanted.__name__}, got {value!r:.80}; export the model again")
    return value
