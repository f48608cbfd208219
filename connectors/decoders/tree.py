"""XML in pieces: the elements that are wanted, each as a small tree, without holding the document.

Documents that declare entities are refused outright (entity bombs, outside references). Depth, the size of one piece
and of one token are bounded, so that memory stays bounded whatever comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from connectors.decoders.unpack import Damaged

__all__ = ["Node", "elements"]

_BLOCK = 65_536


@dataclass(slots=True)
class Node:
    """One element: local name, attributes by local name, children in order, text directly inside it."""

    name: str
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def child(self, name: str) -> Node | None:
        """Return the first child of a name."""
        return next((one for one in self.children if one.name == name), None)

    def every(self, *names: str) -> Iterator[Node]:
        """Yield the elements below, this one included, that have one of the names; not inside each other."""
        if self.name in names:
            yield self
            return
        for one in self.children:
            yield from one.every(*names)


class _Reader:
    def __init__(self, wanted: Callable[[list[str]], bool], most: int, depth: int) -> None:
        self._wanted = wanted
        self._most = most
        self._depth = depth
        self._path: list[str] = []
        self._open: list[Node] = []
        self._began = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._entity
        self.parser.ExternalEntityRefHandler = self._outside
        self.found: list[Node] = []

    def room(self, fed: int) -> None:
        """Refuse a piece, or a single token, over the bound; `fed` is how much has been read so far."""
        since = self._began if self._open else self.parser.CurrentByteIndex
        if fed - since > self._most + _BLOCK:
            raise Damaged("length", f"one record is longer than {self._most} bytes; raise decoder.max_record?")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(_local(tag))
        if len(self._path) > self._depth:
            raise Damaged("depth", f"the document is nested deeper than {self._depth} elements")
        if self._open or self._wanted(self._path):
            if not self._open:
                self._began = self.parser.CurrentByteIndex
            node = Node(self._path[-1], {_local(name): value for name, value in attributes.items()})
            if self._open:
                self._open[-1].children.append(node)
            self._open.append(node)

    def _end(self, tag: str) -> None:
        self._path.pop()
        if self._open:
            node = self._open.pop()
            node.text = node.text.strip()
            if not self._open:
                self.found.append(node)

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def _entity(self, *about: object) -> None:
        raise Damaged("entity", "the document declares entities, which are not taken; send it without a DOCTYPE")

    def _outside(self, *about: object) -> int:
        raise Damaged("entity", "the document refers to an outside entity; send it without a DOCTYPE")


def elements(stream: BinaryIO, wanted: Callable[[list[str]], bool], most: int, depth: int) -> Iterator[Node]:
    """Yield the elements whose path of local names is `wanted`; Damaged where the document cannot be read on."""
    reader = _Reader(wanted, most, depth)
    fed = 0
    try:
        while block := stream.read(_BLOCK):
            fed += len(block)
            reader.parser.Parse(block, False)
            yield from reader.found
            reader.found.clear()
            reader.room(fed)
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise Damaged("xml", f"the document is no XML, or is cut off: {said} in line {error.lineno}") from error
    yield from reader.found


def _local(name: str) -> str:
    return name.rsplit(" ", 1)[-1]
