"""What tells models apart, wherever they are: a digest of their weights."""

from __future__ import annotations

import hashlib

from convolens.exported import ExportedModel


def fingerprint(model: object) -> str:
    """A hash of the model's weights, or of an exported one's file: the same for the same model, wherever it is."""
    if isinstance(model, ExportedModel):
        return model.fingerprint
    import torch  # only here: exported models do without

    assert isinstance(model, torch.nn.Module)
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
