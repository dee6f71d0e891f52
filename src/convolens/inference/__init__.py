"""What a trained model predicts for files and folders: predictions, explanations, restyled pictures."""

from convolens.torch_loading import need_networks

need_networks()
