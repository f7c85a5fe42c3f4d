"""The parts of `helpers.uff.to_onnx`: which ONNX nodes a UFF operation becomes, and in which
layout.

`graph` keeps every tensor in two layouts and two precisions, `sizes` and `folding` what export can
know of shapes, `fields` reads UFF fields and lists the operations: `layers` (images, dense layers,
element by element), `axes` (inputs, constants; along and across axes), `plugins` (the rest).
"""
