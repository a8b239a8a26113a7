"""A Merkle tree over the entries of a log (RFC 6962 §2.1), with proofs for any earlier size.

It holds hashes only; what the entries are, and who signs the root, is the log's business.
"""

import hashlib

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT


def hash_leaf(entry: bytes) -> bytes:
    """Hash an entry into a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Hash two nodes into their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree; `_levels[l][i]` is the root of the full subtree of 2^l leaves at i."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> int:
        """Add a leaf's hash and return its index, completing every subtree that it fills."""
        nodes = self._levels[0]
        nodes.append(leaf)
        level = 0
        while len(nodes) % 2 == 0:
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            parent = hash_children(nodes[-2], nodes[-1])
            nodes = self._levels[level]
            nodes.append(parent)
        return len(self) - 1

    def root(self, size: int | None = None) -> bytes:
        """Return the tree head of the first `size` leaves, by default of all."""
        count = len(self) if size is None else size
        return self._hash_range(0, count) if count else hashlib.sha256(b"").digest()

    def prove_inclusion(self, index: int, size: int) -> list[bytes]:
        """Prove that leaf `index` is in the first `size` (RFC 6962 §2.1.1), lowest node first."""
        start, end, path = 0, size, []
        while end - start > 1:
            middle = start + split(end - start)
            if index < middle:
                path.append(self._hash_range(middle, end))
                end = middle
            else:
                path.append(self._hash_range(start, middle))
                start = middle
        return path[::-1]

    def prove_consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the first `old` leaves begin the first `new` (RFC 6962 §2.1.2)."""
        start, end, path = 0, new, []
        while end != old:
            middle = start + split(end - start)
            if old <= middle:
                path.append(self._hash_range(middle, end))
                end = middle
            else:
                path.append(self._hash_range(start, middle))
                start = middle
        if start:
            path.append(self._hash_range(start, end))
        return path[::-1]

    def tile(self, level: int, index: int, width: int) -> list[bytes] | None:
        """Return `width` hashes of a tile (C2SP tlog-tiles), None where they are not there yet."""
        height = level * TILE_HEIGHT
        nodes = self._levels[height] if height < len(self._levels) else []
        hashes = nodes[index * TILE_WIDTH : index * TILE_WIDTH + width]
        return hashes if len(hashes) == width else None

    def _hash_range(self, start: int, end: int) -> bytes:
        """Hash the leaves [start, end), where `start` is a multiple of the subtrees' size."""
        count = end - start
        if count & (count - 1) == 0:
            return self._levels[count.bit_length() - 1][start // count]
        middle = start + split(count)
        return hash_children(self._hash_range(start, middle), self._hash_range(middle, end))


def split(count: int) -> int:
    """Return the largest power of two below `count`, which must be at least 2."""
    return 1 << ((count - 1).bit_length() - 1)
