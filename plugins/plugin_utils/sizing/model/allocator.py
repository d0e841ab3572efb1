# Copyright: (c) 2026, The llmfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Size of the buffer that ggml's graph allocator would reserve for a few layers of a transformer.

No closed formula gives it: the allocator reuses freed ranges by best fit, so the peak depends on which sizes happen to be equal. The layers of
a model repeat, so a handful of them show the peak of all.
"""

from __future__ import annotations

ALIGNMENT = 32


class Tensor:
    __slots__ = ("size", "shape", "sources", "in_place", "view", "children", "views", "offset", "external")

    def __init__(self, size, shape, sources=(), in_place=False, view=None, external=False):
        self.size, self.shape, self.sources = size, shape, sources
        self.in_place, self.view, self.external = in_place, view, external
        self.children = self.views = 0
        self.offset = None


class Graph:
    """Nodes in the order in which llama.cpp evaluates them. Weights and caches live elsewhere and don't appear."""

    def __init__(self):
        self.inputs, self.nodes = [], []

    def input(self, size):
        tensor = Tensor(size, ("input", size))
        self.inputs.append(tensor)
        return tensor

    def node(self, shape, *sources, in_place=False, item=4):
        """A result of its own; in_place: an operation that may overwrite a source of the same shape."""
        size = item
        for part in shape:
            size *= part
        tensor = Tensor(size, shape, sources, in_place)
        self.nodes.append(tensor)
        return tensor

    def view(self, source, shape):
        """The same bytes under another shape."""
        tensor = Tensor(0, shape, (source,), view=source.view or source)
        self.nodes.append(tensor)
        return tensor


class _Ranges:
    """Free ranges; the last one is open to the end."""

    def __init__(self):
        self.free = [[0, 1 << 62]]
        self.peak = 0

    def take(self, size):
        size = -(-size // ALIGNMENT) * ALIGNMENT
        best, best_size = None, 1 << 63
        for i in range(len(self.free) - 1):
            if size <= self.free[i][1] <= best_size:
                best, best_size = i, self.free[i][1]
        if best is None:
            best = len(self.free) - 1
        block = self.free[best]
        offset = block[0]
        block[0] += size
        block[1] -= size
        if not block[1]:
            del self.free[best]
        self.peak = max(self.peak, offset + size)
        return offset

    def give(self, offset, size):
        size = -(-size // ALIGNMENT) * ALIGNMENT
        for i, block in enumerate(self.free):
            if block[0] + block[1] == offset:
                block[1] += size
                if i + 1 < len(self.free) and block[0] + block[1] == self.free[i + 1][0]:
                    block[1] += self.free[i + 1][1]
                    del self.free[i + 1]
                return
            if offset + size == block[0]:
                block[0], block[1] = offset, block[1] + size
                return
            if block[0] > offset:
                self.free.insert(i, [offset, size])
                return


def peak(graph):
    """Bytes of the buffer."""
    ranges = _Ranges()
    for tensor in graph.inputs:
        tensor.offset = ranges.take(tensor.size)
    for node in graph.nodes:
        if node.view is not None:
            node.view.views += 1
        for source in node.sources:
            source.children += 1
    for node in graph.nodes:
        if node.view is None and node.offset is None:
            _place(node, ranges)
        for source in node.sources:
            source.children -= 1
            if source.children or source.views:
                continue
            owner = source
            if source.view is not None:
                owner = source.view
                owner.views -= 1
                if owner.views or owner.children:
                    continue
            if owner.offset is not None and owner.size:
                ranges.give(owner.offset, owner.size)
                owner.offset = None
    return ranges.peak


def _place(node, ranges):
    if node.in_place:
        for source in node.sources:
            if source.shape != node.shape or source.children != 1 or source.views:
                continue
            if source.view is not None or source.offset is None:
                continue
            node.offset, source.offset = source.offset, None
            # The bytes now belong to the node; its own size is the same.
            return
    node.offset = ranges.take(node.size)
