"""The Merkle tree of the log (RFC 9162, 2.1), pure: hashes in, hashes out.

`Node` (level, position) is the root of the complete subtree over leaves position * 2^level up to (position + 1) *
2^level. Every hash that a root or a proof needs is made of such nodes, so the store keeps them and reads few rows:
`plan` names the nodes that a computation needs, the store fetches them, and the computation runs on what was fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "EMPTY",
    "Node",
    "append",
    "consistency",
    "frontier",
    "inclusion",
    "leaf_hash",
    "plan",
    "root",
    "verify_consistency",
    "verify_inclusion",
]

Node = tuple[int, int]
EMPTY = hashlib.sha256(b"").digest()
_Get = Callable[[Node], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf's data."""
    return hashlib.sha256(b"\0" + data).digest()


def _pair(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _split(n: int) -> int:
    """Largest power of two below n."""
    return 1 << ((n - 1).bit_length() - 1)


def _range(start: int, end: int, get: _Get) -> bytes:
    n = end - start
    if n & (n - 1) == 0 and start % n == 0:
        return get((n.bit_length() - 1, start // n))
    k = _split(n)
    return _pair(_range(start, start + k, get), _range(start + k, end, get))


def root(size: int, nodes: Mapping[Node, bytes]) -> bytes:
    """Root of the tree over the first `size` leaves."""
    return _range(0, size, nodes.__getitem__) if size else EMPTY


def inclusion(index: int, size: int, nodes: Mapping[Node, bytes]) -> list[bytes]:
    """Path that proves leaf `index` in the tree of `size` (2.1.3.1)."""
    return list(_path(index, 0, size, nodes.__getitem__))


def _path(index: int, start: int, end: int, get: _Get) -> Iterable[bytes]:
    n = end - start
    if n == 1:
        return []
    k = _split(n)
    if index < k:
        return [*_path(index, start, start + k, get), _range(start + k, end, get)]
    return [*_path(index - k, start + k, end, get), _range(start, start + k, get)]


def consistency(old: int, size: int, nodes: Mapping[Node, bytes]) -> list[bytes]:
    """Proof that the tree of `old` leaves is a beginning of the tree of `size` (2.1.4.1)."""
    return list(_subproof(old, 0, size, True, nodes.__getitem__)) if 0 < old < size else []


def _subproof(old: int, start: int, end: int, whole: bool, get: _Get) -> Iterable[bytes]:
    n = end - start
    if old == n:
        return [] if whole else [_range(start, end, get)]
    k = _split(n)
    if old <= k:
        return [*_subproof(old, start, start + k, whole, get), _range(start + k, end, get)]
    return [*_subproof(old - k, start + k, end, False, get), _range(start, start + k, get)]


class _Recorder(dict[Node, bytes]):
    """Answers any node, and thereby remembers which were asked for."""

    def __missing__(self, node: Node) -> bytes:
        self[node] = b""
        return b""


def plan(work: Callable[[Mapping[Node, bytes]], object]) -> list[Node]:
    """Name the nodes that a computation on nodes will read."""
    recorder = _Recorder()
    work(recorder)
    return list(recorder)


def frontier(size: int) -> list[Node]:
    """Name the complete subtrees that make up the tree of `size`, largest first: all that appending needs."""
    return [(level, (size >> level) - 1) for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]


def append(size: int, known: Mapping[Node, bytes], leaves: Iterable[bytes]) -> dict[Node, bytes]:
    """Give the nodes that the new leaves (hashed) complete, those leaves included; `known` holds the frontier."""
    made: dict[Node, bytes] = {}
    for position, leaf in enumerate(leaves, size):
        node, value = (0, position), leaf
        made[node] = value
        while node[1] & 1:
            left = (node[0], node[1] - 1)
            value = _pair(made[left] if left in made else known[left], value)
            node = (node[0] + 1, node[1] >> 1)
            made[node] = value
    return made


def verify_inclusion(leaf: bytes, index: int, size: int, path: list[bytes], claimed: bytes) -> bool:
    """Check an inclusion proof (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, value = index, size - 1, leaf
    for item in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            value = _pair(item, value)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            value = _pair(value, item)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and value == claimed


def verify_consistency(old: int, size: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Check a consistency proof (2.1.4.2)."""
    if old == size:
        return not proof and old_root == new_root
    if not 0 < old < size:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for item in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first, second = _pair(item, first), _pair(item, second)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = _pair(second, item)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and first == old_root and second == new_root
