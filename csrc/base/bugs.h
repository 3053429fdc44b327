// Planted bugs: mistakes that the core can be compiled with, one at a time, so that the explorer has something to find.
//
// PLANTED(NAME) is the constant 0 unless the unit is compiled with -DGCSIM_PLANTED=NAME: the compiler drops the condition, and what is
// shipped is the same code as without (tests/planted/run.py --compare shows it).
#pragma once

enum bug {
    BUG_NONE,
#define BUG(NAME, name, what) BUG_##NAME,
#include "base/bugs.def"
#undef BUG
    BUGS
};

#ifndef GCSIM_PLANTED
#define GCSIM_PLANTED NONE
#endif
#define BUG_CALLED_(name) BUG_##name
#define BUG_CALLED(name)  BUG_CALLED_(name)
#define PLANTED(NAME)     (BUG_CALLED(GCSIM_PLANTED) == BUG_##NAME)
