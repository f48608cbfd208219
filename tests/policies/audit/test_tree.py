"""The Merkle tree against RFC 9162's definitions, written out naively, and against published vectors."""

from __future__ import annotations

import hashlib
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.audit import tree

VECTOR = [bytes.fromhex(x) for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
VECTOR.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def naive(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def grown(leaves: list[bytes], steps: list[int]) -> dict[tree.Node, bytes]:
    """Grow a tree in rounds; each round sees only its frontier, as the sealer does."""
    nodes: dict[tree.Node, bytes] = {}
    size = 0
    for step in [*steps, len(leaves)]:
        more = leaves[size : size + step]
        known = {node: nodes[node] for node in tree.frontier(size)}
        nodes |= tree.append(size, known, [tree.leaf_hash(leaf) for leaf in more])
        size += len(more)
    return nodes


@pytest.mark.parametrize("size", ROOTS)
def test_published_vectors(size: int) -> None:
    assert tree.root(size, grown(VECTOR[:size], [])).hex() == ROOTS[size]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=4), max_size=70), st.lists(st.integers(0, 20), max_size=6))
def test_root_is_the_naive_one(leaves: list[bytes], steps: list[int]) -> None:
    nodes = grown(leaves, steps)
    for size in range(len(leaves) + 1):
        assert tree.root(size, nodes) == naive(leaves[:size])
        wanted = tree.plan(partial(tree.root, size))
        assert len(wanted) <= size.bit_length()
        assert set(wanted) <= nodes.keys()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.data())
def test_every_proof_verifies_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [bytes([n]) for n in range(size)]
    nodes = grown(leaves, [])
    root = tree.root(size, nodes)
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index, size, nodes)
    assert tree.verify_inclusion(tree.leaf_hash(leaves[index]), index, size, path, root)
    assert not tree.verify_inclusion(tree.leaf_hash(b"other"), index, size, path, root)
    assert not tree.verify_inclusion(tree.leaf_hash(leaves[index]), index, size, [*path, root], root)
    if size > 1:
        other = (index + 1) % size
        assert not tree.verify_inclusion(tree.leaf_hash(leaves[index]), other, size, path, root)
        assert not tree.verify_inclusion(tree.leaf_hash(leaves[index]), index, size, path[:-1], root)

    old = data.draw(st.integers(1, size))
    proof = tree.consistency(old, size, nodes)
    assert tree.verify_consistency(old, size, proof, tree.root(old, nodes), root)
    assert not tree.verify_consistency(old, size, proof, naive([b"x"] * old), root)
    if old < size:
        assert not tree.verify_consistency(old, size, proof, tree.root(old, nodes), naive([b"x"] * size))
        assert not tree.verify_consistency(old, size, proof[:-1], tree.root(old, nodes), root)


def test_out_of_range() -> None:
    assert not tree.verify_inclusion(b"", 1, 1, [], b"")
    assert not tree.verify_consistency(0, 1, [], tree.EMPTY, b"")
    assert not tree.verify_consistency(2, 1, [], b"", b"")
    assert tree.consistency(3, 3, {}) == []
