"""Random changes of training images, each image by itself."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """crop:   pixels of padding on each side, of which a part of the own size is cropped
    flip:   whether half of the images are mirrored
    colour: how much brightness, contrast and saturation change, as a fraction
    """

    crop: int = 0
    flip: bool = False
    colour: float = 0.0

    def pixels(self, x: Tensor, generator: Generator) -> Tensor:
        """Other colours of pixels [N][C][H][W] in [0, 1]."""
        if not self.colour:
            return x
        brightness, contrast, saturation = (
            1 + self.colour * (2 * torch.rand(len(x), 1, 1, 1, generator=generator) - 1)
            for _ in range(3)
        )
        x = x * brightness
        mean = x.mean((1, 2, 3), keepdim=True)
        x = mean + (x - mean) * contrast
        grey = x.mean(1, keepdim=True)
        return (grey + (x - grey) * saturation).clamp(0, 1)

    def places(self, x: Tensor, generator: Generator) -> Tensor:
        """Normalised images [N][C][H][W], moved, with zeros around them, and mirrored."""
        if self.flip:
            mirrored = torch.rand(len(x), generator=generator) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        if self.crop:
            count, _, height, width = x.shape
            padded = functional.pad(x, (self.crop,) * 4)
            y0, x0 = torch.randint(2 * self.crop + 1, (2, count), generator=generator)
            rows = (y0[:, None] + torch.arange(height))[:, :, None]
            columns = (x0[:, None] + torch.arange(width))[:, None, :]
            images = torch.arange(count)[:, None, None]
            x = padded.permute(0, 2, 3, 1)[images, rows, columns].permute(0, 3, 1, 2).contiguous()
        return x
