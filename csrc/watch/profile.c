#include "watch/profile.h"

#include <math.h>

// Go's conversion on amd64: to zero, and the least number for what has no place.
static int64_t to_int64(double v) { return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN; }

// An object of s bytes is caught with probability 1 - exp(-s / rate).
CORE struct profile_estimate profile_scale(int64_t count, int64_t bytes, int64_t rate)
{
    if (!count || !bytes)
        return (struct profile_estimate){0, 0};
    if (rate <= 1)
        return (struct profile_estimate){count, bytes};
    double average = (double)bytes / (double)count;
    double scale = 1 / (1 - exp(-average / (double)rate));
    return (struct profile_estimate){to_int64((double)count * scale),
                                     to_int64((double)bytes * scale)};
}
