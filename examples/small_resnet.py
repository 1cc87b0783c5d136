"""A residual network of one's own, as ``--model examples/small_resnet.py:build`` takes it."""

from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut: [N, C, H, W] to the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + x)


class SmallResNet(nn.Module):
    """Digits of 8x8 pixels: float [N, 1, 8, 8] to logits [N, 10]."""

    # What the accelerator must know of the images: as in training.
    input_size, mean, std = 8, 0.5, 0.5

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.block1 = Block(8)
        self.down = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.block2 = Block(16)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block1(functional.relu(self.stem(x)))
        x = self.block2(functional.relu(self.down(x)))
        return self.fc(x.mean((2, 3)))


def build() -> nn.Module:
    return SmallResNet()
