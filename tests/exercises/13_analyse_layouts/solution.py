"""A solution of 13_analyse_layouts."""

BASIC = {
    "bool": (1, 1, ""),
    "int8": (1, 1, ""),
    "int16": (2, 2, ""),
    "int32": (4, 4, ""),
    "int64": (8, 8, ""),
    "float64": (8, 8, ""),
    "complex128": (16, 8, ""),
    "*int64": (8, 8, "1"),
    "string": (16, 8, "1"),
    "[]byte": (24, 8, "1"),
    "any": (16, 8, "01"),
}

# fmt: off
CLASSES = {
    8: 1, 16: 1, 24: 1, 32: 1, 48: 1, 64: 1, 80: 1, 96: 1, 112: 1, 128: 1, 144: 1, 160: 1, 176: 1,
    192: 1, 208: 1, 224: 1, 240: 1, 256: 1, 288: 1, 320: 1, 352: 1, 384: 1, 416: 1, 448: 1, 480: 1,
    512: 1, 576: 1, 640: 1, 704: 1, 768: 1, 896: 1, 1024: 1, 1152: 1, 1280: 1, 1408: 2, 1536: 1,
    1792: 2, 2048: 1, 2304: 2, 2688: 1, 3072: 3, 3200: 2, 3456: 3, 4096: 1, 4864: 3, 5376: 2,
    6144: 3, 6528: 4, 6784: 5, 6912: 6, 8192: 1, 9472: 7, 9728: 6, 10240: 5, 10880: 4, 12288: 3,
    13568: 5, 14336: 7, 16384: 2, 18432: 9, 19072: 7, 20480: 5, 21760: 8, 24576: 3, 27264: 10,
    28672: 7, 32768: 4,
}
# fmt: on


def round_up(x, to):
    return (x + to - 1) // to * to


def whole(t):
    """Size, alignment and the bitmap of all words of a type."""
    if isinstance(t, str):
        size, align, bits = BASIC[t]
    elif isinstance(t, tuple):
        size, align, bits = whole(t[1])
        size, bits = size * t[0], bits * t[0] if "1" in bits else ""
    else:
        size, align, bits = 0, 1, ""
        for part in t.values():
            part_size, part_align, part_bits = whole(part)
            start = round_up(size, part_align)
            if "1" in part_bits:
                bits = bits.ljust(start // 8, "0") + part_bits
            size, align = start + part_size, max(align, part_align)
        if t and part_size == 0 and size > 0:
            size += 1
        size = round_up(size, align)
    return size, align, bits.ljust(size // 8, "0")


def describe(t):
    size, align, bits = whole(t)
    return size, align, bits.rstrip("0")


def in_order(t):
    if isinstance(t, str):
        return []
    if isinstance(t, tuple):
        return [("[]" + path, t[0] * n) for path, n in in_order(t[1]) if t[0]]
    found, at = [], 0
    names, parts = list(t), [describe(part) for part in t.values()]
    for i, name in enumerate(names):
        inner = in_order(t[name])
        found += [("." + name + path, n) for path, n in inner]
        end = at + parts[i][0]
        at = round_up(end, parts[i + 1][1]) if i + 1 < len(names) else describe(t)[0]
        if at > end:
            found.append(("." + name, at - end))
    return found


def padding(t):
    return sorted([(path[1:], n) for path, n in in_order(t)], key=lambda row: -row[1])


def improve(t):
    if isinstance(t, str):
        return t
    if isinstance(t, tuple):
        return t[0], improve(t[1])
    better = {name: improve(part) for name, part in t.items()}

    def key(name):
        size, align, bits = describe(better[name])
        return size > 0, -align, not bits, size - 8 * len(bits)

    return {name: better[name] for name in sorted(better, key=key)}


def bill(t, n):
    size, _, bits = describe(t)
    lost = sum(behind for _, behind in padding(t))
    need = size + 8 if bits and size > 512 else size
    if size > 32760:
        slot = room = round_up(size, 8192)
        span = slot
    else:
        slot, pages = next(row for row in CLASSES.items() if row[0] >= need)
        span = room = pages * 8192
        if slot <= 512:
            room -= (128 if bits else 0) + (128 if slot >= 16 else 0)
    each = room // slot
    spans = -(-n // each)
    return {
        "fields": n * (size - lost),
        "padding": n * lost,
        "slots": n * (slot - size),
        "free": (spans * each - n) * slot,
        "ends": spans * (span - each * slot),
    }
