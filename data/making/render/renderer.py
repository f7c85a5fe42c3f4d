"""Draws a scene with OpenGL 3.3: geometry into buffers, then lighting, then the imperfections of a camera.

Works with any EGL driver, a GPU's or Mesa's software rasteriser. Images of two drivers differ in the last bits of a
few pixels. Boxes do not depend on the driver, visible fractions only in the fourth digit.
"""

import contextlib
import functools
from collections import namedtuple
from pathlib import Path

import moderngl
import numpy as np

from . import plants, street, textures, vehicles
from .labels import box_of, world_vertices
from .scene import HEIGHT, P2, WIDTH

SHADERS = Path(__file__).resolve().parent / "shaders"
SHADOW_SIZE = 2048
TILE, TILES = 128, 10
# The vertex layout of mesh.py, except for the last number, which has another meaning.
SOUP = ("3f 3f 2f 3f 1f 1f 1f", "in_position", "in_normal", "in_uv", "in_colour", "in_layer", "in_occlusion")
INTRINSICS = (P2[0, 0], P2[1, 1], P2[0, 2], P2[1, 2])  # fx, fy, cx, cy

# ids: uint8 [height * supersample, width * supersample], 0 = no vehicle, else the vehicle's id.
# areas: {id: (inside, total)}, the silhouette of the vehicle alone, in pixels: inside the image, and altogether.
IdBuffer = namedtuple("IdBuffer", "ids areas supersample")


@functools.lru_cache(maxsize=None)
def source(*names):
    return "#version 330\n" + "".join((SHADERS / name).read_text() for name in names)


def prepare():
    """Make everything that needs no OpenGL. Call it before forking workers, so that they share the result."""
    vehicles.catalogue(), plants.catalogue(), textures.surfaces(), textures.noises(), textures.leaves()


def sun_view(direction, low, high, margin):
    """Orthographic matrix [4, 4] along the sun's rays around a box, with room for shadow casters outside it."""
    forward = -direction
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    basis = np.stack([right, up, forward])
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    seen = corners @ basis.T
    near, far = seen.min(0), seen.max(0)
    near[2] -= margin
    scale = 2 / (far - near)
    matrix = np.eye(4)
    matrix[:3, :3] = basis * scale[:, None]
    matrix[:3, 3] = -(near + far) / (far - near)
    return matrix


class Renderer:
    """One OpenGL context and everything that scenes share.

    width, height: of the image in pixels; the camera is KITTI's, and a smaller size shows the upper left part of its
    image. supersample: subpixels per pixel and axis. Raises RuntimeError when no EGL context can be made.
    """

    def __init__(self, width=WIDTH, height=HEIGHT, supersample=2):
        self.width, self.height, self.supersample = width, height, supersample
        try:
            self.context = moderngl.create_context(standalone=True, backend="egl", require=330)
        except Exception as error:
            raise RuntimeError(
                "no OpenGL context through EGL (%s); install a driver, such as Debian's libegl1 and libgl1-mesa-dri" % error
            ) from error
        self.context.enable(moderngl.DEPTH_TEST)
        self._make_programs()
        self._make_textures()
        self._make_models()
        self._make_targets()

    def _make_programs(self):
        make = self.context.program
        flat = source("screen.vert")
        self.programs = {
            "static": make(source("camera.glsl", "static.vert"), source("static.frag")),
            "plant": make(source("camera.glsl", "plant.vert"), source("plant.frag")),
            "vehicle": make(source("camera.glsl", "vehicle.vert"), source("vehicle.frag")),
            "blob": make(source("camera.glsl", "blob.vert"), source("blob.frag")),
            "occlusion": make(flat, source("scene.glsl", "occlusion.frag")),
            "light": make(flat, source("scene.glsl", "light.frag")),
            "finish": make(flat, source("finish.frag")),
        }
        self.screens = {name: self.context.vertex_array(self.programs[name], []) for name in ("occlusion", "light", "finish")}

    def _array_texture(self, images, repeat):
        layers, height, width, channels = images.shape
        texture = self.context.texture_array((width, height, layers), channels, np.ascontiguousarray(images).tobytes())
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        texture.anisotropy = 8.0
        texture.repeat_x = texture.repeat_y = repeat
        return texture

    def _make_textures(self):
        _, first, second = vehicles.catalogue()
        noises = textures.noises()
        self.textures = {
            "surfaces": self._array_texture(textures.surfaces(), True),
            "leaves": self._array_texture(textures.leaves(), False),
            "canvas_colour": self._array_texture(first, False),
            "canvas_material": self._array_texture(second, False),
            "noises": self.context.texture(noises.shape[1::-1], 4, noises.tobytes()),
        }
        self.textures["noises"].build_mipmaps()
        self.textures["noises"].filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        metres = np.array([textures.METRES[name] for name in textures.LAYERS], "f4")
        self.programs["static"]["metres"].write(metres.tobytes())

    def _make_models(self):
        context = self.context
        self.instances = context.buffer(reserve=4096 * 14 * 4)
        per_vehicle = "3f 1f 3f 1f 3f 1f 1f 1f/i"
        names = ("at", "turn", "size", "id", "paint", "flake", "dirt", "lamp")
        self.vehicle_arrays = []
        for style in vehicles.catalogue()[0]:
            vertices = np.column_stack([style.position, style.normal, style.uv, style.layer]).astype("f4")
            self.vehicle_arrays.append(context.vertex_array(self.programs["vehicle"], [
                (context.buffer(vertices.tobytes()), "3f 3f 2f 1f", "in_position", "in_normal", "in_uv", "in_layer"),
                (self.instances, per_vehicle, *names),
            ]))  # fmt: skip
        corners = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], "f4")
        self.blob_array = context.vertex_array(self.programs["blob"], [
            (context.buffer(corners.tobytes()), "2f", "in_corner"),
            (self.instances, "3f 1f 3f 7x4/i", "at", "turn", "size"),
        ])  # fmt: skip
        self.plant_arrays = {}
        for plant in plants.catalogue():
            array = context.vertex_array(self.programs["plant"], [
                (context.buffer(plant.vertices.tobytes()), *SOUP, "in_leaf"),
                (self.instances, "3f 1f 1f 1f/i", "at", "turn", "size", "tone"),
            ])  # fmt: skip
            self.plant_arrays.setdefault(plant.kind, []).append(array)

    def _make_targets(self):
        context, size = self.context, (self.width * self.supersample, self.height * self.supersample)
        small = (self.width, self.height)
        self.albedo, self.normal = context.texture(size, 4), context.texture(size, 4, dtype="f2")
        self.material, self.depth = context.texture(size, 4, dtype="f2"), context.depth_texture(size)
        self.depth.compare_func = ""
        self.depth.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self.geometry = context.framebuffer([self.albedo, self.normal, self.material], self.depth)
        self.blobs = context.texture(size, 1)
        self.blob_target = context.framebuffer([self.blobs], self.depth)
        self.open = context.texture(small, 1)
        self.open_target = context.framebuffer([self.open])
        self.colour, self.ids = context.texture(size, 4, dtype="f2"), context.texture(size, 1)
        self.colour.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self.light_target = context.framebuffer([self.colour, self.ids])
        self.picture = context.texture(small, 4)
        self.final_target = context.framebuffer([self.picture])
        self.shadows = []
        for _ in range(2):
            shadow = context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
            shadow.compare_func = "<="
            shadow.filter = (moderngl.LINEAR, moderngl.LINEAR)
            shadow.repeat_x = shadow.repeat_y = False
            self.shadows.append((shadow, context.framebuffer(depth_attachment=shadow)))
        side = TILE * TILES
        self.tiles = context.texture((side, side), 4, dtype="f2")
        dummies = [context.texture((side, side), 4), context.texture((side, side), 4)]
        self.tile_target = context.framebuffer([*dummies, self.tiles], context.depth_texture((side, side)))

    def _set(self, name, **values):
        """Set the uniforms that the program has; the compiler drops unused ones."""
        program = self.programs[name]
        for key, value in values.items():
            if key in program:
                if isinstance(value, np.ndarray) and value.shape == (4, 4):
                    program[key].write(value.T.astype("f4").tobytes())
                elif isinstance(value, np.ndarray):
                    program[key].value = tuple(float(v) for v in value)
                else:
                    program[key].value = value

    def _bind(self, name, **maps):
        for unit, (key, texture) in enumerate(maps.items()):
            if key in self.programs[name]:
                texture.use(unit)
                self.programs[name][key].value = unit

    def _draw_geometry(self, scene, statics, planted, decals=True):
        """Draw the geometry of the scene; without `decals`, only what casts a shadow."""
        solid, marks = statics
        self._bind("static", surfaces=self.textures["surfaces"], noises=self.textures["noises"])
        if solid is not None:
            solid.render()
        if decals and marks is not None:
            # Markings lie 2 to 4 mm above the road: an offset towards the camera avoids z-fighting.
            self.context.polygon_offset = -2.0, -8.0
            marks.render()
            self.context.polygon_offset = 0.0, 0.0
        self._bind(
            "vehicle",
            canvas_colour=self.textures["canvas_colour"],
            canvas_material=self.textures["canvas_material"],
            noises=self.textures["noises"],
        )
        for style, rows in self._by_style(scene).items():
            self.instances.write(rows.tobytes())
            self.vehicle_arrays[style].render(instances=len(rows))
        self._bind("plant", leaves=self.textures["leaves"], surfaces=self.textures["surfaces"])
        for kind, rows in planted:
            if kind == "turf" and not decals:
                continue  # thousands of blades, whose shadows would not be noticed
            models = self.plant_arrays[kind]
            for i, model in enumerate(models):
                part = np.ascontiguousarray(rows[i :: len(models)])
                if len(part):
                    self.instances.write(part.tobytes())
                    model.render(instances=len(part))

    @staticmethod
    def _row(vehicle):
        """The 14 instance attributes of one vehicle for the vertex shader."""
        place = [vehicle["x"], vehicle["y"], vehicle["z"], vehicle["yaw"], *vehicle["scale"], vehicle["id"]]
        return [*place, *vehicle["paint"], vehicle["flake"], vehicle["dirt"], vehicle["lamp"]]

    def _by_style(self, scene):
        groups = {}
        for vehicle in scene["vehicles"]:
            groups.setdefault(vehicle["style"], []).append(self._row(vehicle))
        return {style: np.array(rows, "f4") for style, rows in groups.items()}

    def identify(self, scene):
        """The IdBuffer that `render` would return, without the image: a third of the work."""
        with self._uploaded(scene) as (arrays, planted):
            self._draw_view(scene, arrays, planted)
        ids = np.frombuffer(self.material.read(), np.float16).reshape(*self._ids_shape, 4)[..., 3].astype(np.uint8)
        return IdBuffer(ids, self._silhouettes(scene), self.supersample)

    def render(self, scene):
        """Draw `scene` (scene_from_seed). Returns (image uint8 [height, width, 3] RGB, IdBuffer)."""
        light = scene["light"]
        views = [
            sun_view(light["direction"], (-15, 0.5, 0), (15, 26, 3.5), 90),
            sun_view(light["direction"], (-48, 1, 0), (48, 125, 9), 120),
        ]
        with self._uploaded(scene) as (arrays, planted):
            if light["sun"][0] > 0:
                self._draw_shadows(scene, arrays, planted, views)
            self._draw_view(scene, arrays, planted)
        self._draw_blobs(scene)
        self.context.disable(moderngl.DEPTH_TEST)
        exposure = self._light(scene, views)
        self._photograph(scene, exposure)
        self.context.enable(moderngl.DEPTH_TEST)
        areas = self._silhouettes(scene)
        image = np.frombuffer(self.picture.read(), np.uint8).reshape(self.height, self.width, 4)[..., :3]
        ids = np.frombuffer(self.ids.read(alignment=1), np.uint8).reshape(self._ids_shape)
        return np.ascontiguousarray(image), IdBuffer(ids, areas, self.supersample)

    @property
    def _ids_shape(self):
        return self.height * self.supersample, self.width * self.supersample

    @contextlib.contextmanager
    def _uploaded(self, scene):
        """Upload the scene's triangles and plant instances; set the uniforms that all its passes share."""
        solid, marks, planted = street.build(scene["street"])
        buffers = [self.context.buffer(a.tobytes()) if len(a) else None for a in (solid, marks)]
        arrays = [b and self.context.vertex_array(self.programs["static"], [(b, *SOUP, "in_emission")]) for b in buffers]
        shared = dict(
            intrinsics=INTRINSICS, window=(0.0, 0.0, float(self.width), float(self.height)), eye=scene["camera"],
            wet=scene["light"]["wet"], lamps=scene["light"]["lamps"], lane=scene["street"]["lane"], in_shadow_map=False,
        )  # fmt: skip
        for name in ("static", "plant", "vehicle", "blob"):
            self._set(name, **shared)
        try:
            yield arrays, planted
        finally:
            for array, buffer in zip(arrays, buffers):
                if array:
                    array.release()
                    buffer.release()

    def _draw_shadows(self, scene, arrays, planted, views):
        for (_, target), matrix in zip(self.shadows, views):
            target.use()
            target.clear(depth=1.0)
            for name in ("static", "plant", "vehicle"):
                self._set(name, in_shadow_map=True, sun_matrix=matrix)
            self._draw_geometry(scene, arrays, planted, decals=False)
        for name in ("static", "plant", "vehicle"):
            self._set(name, in_shadow_map=False)

    def _draw_view(self, scene, arrays, planted):
        self.geometry.use()
        self.geometry.clear(depth=1.0)
        self._draw_geometry(scene, arrays, planted)

    def _draw_blobs(self, scene):
        """The soft contact shadows under the vehicles, multiplied into a buffer of their own, with the view's depth test."""
        self._clear_blobs()
        rows = np.array([self._row(v) for v in scene["vehicles"]], "f4").reshape(-1, 14)
        if not len(rows):
            return
        rows[:, 4:7] *= np.array([vehicles.catalogue()[0][v["style"]].size for v in scene["vehicles"]], "f4")
        self.instances.write(rows.tobytes())
        self.blob_target.depth_mask = False
        self.context.enable(moderngl.BLEND)
        self.context.blend_func = moderngl.DST_COLOR, moderngl.ZERO
        self.blob_array.render(moderngl.TRIANGLE_STRIP, instances=len(rows))
        self.context.disable(moderngl.BLEND)
        self.blob_target.depth_mask = True

    def _light(self, scene, views):
        """Ambient occlusion, then lighting; returns the exposure."""
        light = scene["light"]
        ambient_up, ambient_down, exposure = self._ambient(light)
        about = dict(
            intrinsics=INTRINSICS,
            eye=scene["camera"],
            image=(float(self.width), float(self.height)),
            sun_direction=light["direction"],
            ambient_up=ambient_up,
            ambient_down=ambient_down,
            **{name: light[name] for name in ("sun", "zenith", "horizon", "cloud", "cloud_shift")},
        )
        self.open_target.use()
        self._set("occlusion", **about)
        self._bind("occlusion", depth_map=self.depth, normal_map=self.normal, noises=self.textures["noises"])
        self.screens["occlusion"].render(moderngl.TRIANGLES, vertices=3)
        self.light_target.use()
        self._set(
            "light",
            **about,
            near_matrix=views[0],
            far_matrix=views[1],
            softness=0.03 * light["soft"],
            haze=light["haze"],
            gain=1.7,
        )
        self._bind(
            "light",
            albedo_map=self.albedo,
            normal_map=self.normal,
            material_map=self.material,
            depth_map=self.depth,
            open_map=self.open,
            blob_map=self.blobs,
            near_shadow=self.shadows[0][0],
            far_shadow=self.shadows[1][0],
            noises=self.textures["noises"],
        )
        self.screens["light"].render(moderngl.TRIANGLES, vertices=3)
        return exposure

    def _photograph(self, scene, exposure):
        post = scene["post"]
        self.colour.build_mipmaps(0, 6)
        self.final_target.use()
        self._set(
            "finish", exposure=exposure * post["exposure"], blur=post["blur"], noise=post["noise"], warmth=post["warmth"],
            seed=float(post["seed"] % 977), supersample=self.supersample, image=(float(self.width), float(self.height)),
        )  # fmt: skip
        self._bind("finish", colour_map=self.colour)
        self.screens["finish"].render(moderngl.TRIANGLES, vertices=3)

    def _clear_blobs(self):
        """Clear to white, without the depth buffer that this target shares with the geometry."""
        target = self.context.framebuffer([self.blobs])
        target.clear(1.0, 1.0, 1.0, 1.0)
        target.release()
        self.blob_target.use()

    @staticmethod
    def _ambient(light):
        up = 0.55 * light["zenith"] + 0.45 * light["horizon"] + 0.05 * light["cloud"] * light["sun"]
        height = max(light["direction"][2], 0.0)
        down = 0.16 * (light["sun"] * height * 0.7 + up)
        level = 0.11 * float(np.mean(light["sun"] * max(height, 0.2) * 0.8 + up))
        # Automatic exposure compensates only in part: a dull day looks duller, dusk darker.
        exposure = {"dusk": 0.075, "overcast": 0.15, "haze": 0.15}.get(light["name"], 0.175) / level
        return up, down, exposure

    def _silhouettes(self, scene):
        """{id: (inside, total)}: every vehicle drawn alone into a tile of its own, including what lies outside the image."""
        boxes = []
        for vehicle in scene["vehicles"]:
            box = box_of(world_vertices(vehicle), scene["camera"])
            if box is not None and box[0] < self.width and box[2] > -1 and box[1] < self.height and box[3] > -1:
                boxes.append((vehicle, box))
        boxes = boxes[: TILES * TILES]
        self.tile_target.use()
        self.tile_target.clear(depth=1.0)
        self._bind(
            "vehicle",
            canvas_colour=self.textures["canvas_colour"],
            canvas_material=self.textures["canvas_material"],
            noises=self.textures["noises"],
        )
        for i, (vehicle, (left, top, right, bottom)) in enumerate(boxes):
            self.tile_target.viewport = ((i % TILES) * TILE, (i // TILES) * TILE, TILE, TILE)
            self._set("vehicle", window=(left + 0.5, top + 0.5, right - left, bottom - top))
            self.instances.write(np.array(self._row(vehicle), "f4").tobytes())
            self.vehicle_arrays[vehicle["style"]].render(instances=1)
        self.tile_target.viewport = (0, 0, TILE * TILES, TILE * TILES)
        seen = np.frombuffer(self.tiles.read(), np.float16).reshape(TILES, TILE, TILES, TILE, 4)[..., 3] > 0
        areas = {}
        for i, (vehicle, (left, top, right, bottom)) in enumerate(boxes):
            tile = seen[i // TILES, :, i % TILES]
            columns = left + (np.arange(TILE) + 0.5) / TILE * (right - left)
            rows = top + (np.arange(TILE) + 0.5) / TILE * (bottom - top)
            inside = (columns >= -0.5) & (columns <= self.width - 0.5)
            within = (rows >= -0.5) & (rows <= self.height - 0.5)
            unit = (right - left) * (bottom - top) / TILE**2
            areas[vehicle["id"]] = (float(tile[within][:, inside].sum() * unit), float(tile.sum() * unit))
        return areas
