"""TensorFlow graphs, taken apart and put together: NVIDIA's graphsurgeon, open and told.

The names, arguments and results are those of `graphsurgeon` 0.4.1, which JetPack 4.2 to 5.1 and the
TensorRT 5 to 8 archives carry, so one import line decides which of the two a notebook works with:

    >>> graph = DynamicGraph("box3d.pb")
    >>> node = graph.find_nodes_by_op("LeakyRelu")[0]
    >>> plugin = create_plugin_node(node.name, op="LReLU_TRT", negSlope=node.attr["alpha"].f)
    >>> graph.collapse_namespaces({node.name: plugin})

A graph works on the GraphDef that it is given, not on a copy. What NVIDIA's version lets pass in
silence is told here, and a call that raises has changed nothing:

| case | here |
|---|---|
| a namespace that matches no node, a name that is no node | ValueError, nearest names |
| `exclude_nodes` | works, with NodeDefs and names |
| a plugin's name is taken, two plugins share one name, collapsing makes a cycle | ValueError |
| a consumer reads one tensor of the namespace twice (`Mul(x, x)`) | it still does |
| a namespace hands out several tensors; a plugin has one output | warning |
| `^x`, `x:0` and `x:1` of a collapsed or removed node | rewired or removed like `x` |
| removing or forwarding leaves a node with fewer operands | warning |
| forwarding a node whose second output is read | ValueError |
| `append`, `connect`... leave the analysis (`node_map`, ...) stale | it is always fresh |
| a NumPy array as attribute has no dtype | it has |
"""
from . import extras
from .dynamic_graph import DynamicGraph, remove_duplicates
from .nodes import create_node, create_plugin_node, extract_numpy_array, shape, update_node
from .static_graph import StaticGraph

__version__ = "0.4.1"
__all__ = ["DynamicGraph", "StaticGraph", "create_node", "create_plugin_node", "extras",
           "extract_numpy_array", "remove_duplicates", "shape", "update_node"]
