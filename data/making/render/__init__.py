"""Street scenes for the workbook: generated from a seed, drawn with OpenGL, labelled exactly.

    from data.making.render import Renderer, objects, scene_from_seed
    scene = scene_from_seed(7)
    renderer = Renderer()                  # needs moderngl and an EGL driver
    image, ids = renderer.render(scene)    # uint8 [375, 1242, 3] RGB, uint8 [750, 2484] object ids
    labels = objects(scene, ids)           # KITTI fields, exact by construction

The workbook itself does not need this package: its sample scenes are in data/scenes, its trained weights in data/.
Modules, from the ground up: `mesh` (triangles), `textures` (surfaces), `bodies`, `dress`, `cars`, `lorries` and `vehicles`
(what drives), `plants`, `houses`, `furniture` and `street` (what stands), `scene` (what is where, in which light), `labels`,
`renderer`, and the two programs `samples` and `crops`.
"""


def __getattr__(name):
    """`Renderer`, `scene_from_seed` and `objects` imported on first use: labels and scenes need no OpenGL."""
    if name == "Renderer":
        from .renderer import Renderer

        return Renderer
    if name == "scene_from_seed":
        from .scene import scene_from_seed

        return scene_from_seed
    if name == "objects":
        from .labels import objects

        return objects
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
