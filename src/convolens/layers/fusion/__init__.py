"""Layers that run as one: a convolution with what follows it, rows of layers, whole traced networks."""
