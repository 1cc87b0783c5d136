"""The zoo's networks by name; without PyTorch, for who only wants to name them."""

# Blocks in each of the four stages, for 224x224 pixels.
IMAGENET: dict[str, tuple[int, int, int, int]] = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
}
# Blocks in each of the three stages, their channels, and pixels.
CIFAR: dict[str, tuple[int, tuple[int, int, int], int]] = {
    "resnet20": (3, (16, 32, 64), 32),
    "resnet32": (5, (16, 32, 64), 32),
    "resnet44": (7, (16, 32, 64), 32),
    "resnet56": (9, (16, 32, 64), 32),
    # 0.8 million multiply-accumulates: for quick tests and slow simulators.
    "resnet8": (1, (8, 16, 32), 16),
}
NAMES = (*IMAGENET, *CIFAR)
