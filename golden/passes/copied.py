"""A tensor once more, with a scale of its own."""

import torch

from resarray.golden.ops import FloatConv, FloatOp


def copied(name: str, read: str, output: str, channels: int, op: FloatOp) -> FloatConv:
    """``read``, of so many channels, as ``output``, for the sake of ``op``: a depthwise 1x1
    convolution with weights of one."""
    return FloatConv(
        name,
        (read,),
        output,
        torch.ones(channels, 1, 1, 1),
        torch.zeros(channels),
        groups=channels,
        own_range=True,
        origin=op.origin,
    )
