"""Triangles as plain NumPy arrays.

World frame: X right, Y forward (the camera's optical axis), Z up, metres, the road at Z = 0.
A static mesh is a float32 array [N, 14], three rows a triangle:
position 3, normal 3, uv 2 (metres), colour 3 (linear RGB), surface layer 1, ambient occlusion 1, emission 1.
"""

import numpy as np

STRIDE = 14
# Two triangles of a quad given as corners 0-1-2-3 in order around it.
QUAD = np.array([0, 1, 2, 0, 2, 3])


def normalise(vectors):
    """Unit vectors along the last axis; zero vectors stay zero."""
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def grid_triangles(rows, columns):
    """Vertex indices [2 * (rows-1) * (columns-1), 3] of a grid of vertices stored row by row."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    first = (row * columns + column).ravel()
    corners = np.stack([first, first + columns, first + columns + 1, first + 1], axis=1)
    return corners[:, QUAD].reshape(-1, 3)


def grid_normals(points):
    """Smooth unit normals [rows, columns, 3] of a grid of points, from central differences."""
    along = np.gradient(points, axis=0)
    across = np.gradient(points, axis=1)
    return normalise(np.cross(along, across))


class Builder:
    """Collects static triangles; `array()` gives them as one float32 [N, 14]."""

    def __init__(self):
        self.parts = []

    def vertices(self, position, normal, uv, colour, layer, occlusion=1.0, emission=0.0):
        """Add triangles: `position` [N, 3] with N a multiple of 3; the rest broadcasts against it."""
        position = np.asarray(position, np.float32).reshape(-1, 3)
        block = np.empty((len(position), STRIDE), np.float32)
        block[:, 0:3] = position
        block[:, 3:6] = normal
        block[:, 6:8] = uv
        block[:, 8:11] = colour
        block[:, 11] = layer
        block[:, 12] = occlusion
        block[:, 13] = emission
        self.parts.append(block)

    def quads(self, corners, colour, layer, uv=None, occlusion=None, emission=0.0, normal=None):
        """Add flat quads: `corners` [N, 4, 3] counter-clockwise from outside.

        uv [N, 4, 2] defaults to metres along the first and the last edge; colour [3] or [N, 3];
        occlusion None, a number, [4] (per corner) or [N, 4]; emission a number or [N].
        """
        corners = np.asarray(corners, np.float64).reshape(-1, 4, 3)
        count = len(corners)
        if not count:
            return
        edge_u = corners[:, 1] - corners[:, 0]
        edge_v = corners[:, 3] - corners[:, 0]
        if normal is None:
            normal = normalise(np.cross(edge_u, edge_v))
        normal = np.broadcast_to(normal, (count, 3))
        if uv is None:
            width = np.linalg.norm(edge_u, axis=1)
            height = np.linalg.norm(edge_v, axis=1)
            # Anchored in the world, so that neighbouring quads of one wall continue each other's pattern.
            start_u = np.einsum("ij,ij->i", corners[:, 0], normalise(edge_u))
            start_v = np.einsum("ij,ij->i", corners[:, 0], normalise(edge_v))
            uv = np.zeros((count, 4, 2))
            uv[:, :, 0] = start_u[:, None]
            uv[:, :, 1] = start_v[:, None]
            uv[:, 1:3, 0] += width[:, None]
            uv[:, 2:4, 1] += height[:, None]
        colour = np.broadcast_to(np.asarray(colour, np.float64), (count, 3))
        shade = np.ones((count, 4)) if occlusion is None else np.broadcast_to(occlusion, (count, 4))
        glow = np.broadcast_to(emission, (count,))
        layer = np.broadcast_to(layer, (count,))
        self.vertices(
            corners[:, QUAD].reshape(-1, 3),
            np.repeat(normal, 6, axis=0),
            np.asarray(uv)[:, QUAD].reshape(-1, 2),
            np.repeat(colour, 6, axis=0),
            np.repeat(layer, 6),
            shade[:, QUAD].reshape(-1),
            np.repeat(glow, 6),
        )

    def boxes(self, centre, half, colour, layer, yaw=0.0, bottom=False, emission=0.0):
        """Add boxes: centre [N, 3], half sizes [N, 3], turned by yaw [N] about Z; no bottom face unless asked."""
        centre, half = np.broadcast_arrays(
            np.atleast_2d(np.asarray(centre, np.float64)), np.atleast_2d(np.asarray(half, np.float64))
        )
        yaw = np.broadcast_to(yaw, (len(centre),))
        signs = [
            [(1, -1, -1), (1, 1, -1), (1, 1, 1), (1, -1, 1)],
            [(-1, 1, -1), (-1, -1, -1), (-1, -1, 1), (-1, 1, 1)],
            [(1, 1, -1), (-1, 1, -1), (-1, 1, 1), (1, 1, 1)],
            [(-1, -1, -1), (1, -1, -1), (1, -1, 1), (-1, -1, 1)],
            [(-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)],
        ]
        if bottom:
            signs.append([(-1, 1, -1), (1, 1, -1), (1, -1, -1), (-1, -1, -1)])
        local = np.array(signs, np.float64)[None] * half[:, None, None, :]
        cos, sin = np.cos(yaw)[:, None, None], np.sin(yaw)[:, None, None]
        turned = np.stack(
            [cos * local[..., 0] - sin * local[..., 1], sin * local[..., 0] + cos * local[..., 1], local[..., 2]], -1
        )
        corners = turned + centre[:, None, None, :]
        faces = corners.shape[1]
        colour = np.repeat(np.broadcast_to(np.asarray(colour, np.float64), (len(centre), 3)), faces, axis=0)
        self.quads(corners.reshape(-1, 4, 3), colour, layer, emission=emission)

    def tube(self, path, radius, colour, layer, sides=8):
        """Add a round tube along `path` [N, 3]; `radius` a number or [N]."""
        path = np.asarray(path, np.float64)
        radius = np.broadcast_to(radius, (len(path),))
        along = normalise(np.gradient(path, axis=0))
        helper = np.where(np.abs(along[:, 2:]) > 0.9, [[1.0, 0, 0]], [[0, 0, 1.0]])
        first = normalise(np.cross(along, helper))
        second = np.cross(along, first)
        angle = np.linspace(0, 2 * np.pi, sides + 1)
        normal = first[:, None] * np.cos(angle)[None, :, None] + second[:, None] * np.sin(angle)[None, :, None]
        points = path[:, None] + normal * radius[:, None, None]
        reach = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        uv = np.stack(np.broadcast_arrays(angle[None] * radius.mean(), reach[:, None]), -1)
        index = grid_triangles(len(path), sides + 1).ravel()
        self.vertices(points.reshape(-1, 3)[index], normal.reshape(-1, 3)[index], uv.reshape(-1, 2)[index], colour, layer)

    def strip(self, left, right, uv_left, uv_right, colour, layer, occlusion=None):
        """Add a ribbon between two polylines [N, 3] that run forward; its upper side is up when left is at the left."""
        left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
        corners = np.stack([left[:-1], right[:-1], right[1:], left[1:]], axis=1)
        uv = np.stack([uv_left[:-1], uv_right[:-1], uv_right[1:], uv_left[1:]], axis=1)
        self.quads(corners, colour, layer, uv=uv, occlusion=occlusion)

    def array(self):
        return np.concatenate(self.parts) if self.parts else np.zeros((0, STRIDE), np.float32)
