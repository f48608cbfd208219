"""Written descriptions of datasets, kept by what is described: a page is its frame and the kept pieces of its datasets.

A page costs what its datasets cost when they are first shown, or have changed since; after that it costs the joining of
bytes. What is kept is bounded: the pieces that were not asked for longest go first. Safe to use from several threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from catalog import dcat
from catalog.dataset import Catalogue, Dataset
from catalog.serialize import blocks, joined

__all__ = ["Fragments"]

_MOST: Final = 96 * 1024 * 1024
_NEVER: Final = datetime.fromtimestamp(0, UTC)
_COMMON: Final = 20_000
_OVERHEAD: Final = 120
"""About what a block costs beyond its own bytes."""


@dataclass(frozen=True, slots=True)
class _Kept:
    dataset: Dataset
    around: Catalogue
    blocks: Mapping[str, bytes]
    size: int


class Fragments:
    """Writes pages of a catalog, and keeps at most so many bytes of what it wrote of each dataset."""

    def __init__(self, most_bytes: int = _MOST) -> None:
        self._most, self._size = most_bytes, 0
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._common: dict[bytes, bytes] = {}
        self._lock = Lock()

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return self._size

    def write(self, catalogue: Catalogue, datasets: Sequence[Dataset], media: str, page: dcat.Page | None) -> bytes:
        """The catalog with these datasets: a page of it, or the whole."""
        found = [*blocks(dcat.frame_graph(catalogue, datasets, page), media).items()]
        around = replace(catalogue, datasets=(), issued=_NEVER, modified=_NEVER)
        bare = replace(around, extent=None)
        for dataset in datasets:
            # A dataset without a place of its own is for the whole area; the others do not change when that does.
            found += self._of(bare if dataset.extent else around, dataset, media).items()
        return joined(found, media)

    def _of(self, around: Catalogue, dataset: Dataset, media: str) -> Mapping[str, bytes]:
        key = (media, dataset.id)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.dataset == dataset and kept.around == around:
                self._kept.move_to_end(key)
                return kept.blocks
        made = blocks(dcat.description(around, dataset), media)
        own = dcat.dataset_uri(around.base_url, dataset.domain, dataset.slug)
        size = sum(_OVERHEAD + len(subject) + len(said) for subject, said in made.items() if subject.startswith(own))
        with self._lock:
            self._share(made, own)
            before = self._kept.pop(key, None)
            self._size += size - (before.size if before else 0)
            self._kept[key] = _Kept(dataset, around, made, size)
            while self._size > self._most and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1].size
        return made

    def _share(self, made: dict[str, bytes], own: str) -> None:
        """Keep what many datasets say alike, such as of a licence, once."""
        if len(self._common) > _COMMON:
            self._common.clear()
        for subject, said in made.items():
            if not subject.startswith(own):
                made[subject] = self._common.setdefault(said, said)
