"""A solution of 01_struct_layout."""


def layout(fields: list[tuple[int, int]]) -> tuple[int, int, list[int]]:
    end, align, offsets = 0, 1, []
    for size, field_align in fields:
        start = (end + field_align - 1) // field_align * field_align
        offsets.append(start)
        end, align = start + size, max(align, field_align)
    if fields and fields[-1][0] == 0 and end > 0:
        end += 1
    return (end + align - 1) // align * align, align, offsets


def best_order(fields: list[tuple[int, int]]) -> list[int]:
    return sorted(range(len(fields)), key=lambda i: (fields[i][0] > 0, -fields[i][1]))
