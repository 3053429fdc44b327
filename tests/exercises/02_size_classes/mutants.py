"""Mistakes that the tests of 02_size_classes must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "def slot(size, pointers): pass\ndef waste(size, pointers): pass\n",
    "constant": "def slot(size, pointers): return 16\ndef waste(size, pointers): return 0.0\n",
    "the size itself": [("return CLASSES[bisect_left(CLASSES, needed)]", "return needed")],
    "the class above": [
        (
            "CLASSES[bisect_left(CLASSES, needed)]",
            "CLASSES[min(bisect_left(CLASSES, needed) + 1, 66)]",
        )
    ],
    "no header": [("needed = size + 8 if pointers and size > 512 else size", "needed = size")],
    "a header from 512 on": [("size > 512", "size >= 512")],
    "a header for all": [
        (
            "size + 8 if pointers and size > 512 else size",
            "min(size + 8, 32768) if size > 512 else size",
        )
    ],
    "small to 32 KiB": [("size > 32760", "size > 32760 + 8")],
    "pages of 4 KiB": [("-(-size // 8192) * 8192", "-(-size // 4096) * 4096")],
    "large as it is": [("return -(-size // 8192) * 8192", "return size")],
    "no tiny allocator": [("    if not pointers and size < 16:\n        return 16\n", "")],
    "tiny with pointers": [
        ("if not pointers and size < 16:\n        return 16", "if size < 16:\n        return 16")
    ],
    "nothing takes something": [("    if size == 0:\n        return 0\n", "")],
    "waste in bytes": [
        ("return 1 - size / slot(size, pointers)", "return float(slot(size, pointers) - size)")
    ],
    "waste of tiny ones": [("if size == 0 or (not pointers and size < 16):", "if size == 0:")],
    "waste of the object": [("1 - size / slot(size, pointers)", "slot(size, pointers) / size - 1")],
}
