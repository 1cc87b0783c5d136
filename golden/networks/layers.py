"""What several networks have in common."""

from torch import Tensor, nn
from torch.nn import functional


def initialise(model: nn.Module) -> None:
    """Random weights of all convolutions, for ReLUs behind them."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ConvRelu(nn.Conv2d):
    """A convolution and ReLU."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.relu(super().forward(input))
