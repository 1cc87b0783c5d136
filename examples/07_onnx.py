"""An ONNX file that was quantised elsewhere, run with the scales that are in it.

Needs the extra [onnx] and onnxruntime. In the repository's folder:
.venv/bin/python examples/07_onnx.py
"""

# %% Train a network and export it, as PyTorch does it.
from pathlib import Path

import digits
import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from small_resnet import SmallResNet

import resarray

OUT = Path("build/examples")
OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
model = SmallResNet()
digits.train(model, steps=200)
image = torch.zeros(1, 1, 8, 8)
names = {"input_names": ["image"], "dynamic_axes": {"image": {0: "N"}}}
torch.onnx.export(model, (image,), str(OUT / "float.onnx"), dynamo=False, **names)


# %% Quantise it with ONNX Runtime: QuantizeLinear and DequantizeLinear (QDQ) with their scales.
class Samples(CalibrationDataReader):
    """The images that ONNX Runtime measures ranges on."""

    def __init__(self) -> None:
        self.left = iter(digits.load("digits-train")[0][:64].numpy())

    def get_next(self) -> dict[str, np.ndarray] | None:
        found = next(self.left, None)
        return None if found is None else {"image": found[None]}


path = OUT / "quantised.onnx"
quantize_static(OUT / "float.onnx", path, Samples(), quant_format=QuantFormat.QDQ, per_channel=True)

# %% Can it run, and how fast? All that could not would be listed, with its reasons.
network = resarray.load(path, mean=0.5, std=0.5)
print(network.inspect(["tiny", "25f"]))

# %% Nothing is measured again: the file's scales and zero points hold.
quantised = network.quantise()
for name in (quantised.graph.input, quantised.graph.output):
    tensor = quantised.graph.tensors[name]
    print(f"{name}: scale {tensor.scale:.6f}, zero point {tensor.zero_point}")

# %% On the RTL, every tensor compared with the integer golden model.
images, labels = digits.load("digits")
program = quantised.compile("tiny")
simulated = program.simulate(images[:1].numpy())
print(simulated)
assert simulated.exact

# %% The golden model, and so the RTL, beside ONNX Runtime's own execution of the file.
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
theirs = session.run(None, {"image": images.numpy()})[0]
golden = quantised.golden(images.numpy())
ours = golden.expected[quantised.graph.output][:, :, 0, 0].astype(int)
steps = np.rint(theirs / tensor.scale) + tensor.zero_point
print(f"the same class on {(ours.argmax(1) == steps.argmax(1)).mean():.2%} of {len(ours)} images")
print(f"largest difference of an output: {np.abs(ours - steps).max():.0f} steps of int8")
print(f"right: {(ours.argmax(1) == labels.numpy()).mean():.2%}")
