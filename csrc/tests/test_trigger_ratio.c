// instantiations: fast
//
// The trigger ratio of Go 1.5 to 1.17: its arithmetic by hand, and that it settles where the heap is at its goal at the cost asked for.
#include "harness.h"

#include <math.h>

static bool near(double a, double b) { return fabs(a - b) < 1e-9; }

static void by_hand(void)
{
    check(near(trigger_ratio_next(0.5, 1, 100, 200, 0.25), 0.5),
          "at the goal and at a quarter of the processors it stays");
    // error = 1 - 0.5 - 1 * (1.2 - 0.5) = -0.2
    check(near(trigger_ratio_next(0.5, 1, 100, 220, 0.25), 0.4),
          "overshoot: sooner by half the error");
    // error = 1 - 0.5 - 2 * (1 - 0.5) = -0.5
    check(near(trigger_ratio_next(0.5, 1, 100, 200, 0.5), 0.25), "assists count as overshoot");
    // error = 1 - 0.5 - (0.6 - 0.5) = 0.4
    check(near(trigger_ratio_next(0.5, 1, 100, 160, 0.25), 0.7), "undershoot: later");
    check(near(trigger_ratio_next(0.95, 1, 100, 196, 0.25), 0.95), "at most 0.95 of the growth");
    check(near(trigger_ratio_next(0.5, 1, 100, 1000, 1), 0), "at least 0");
    check(near(trigger_ratio_next(0.875, 0.5, 0, 100, 0.25), 0.475),
          "no cycle yet: only kept within");
    check(trigger_ratio_bytes(0.5, 1, 1000, 0) == 1500 &&
              trigger_ratio_bytes(0.5, 1, 1000, 4000) == 4000 &&
              trigger_ratio_bytes(5, 1, 1000, 0) == 1950,
          "bytes: at least the smallest heap, at most 0.95 of the growth");
}

// The program allocates half as fast as marking goes on with a quarter of the processors.
static void settles(void)
{
    double ratio = TRIGGER_RATIO_FIRST, live = 0;
    for (int i = 0; i < 60; i++) {
        live = 1e6 * (1 + ratio) + 0.3e6; // what is allocated while marking
        ratio = trigger_ratio_next(ratio, 1, 1000000, (uint64_t)live, 0.25);
    }
    check(fabs(ratio - 0.7) < 1e-5 && fabs(live - 2e6) < 10,
          "it settles: the goal is met (%.3f, %.0f)", ratio, live);
}

int main(void)
{
    by_hand();
    settles();
    return finish();
}
