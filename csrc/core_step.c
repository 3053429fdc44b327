// The instantiation under a scheduler; every step point hands it control.
#define GCSIM_STEPS 1
#define GCSIM_INSTANTIATION(name) gcsim_steps##name
#include "core.h"
