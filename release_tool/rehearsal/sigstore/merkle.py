"""A Merkle tree over the entries of a log (RFC 6962 §2.1), with proofs for any earlier size.

It holds hashes only; the logs keep the entries and sign the root.
"""

import hashlib


def hash_leaf(entry: bytes) -> bytes:
    """Hash an entry into a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Hash two nodes into their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree; `levels[l][i]` is the root of the full subtree of 2^l leaves at i."""

    def __init__(self) -> None:
        self.levels: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self.levels[0])

    def append(self, leaf: bytes) -> int:
        """Add a leaf's hash and return its index, completing every subtree that it fills."""
        nodes = self.levels[0]
        nodes.append(leaf)
        level = 0
        while len(nodes) % 2 == 0:
            level += 1
            if level == len(self.levels):
                self.levels.append([])
            parent = hash_children(nodes[-2], nodes[-1])
            nodes = self.levels[level]
            nodes.append(parent)
        return len(self) - 1

    def root(self, size: int | None = None) -> bytes:
        """Return the tree head of the first `size` leaves, by default of all."""
        count = len(self) if size is None else size
        return self.hash_range(0, count) if count else hashlib.sha256(b"").digest()

    def prove_inclusion(self, index: int, size: int) -> list[bytes]:
        """Prove that leaf `index` is in the first `size` (RFC 6962 §2.1.1), lowest node first."""
        start, end, path = 0, size, []
        while end - start > 1:
            middle = start + split(end - start)
            if index < middle:
                path.append(self.hash_range(middle, end))
                end = middle
            else:
                path.append(self.hash_range(start, middle))
                start = middle
        return path[::-1]

    def hash_range(self, start: int, end: int) -> bytes:
        """Hash the leaves [start, end), where `start` is a multiple of the subtrees' size."""
        count = end - start
        if count & (count - 1) == 0:
            return self.levels[count.bit_length() - 1][start // count]
        middle = start + split(count)
        return hash_children(self.hash_range(start, middle), self.hash_range(middle, end))


def split(count: int) -> int:
    """Return the largest power of two below `count`, which must be at least 2."""
    return 1 << ((count - 1).bit_length() - 1)
