"""Vehicle bodies: a side profile swept over the width, and the canvases painted on it.

Body frame while building: x from the rear end (0) to the front end (L), y to the left, z up, metres.
A body is one smooth closed shell: for every station along the upper silhouette a rib runs from the sill up the
side, round the edge, over the top to the other side. The sides carry one picture (x, z), the top with front and
rear the other (s, t): s the arc length along the silhouette, t across from right (-1) to left (+1).
"""

import numpy as np

from .mesh import grid_normals, grid_triangles, normalise

CANVAS = (384, 1024)
STATIONS, SIDE, TOP = 132, 15, 18


def smoothstep(low, high, value):
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def band(value, low, high, soft):
    """1 between low and high with linear edges `soft` wide."""
    return np.clip((value - low) / soft + 0.5, 0, 1) * np.clip((high - value) / soft + 0.5, 0, 1)


def extent(mask):
    """The slices (rows, columns) around the non-zero part of a mask: most details are small, so this saves most of the work."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


class Profile:
    """The upper silhouette: named points (x, z) from the rear underside over the roof to the front underside.

    `points` is a list of (name or None, x, z). The polyline is rounded with a Gaussian of `soft` metres.
    Attributes: x, z, s float [n] (s = arc length in metres); `at[name]` = s of a named point; length, height.
    """

    def __init__(self, points, soft=0.05):
        knots = np.array([(x, z) for _, x, z in points], np.float64)
        reach = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
        step = 0.01
        dense = np.arange(0, reach[-1], step)
        curve = np.stack([np.interp(dense, reach, knots[:, i]) for i in (0, 1)], axis=1)
        pad = int(np.ceil(3 * soft / step)) + 1
        kernel = np.exp(-0.5 * (np.arange(-pad, pad + 1) * step / soft) ** 2)
        kernel /= kernel.sum()
        before = 2 * curve[0] - curve[pad:0:-1]
        after = 2 * curve[-1] - curve[-2 : -pad - 2 : -1]
        padded = np.concatenate([before, curve, after])
        curve = np.stack([np.convolve(padded[:, i], kernel, mode="valid") for i in (0, 1)], axis=1)
        self.length, self.height = knots[:, 0].max(), knots[:, 1].max()
        curve[:, 0] = (curve[:, 0] - curve[:, 0].min()) / np.ptp(curve[:, 0]) * self.length
        curve[:, 1] *= self.height / curve[:, 1].max()
        self.x, self.z = curve.T
        self.s = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
        self.at = {
            name: self.s[min(int(round(reach[i] / step)), len(self.s) - 1)] for i, (name, _, _) in enumerate(points) if name
        }

    def roof(self, x):
        """Height of the silhouette above x (its highest point there)."""
        forward = np.maximum.accumulate(self.x) + 1e-9 * np.arange(len(self.x))
        return np.interp(x, forward, self.z)


class Canvas:
    """One texture of a body: which material is where, painted with masks over coordinate grids.

    colour [h, w, 3] linear RGB of what is not body paint; paint, glass, chrome, lamp, cover [h, w] in 0..1.
    """

    def __init__(self, size=CANVAS):
        self.size = size
        self.colour = np.zeros(size + (3,), np.float32)
        self.paint = np.ones(size, np.float32)
        self.glass = np.zeros(size, np.float32)
        self.chrome = np.zeros(size, np.float32)
        self.lamp = np.zeros(size, np.float32)
        self.cover = np.ones(size, np.float32)

    def put(self, mask, colour=(0.02, 0.02, 0.02), glass=0.0, chrome=0.0, lamp=0.0, paint=0.0):
        """Cover what lies under `mask` [h, w] with this material; `colour` [3] or [h, w, 3]."""
        spot = extent(mask)
        mask = np.asarray(mask[spot], np.float32)
        keep = 1 - mask
        colour = np.asarray(colour, np.float32)
        colour = colour[spot] if colour.ndim == 3 else colour
        self.colour[spot] = self.colour[spot] * keep[..., None] + colour * mask[..., None]
        for plane, value in ((self.glass, glass), (self.chrome, chrome), (self.lamp, lamp), (self.paint, paint)):
            plane[spot] = plane[spot] * keep + value * mask

    def shade(self, mask, factor):
        """Darken what is there, as a seam or a gap does."""
        spot = extent(mask)
        gain = 1 - np.asarray(mask[spot], np.float32) * (1 - factor)
        self.colour[spot] *= gain[..., None]
        self.paint[spot] *= gain

    def cut(self, mask):
        self.cover = self.cover * (1 - np.asarray(mask, np.float32))

    def layers(self):
        """Two uint8 [h, w, 4] images: (square root of colour, cover) and (paint, glass, chrome, lamp)."""
        first = np.dstack([np.sqrt(np.clip(self.colour, 0, 1)), self.cover])
        second = np.dstack([self.paint, self.glass, self.chrome, self.lamp])
        return [np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8) for image in (first, second)]


class Mesh:
    """Vertices of a vehicle: position, normal [n, 3], uv [n, 2], layer [n] (canvas), boxed [n] bool."""

    def __init__(self):
        self.parts = []

    def add(self, position, normal, uv, layer, index=None, boxed=True):
        position, normal, uv = (np.asarray(a, np.float64) for a in (position, normal, uv))
        position, normal, uv = position.reshape(-1, 3), normal.reshape(-1, 3), uv.reshape(-1, 2)
        if index is not None:
            index = np.asarray(index).ravel()
            position, normal, uv = position[index], normal[index], uv[index]
        n = len(position)
        self.parts.append((position, normal, uv, np.full(n, layer, np.float64), np.full(n, boxed)))

    def arrays(self):
        return [np.concatenate(columns) for columns in zip(*self.parts)]


def loft(mesh, profile, width, layers, sill=0.2, belt=(0.95, 0.95), roof_width=0.78, fillet=0.09, bow=(0.12, 0.10),
         plan=0.10, plan_power=6.0, crown=0.03, tuck=0.07, offset=0.0):  # fmt: skip
    """Add a body shell to `mesh`.

    width: over the shoulder, metres. layers: (side, strip) canvas numbers. belt: height of the window line at rear
    and front. roof_width: width of the roof over the width at the belt. bow: how far the front and rear curve
    back towards their corners, metres. plan: narrowing of the ends, fraction. tuck: narrowing towards the sill.
    offset: shifts the part along x.
    """
    length, height = profile.length, profile.height
    pick = np.linspace(0, len(profile.s) - 1, STATIONS).round().astype(int)
    xs, zs, s = profile.x[pick], profile.z[pick], profile.s[pick]
    fraction = s / profile.s[-1]
    base = xs[0] + (xs[-1] - xs[0]) * (0.55 * (xs / length) + 0.45 * fraction)

    def half_width(x, z):
        across = 1 - plan * np.abs(2 * x / length - 1) ** plan_power
        at_belt = belt[0] + (belt[1] - belt[0]) * x / length
        middle = sill + 0.55 * (at_belt - sill)
        low = 1 - tuck * np.clip((middle - z) / (middle - sill), 0, 1.3) ** 2
        shoulder = 1 - 0.03 * np.clip((z - middle) / (at_belt - middle), 0, 1) ** 2
        rise = np.clip((z - at_belt) / np.maximum(height - at_belt, 0.05), 0, 1)
        upper = 1 - (1 - roof_width) * (0.85 * rise + 0.15 * rise**2)
        return width / 2 * across * low * shoulder * upper

    v = np.linspace(0, 1, SIDE) ** 2.0
    side_x = xs[:, None] + (base - xs)[:, None] * v
    side_z = zs[:, None] + (sill - zs)[:, None] * v
    rib = np.hypot(base - xs, sill - zs)[:, None]
    depth = v * rib
    radius = np.minimum(fillet, np.maximum(rib * 0.9, 1e-3))
    inset = radius - np.sqrt(np.maximum(radius**2 - np.maximum(radius - depth, 0) ** 2, 0))
    side_y = half_width(side_x, side_z) - inset
    t = np.sin(np.linspace(-1, 1, TOP) * np.pi / 2)
    t = 0.5 * t + 0.5 * np.linspace(-1, 1, TOP)
    top_y = side_y[:, :1] * t

    x = np.concatenate([side_x[:, ::-1], np.repeat(xs[:, None], TOP - 2, 1), side_x], axis=1)
    z = np.concatenate([side_z[:, ::-1], np.repeat(zs[:, None], TOP - 2, 1), side_z], axis=1)
    y = np.concatenate([-side_y[:, ::-1], top_y[:, 1:-1], side_y], axis=1)
    drop = np.concatenate([(1 - v)[::-1], t[1:-1] ** 2, 1 - v])
    upward = smoothstep(0.5, 0.9, z / height)
    bend = (y / (width / 2)) ** 2
    along = x / length
    bowed = x - bow[1] * bend * smoothstep(0.5, 1, along) + bow[0] * bend * smoothstep(0.5, 0, along)
    points = np.stack([bowed + offset, y, z - crown * drop[None] * upward], axis=-1)
    normals = grid_normals(points)
    centre = np.array([length / 2 + offset, 0, height * 0.45])
    if np.sum(normals * (points - centre)) < 0:
        normals = -normals

    flat = np.stack([x / length, z / height], axis=-1)
    over = np.stack(np.broadcast_arrays(fraction[:, None], (t[None] + 1) / 2), axis=-1)
    for columns, uv, layer in (
        (slice(0, SIDE), flat[:, :SIDE], layers[0]),
        (slice(SIDE - 1, SIDE + TOP - 1), over, layers[1]),
        (slice(SIDE + TOP - 2, None), flat[:, SIDE + TOP - 2 :], layers[0]),
    ):
        part = points[:, columns]
        mesh.add(part, normals[:, columns], uv, layer, grid_triangles(part.shape[0], part.shape[1]))


def box(mesh, low, high, layer, uv=None, boxed=True):
    """Add an axis-aligned box between two corners; uv [4, 2] of each face defaults to one point of the canvas."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    centre, half = (low + high) / 2, (high - low) / 2
    for axis in range(3):
        for sign in (-1, 1):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            corners = np.zeros((4, 3))
            corners[:, axis] = sign
            corners[:, u] = [-1, 1, 1, -1]
            corners[:, v] = [-1, -1, 1, 1]
            normal = np.zeros(3)
            normal[axis] = sign
            index = [0, 1, 2, 0, 2, 3] if sign > 0 else [0, 2, 1, 0, 3, 2]
            face = np.full((4, 2), 0.5) if uv is None else np.asarray(uv)
            mesh.add(centre + corners * half, np.repeat(normal[None], 4, 0), face, layer, index, boxed)


def panel(mesh, corners, layer, uv=((0, 0), (1, 0), (1, 1), (0, 1)), boxed=True):
    """Add one flat quad, corners [4, 3] counter-clockwise from outside."""
    corners = np.asarray(corners, np.float64)
    normal = normalise(np.cross(corners[1] - corners[0], corners[3] - corners[0]))
    mesh.add(corners, np.repeat(normal[None], 4, 0), np.asarray(uv, np.float64), layer, [0, 1, 2, 0, 2, 3], boxed)


def ellipsoid(mesh, centre, radii, layer, boxed=True, uv=(0.5, 0.5)):
    u, v = np.meshgrid(np.linspace(0, np.pi, 8), np.linspace(0, 2 * np.pi, 12), indexing="ij")
    normal = np.stack([np.sin(u) * np.cos(v), np.sin(u) * np.sin(v), np.cos(u)], -1)
    position = np.asarray(centre) + normal * np.asarray(radii)
    mesh.add(position, normalise(normal / np.asarray(radii)), np.broadcast_to(uv, u.shape + (2,)), layer,
             grid_triangles(8, 12), boxed)  # fmt: skip


def wheel(mesh, centre, radius, breadth, face_layer, rubber_layer, side):
    """Add a wheel whose visible face looks towards `side` (+1 left, -1 right); centre [3] is the middle of the tyre."""
    rim = radius * 0.70
    outer = breadth / 2
    # (radius, offset outwards): from the dish of the rim over the sidewall to the tread's inner edge.
    section = np.array([
        (rim * 0.98, outer * 0.72), (rim, outer * 0.95), (radius * 0.86, outer * 1.0), (radius * 0.96, outer * 0.86),
        (radius, outer * 0.6), (radius, -outer * 0.8), (radius * 0.9, -outer),
    ])  # fmt: skip
    angle = np.linspace(0, 2 * np.pi, 29)
    ring = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], -1)
    axis = np.array([0, side, 0.0])
    points = section[:, 0][:, None, None] * ring[None] + section[:, 1][:, None, None] * axis
    tangent = np.gradient(section, axis=0)
    outward = np.stack([tangent[:, 1], -tangent[:, 0]], -1)
    outward = normalise(np.where((outward * [[1, 0.3]]).sum(1, keepdims=True) < 0, -outward, outward))
    normals = outward[:, 0][:, None, None] * ring[None] + outward[:, 1][:, None, None] * axis
    mesh.add(points + centre, normals, np.full(points.shape[:2] + (2,), 0.5), rubber_layer, grid_triangles(*points.shape[:2]))
    radii = np.linspace(0, 1, 5)
    disc = radii[:, None, None] * rim * ring[None] + axis * (outer * (0.62 + 0.12 * radii**2))[:, None, None]
    lean = normalise(axis - 0.18 * radii[:, None, None] * ring[None])
    uv = 0.5 + 0.5 * radii[:, None, None] * ring[None][..., [0, 2]]
    mesh.add(disc + centre, lean, uv, face_layer, grid_triangles(*disc.shape[:2]))
