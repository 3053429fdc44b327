// The instantiation under a scheduler; every step point hands it control.
#define GCSIM_STEPS               1
#define GCSIM_INSTANTIATION(name) gcsim##name##_steps
#include "core.h"
