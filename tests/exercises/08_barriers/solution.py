"""A solution of 08_barriers."""


def barriers():
    return {
        "hybrid": ["shade old", "shade new", "store"],
        "dijkstra": ["shade new", "store"],
        "yuasa": ["shade old", "store"],
        "steele": ["store", "shade source"],
        "none": ["store"],
    }


def rescan():
    return {"dijkstra", "steele"}


def stacks_first():
    return {"yuasa"}
