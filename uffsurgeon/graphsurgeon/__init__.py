"""TensorFlow graphs, edited node by node: NVIDIA's graphsurgeon without NVIDIA's package.

Names, arguments and results are those of graphsurgeon 0.4.1, which JetPack 4.2 to 5.1 and the archives of TensorRT 5 to 8
contain, so that one import line decides which of the two a program works with:

    >>> from uffsurgeon import graphsurgeon as gs
    >>> graph = gs.DynamicGraph("box3d.pb")
    >>> nodes = graph.find_nodes_by_op("LeakyRelu")
    >>> graph.collapse_namespaces({node.name: gs.create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
    ...                            for node in nodes})
    >>> len(graph.find_nodes_by_op("LeakyRelu")), len(graph.find_nodes_by_op("LReLU_TRT"))
    (0, 5)

A graph works on the GraphDef that it is given, not on a copy. A call that raises has changed nothing. uffsurgeon/README.md
lists the differences from NVIDIA's version.
"""
from . import extras
from .dynamic_graph import DynamicGraph, remove_duplicates
from .nodes import create_node, create_plugin_node, extract_numpy_array, shape, update_node
from .static_graph import StaticGraph

__version__ = "0.4.1"
__all__ = ["DynamicGraph", "StaticGraph", "create_node", "create_plugin_node", "extras",
           "extract_numpy_array", "remove_duplicates", "shape", "update_node"]
