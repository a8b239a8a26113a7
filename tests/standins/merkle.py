"""What is asked of a log's tree by whoever watches it: proofs of consistency, and tiles."""

from release_tool.rehearsal.sigstore.merkle import Tree, split

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT


def prove_consistency(tree: Tree, old: int, new: int) -> list[bytes]:
    """Prove that the first `old` leaves begin the first `new` (RFC 6962 §2.1.2)."""
    start, end, path = 0, new, []
    while end != old:
        middle = start + split(end - start)
        if old <= middle:
            path.append(tree.hash_range(middle, end))
            end = middle
        else:
            path.append(tree.hash_range(start, middle))
            start = middle
    if start:
        path.append(tree.hash_range(start, end))
    return path[::-1]


def find_tile(tree: Tree, level: int, index: int, width: int) -> list[bytes] | None:
    """Return `width` hashes of a tile (C2SP tlog-tiles), None where they are not there yet."""
    height = level * TILE_HEIGHT
    nodes = tree.levels[height] if height < len(tree.levels) else []
    hashes = nodes[index * TILE_WIDTH : index * TILE_WIDTH + width]
    return hashes if len(hashes) == width else None
