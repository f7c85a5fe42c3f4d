"""NVIDIA's graphsurgeon and uff without NVIDIA's packages, and UFF as ONNX.

    from uffsurgeon import graphsurgeon as gs, uff, to_onnx

    graph = gs.DynamicGraph("frozen.pb")
    uff.from_tensorflow(graph.as_graph_def(), ["output"], output_filename="frozen.uff")
    to_onnx.convert("frozen.uff", "frozen.onnx")

Nothing is imported here: each of the three names brings only what it needs, and none of them TensorFlow.
"""
__version__ = "1.0.0"
