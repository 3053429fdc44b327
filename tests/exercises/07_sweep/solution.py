"""A solution of 07_sweep."""


def sweep(allocated, marked):
    freed = sum(a and not m for a, m in zip(allocated, marked, strict=True))
    return list(marked), freed


def state(allocated):
    if not any(allocated):
        return "free"
    return "full" if all(allocated) else "partial"


def next_free(allocated, index):
    return next((i for i in range(index, len(allocated)) if not allocated[i]), None)
