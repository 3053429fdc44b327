"""A solution of 17_prealloc_and_builder."""

from gcsim import i64, slice_


def squares(heap, n):
    made = heap.new_slice(i64, n)
    for i in range(n):
        made[i] = i * i
    return made


def below(heap, numbers, limit):
    made = heap.new_slice(i64, 0, sum(x < limit for x in numbers))
    for x in numbers:
        if x < limit:
            made = made.append(x)
    return made


def joined(heap, words, separator):
    between = len(separator.encode()) * max(len(words) - 1, 0)
    made = heap.builder()
    made.grow(sum(len(word.encode()) for word in words) + between)
    for i, word in enumerate(words):
        if i:
            made.write(separator)
        made.write(word)
    return made


def groups(heap, numbers, n):
    counts = [0] * n
    for x in numbers:
        counts[x % n] += 1
    rows, array = heap.new_slice(slice_[i64], n), heap.new_slice(i64, len(numbers))
    start = 0
    for i, count in enumerate(counts):
        rows[i] = array.reslice(start, start, start + count)
        start += count
    for x in numbers:
        rows[x % n] = rows[x % n].append(x)
    return rows
