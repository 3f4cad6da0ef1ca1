"""A queue that serves one item of each key in turn."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items in the order of their arrival per key, the keys in turn.

    A key with a thousand items delays another key's first by one item. Every operation but `add`
    takes constant time; that one looks at each key, to tell the position.
    """

    def __init__(self) -> None:
        self._lines: OrderedDict[str, OrderedDict[T, None]] = OrderedDict()  # first: next in turn
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str, item: T) -> int:
        """Add *item*; return its position from 1 if nobody comes or leaves any more."""
        line = self._lines.setdefault(key, OrderedDict())
        line[item] = None
        self._count += 1
        turn, ahead, is_before = len(line), len(line), True
        for other, items in self._lines.items():
            if other == key:
                is_before = False
            else:
                ahead += min(len(items), turn if is_before else turn - 1)
        return ahead

    @property
    def first(self) -> T:
        """The item whose turn it is; the queue is not empty."""
        return next(iter(next(iter(self._lines.values()))))

    def pop(self) -> T:
        """Remove and return the item whose turn it is; the queue is not empty."""
        key, line = self._lines.popitem(last=False)
        item, _ = line.popitem(last=False)
        self._count -= 1
        if line:
            self._lines[key] = line
        return item

    def remove(self, key: str, item: T) -> None:
        """Remove *item* of *key* if it is there."""
        line = self._lines.get(key)
        if line is None or item not in line:
            return
        del line[item]
        self._count -= 1
        if not line:
            del self._lines[key]
