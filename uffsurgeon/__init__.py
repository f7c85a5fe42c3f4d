"""NVIDIA's graphsurgeon and uff without NVIDIA's packages, and UFF to ONNX.

    from uffsurgeon import graphsurgeon as gs, uff, to_onnx

    graph = gs.DynamicGraph("frozen.pb")
    uff.from_tensorflow(graph.as_graph_def(), ["output"], output_filename="frozen.uff")
    to_onnx.convert("frozen.uff", "frozen.onnx")

This module imports nothing; graphsurgeon, uff and to_onnx import what they need, and none of them TensorFlow.
"""
__version__ = "1.0.0"
