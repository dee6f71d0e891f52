"""How good a model is, and its explanations: a file for each task, the mistakes, a page."""

from convolens.torch_loading import need_networks

need_networks()
