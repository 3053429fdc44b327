// The instantiation with real threads; step points are nothing.
#define GCSIM_STEPS 0
#define GCSIM_INSTANTIATION(name) gcsim_fast##name
#include "core.h"
