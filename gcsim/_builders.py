"""strings.Builder and bytes.Buffer on the heap.

The classes are structs whose fields are their own, as Go lays them out; ``heap.builder()`` and
``heap.buffer()`` make them, and so does ``heap.new``. They may also lie inside other structs. Their
methods are in csrc/bind/text_bind.c, over csrc/lib/builder.c and buffer.c, which allocate as Go's
do (src/strings/builder.go, src/bytes/buffer.go).
"""

from __future__ import annotations

from gcsim import _core
from gcsim._struct import struct
from gcsim._types import i8, i64, ptr, slice_, u8


@struct
class Builder:
    """A strings.Builder: bytes that are appended to. 32 bytes; zeros are an empty one.

    A copy of one in use refuses to be written to (PanicError), as in Go.
    """

    _addr: ptr
    _buf: slice_[u8]


@struct
class Buffer:
    """A bytes.Buffer: bytes are written at one end and read at the other. 40 bytes; zeros are an
    empty one."""

    _buf: slice_[u8]
    _off: i64
    _last_read: i8


_core.add_text_methods(Builder, Buffer)
for _made in (Builder, Buffer):
    _core.hide_fields(_made)
del _made
