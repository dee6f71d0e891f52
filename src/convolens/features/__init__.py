"""What a trunk's taps are good for without training: scanning, tracing, learned edges, several heads on one trunk."""

from convolens.torch_loading import need_networks

need_networks()
