"""MobileNetV2, with torchvision's parameter names."""

import torch
from torch import Tensor, nn

# Expansion, channels, blocks, stride of the first block.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, FEATURES = 32, 1280


def _layer(in_channels: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1):
    """Convolution, batch norm and ReLU6."""
    pad = kernel // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, stride, pad, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """To ``expansion`` times the channels, a depthwise 3x3 convolution, and back without an
    activation; a shortcut where the shape stays."""

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int):
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = [_layer(in_channels, hidden)] if expansion > 1 else []
        layers += [
            _layer(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """float [N, 3, H, W], H and W >= 32."""

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        layers: list[nn.Module] = [_layer(3, STEM, 3, 2)]
        channels = STEM
        for expansion, width, blocks, first in STAGES:
            for number in range(blocks):
                stride = 1 if number else first
                layers.append(InvertedResidual(channels, width, stride, expansion))
                channels = width
        layers.append(_layer(channels, FEATURES))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(FEATURES, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x).mean((2, 3)), 1))
