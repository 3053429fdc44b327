// instantiations: fast
//
// Estimates of memory profiles: what Go's test data does not reach (tests/data/golden/memprofile-scale has the rest).
#include "harness.h"

static bool is(int64_t count, int64_t bytes, int64_t rate, int64_t objects, int64_t all)
{
    struct profile_estimate e = profile_scale(count, bytes, rate);
    return e.count == objects && e.bytes == all;
}

int main(void)
{
    check(is(0, 100, 512, 0, 0) && is(3, 0, 512, 0, 0), "nothing was caught");
    check(is(3, 100, 1, 3, 100) && is(3, 100, 0, 3, 100) && is(3, 100, -5, 3, 100),
          "each object was caught");
    // 1 / (1 - exp(-1)) = 1.58197670
    check(is(1000, 512000, 512, 1581, 809972), "objects as large as the rate");
    check(is(1, 1 << 20, 512, 1, 1 << 20), "a large object is always caught");
    check(is(INT64_MAX / 2, INT64_MAX / 2, INT64_MAX, INT64_MIN, INT64_MIN), "no place for it");
    return finish();
}
