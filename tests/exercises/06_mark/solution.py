"""A solution of 06_mark."""


def mark(roots, pointers, is_marked, set_mark):
    grey = []
    for address in roots:
        if not is_marked(address):
            set_mark(address)
            grey.append(address)
    while grey:
        for to in pointers(grey.pop()):
            if to is not None and not is_marked(to):
                set_mark(to)
                grey.append(to)
