"""The definition of a convolution layer, in float64 NumPy: a sum over the kernel's cells, nothing clever."""

import numpy as np


def convolution(x, weight, bias, stride, before, after, dilation, groups):
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    padded = np.pad(x, ((0, 0), (0, 0), (before[0], after[0]), (before[1], after[1])))
    filters, per_group, rows, columns = weight.shape
    height = (padded.shape[2] - dilation[0] * (rows - 1) - 1) // stride[0] + 1
    width = (padded.shape[3] - dilation[1] * (columns - 1) - 1) // stride[1] + 1
    y = np.zeros((x.shape[0], filters, height, width))
    for f in range(filters):
        first = f // (filters // groups) * per_group
        for r in range(rows):
            for c in range(columns):
                top, left = r * dilation[0], c * dilation[1]
                seen = padded[
                    :, first : first + per_group, top : top + stride[0] * height : stride[0],
                    left : left + stride[1] * width : stride[1],
                ]  # fmt: skip
                y[:, f] += np.einsum("nchw,c->nhw", seen[:, :, :height, :width], weight[f, :, r, c])
    return y if bias is None else y + np.asarray(bias, np.float64)[None, :, None, None]
