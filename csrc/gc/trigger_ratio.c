#include "gc/trigger_ratio.h"

#include "gc/pacer.h"

static double within(double ratio, double growth)
{
    double most = growth * TRIGGER_RATIO_MOST;
    return ratio > most ? most : ratio > 0 ? ratio : 0; // NaN too
}

CORE double trigger_ratio_next(double ratio, double growth, uint64_t marked, uint64_t live,
                               double utilization)
{
    if (!marked)
        return within(ratio, growth);
    double actual = (double)live / (double)marked - 1;
    double error = growth - ratio - utilization / PACER_UTILIZATION * (actual - ratio);
    return within(ratio + TRIGGER_RATIO_GAIN * error, growth);
}

CORE uint64_t trigger_ratio_bytes(double ratio, double growth, uint64_t marked, uint64_t least)
{
    uint64_t bytes = pacer_uint64((double)marked * (1 + within(ratio, growth)));
    return bytes > least ? bytes : least;
}
