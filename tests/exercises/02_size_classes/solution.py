"""A solution of 02_size_classes."""

from bisect import bisect_left

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
    if size == 0:
        return 0
    if not pointers and size < 16:
        return 16
    if size > 32760:
        return -(-size // 8192) * 8192
    needed = size + 8 if pointers and size > 512 else size
    return CLASSES[bisect_left(CLASSES, needed)]


def waste(size: int, pointers: bool) -> float:
    if size == 0 or (not pointers and size < 16):
        return 0.0
    return 1 - size / slot(size, pointers)
