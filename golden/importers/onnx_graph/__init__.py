"""The nodes of an ONNX file, by kind; `reader` walks them, `operators` has the list of all."""
