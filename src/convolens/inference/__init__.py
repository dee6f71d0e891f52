"""What a trained model predicts for files and folders: predictions, explanations, restyled pictures."""

from convolens.errors import need_networks

need_networks()
