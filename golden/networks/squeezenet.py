"""SqueezeNet 1.1, with torchvision's parameter names."""

import torch
from torch import Tensor, nn

from .layers import ConvRelu

# In channels, squeezed to, expanded to by each of two convolutions; None: a max pool.
LAYERS = (
    None,
    (64, 16, 64),
    (128, 16, 64),
    None,
    (128, 32, 128),
    (256, 32, 128),
    None,
    (256, 48, 192),
    (384, 48, 192),
    (384, 64, 256),
    (512, 64, 256),
)
FEATURES = 512


class Fire(nn.Module):
    """A 1x1 convolution to few channels; a 1x1 and a 3x3 convolution of these, concatenated."""

    def __init__(self, in_channels: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = ConvRelu(in_channels, squeezed, 1)
        self.expand1x1 = ConvRelu(squeezed, expanded, 1)
        self.expand3x3 = ConvRelu(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1)


class SqueezeNet(nn.Module):
    """float [N, 3, H, W], H and W >= 32. Its classifier is a 1x1 convolution, whose pixels are
    averaged."""

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU()]
        for layer in LAYERS:
            layers.append(Fire(*layer) if layer else nn.MaxPool2d(3, 2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(FEATURES, num_classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)
