"""Size classes and waste. README.md says how; replace each todo(...)."""

from gcsim.learn import todo

#: The slot sizes of Go's 67 size classes, smallest first.
# fmt: off
CLASSES = [
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320,
    352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792,
    2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472,
    9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264,
    28672, 32768,
]
# fmt: on


def slot(size: int, pointers: bool) -> int:
    """How many bytes a request of `size` bytes takes, for an object with or without pointers.

    Of a tiny object (no pointers, below 16 bytes) that is the block that it shares: 16.
    """
    todo("find the slot")


def waste(size: int, pointers: bool) -> float:
    """The share of its slot that an object does not use, from 0.0 to 1.0; of a tiny one 0.0."""
    todo("compute the waste")
