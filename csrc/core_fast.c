// The instantiation with real threads; step points are nothing.
#define GCSIM_STEPS               0
#define GCSIM_INSTANTIATION(name) gcsim##name##_fast
#include "core.h"
