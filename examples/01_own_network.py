"""A PyTorch network of one's own, from training to the RTL.

In the repository's folder: .venv/bin/python examples/01_own_network.py
"""

# %% The network is in small_resnet.py: any nn.Module of the operators in docs/network.md.
from pathlib import Path

import digits
import torch
from small_resnet import SmallResNet

from resarray.cli.main import run

OUT = Path("build/examples")
OUT.mkdir(parents=True, exist_ok=True)

# %% Train it, as always in PyTorch, and save its state dictionary.
torch.manual_seed(0)
model = SmallResNet()
digits.train(model, steps=300)
print(f"float, held-out digits: {digits.accuracy(model):.1%}")
weights = OUT / "small_resnet.pth"
torch.save(model.state_dict(), weights)

# %% What int8 costs. The integer network is what the RTL will give, bit for bit.
NETWORK = ["--model", "examples/small_resnet.py:build", "--weights", str(weights)]
assert run(["accuracy", *NETWORK, "--images", "digits"]) == 0

# %% On the RTL: quantised, compiled, simulated, every tensor compared. 0: all values are equal.
result = OUT / "own_network.json"
options = ["--images", "digits", "--preset", "tiny", "--json", str(result)]
assert run(["sim", *NETWORK, *options]) == 0

# %% The same as a page.
assert run(["report", str(result), "--out", str(OUT / "own_network")]) == 0
