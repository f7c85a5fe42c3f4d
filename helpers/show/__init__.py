"""The pictures of the workbook: slices of graphs, boxes on the street, times, and a live view of a model file.

Each function returns a matplotlib Figure (`netron_view` an IFrame), so that a notebook shows it by naming it. Importing this
package imports neither matplotlib nor a graph library; the functions do when they are called.
"""
from .bars import layers, over_batches, plan_sizes, samples, timings
from .bits import formats
from .figures import alternative_text, describe
from .graphs import census, graph, graph_before_after, nodes
from .heading import angles
from .live import netron_view
from .network import architecture
from .objects import plan_objects
from .overview import road
from .plugin import answers, kernel_speed, over_lengths, plugin_life, thread_reads, threads
from .scene import before_after as scene_before_after
from .scene import boxes_on_scene, closeup

__all__ = ["alternative_text", "angles", "answers", "architecture", "boxes_on_scene", "census", "closeup", "describe",
           "formats", "graph", "graph_before_after", "kernel_speed", "layers", "netron_view", "nodes", "over_batches",
           "over_lengths", "plan_objects", "plan_sizes", "plugin_life", "road", "samples", "scene_before_after",
           "thread_reads", "threads", "timings"]
