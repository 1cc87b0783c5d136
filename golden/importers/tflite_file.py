"""TFLite files: networks of full integers, as MLPerf Tiny has them, and of floats."""

from pathlib import Path

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import Shape
from resarray.spec.errors import ResarrayError

from .files import ModelFile
from .tflite_model import read_model
from .tflite_ops import read_operator, unreadable
from .tflite_reader import Reader, input_shape, left_out, live


def open_file(path: Path) -> ModelFile:
    """The network in a file; `ResarrayError` where it is none that can be read."""
    model = live(read_model(path))
    try:
        channels, height, width = input_shape(model)
    except ResarrayError as error:
        raise ResarrayError(f"model '{path}': {error}") from error

    def read(shape: Shape) -> FloatGraph:
        return Reader(model, shape).read(read_operator, unreadable)

    warnings = tuple(
        f"model '{model.name}': {op.kind} at its end is left out, since it does not change the "
        "class: the output is what it reads"
        for op in left_out(model)
    )
    made = {number for op in model.operators for number in op.outputs}
    quantised = any(model.tensors[number].scale is not None for number in made)
    return ModelFile(model.name, channels, (height, width), read, quantised, warnings)
