# The one list of compiler and linker flags: for the core, the binding, the generated cffi unit and the C tests.
# csrc/Makefile includes this file and setup.py reads it, so it holds plain `NAME = words` lines and nothing else.
#
# FLAGS_COMMON comes last on the command line: what the environment's CFLAGS say can be added but not undo it.
# asan: undefined behaviour traps without words, which compiles in two thirds of the time; `make ubsan` has the words.
# -UNDEBUG: assertions stay in every build. -ffp-contract=off: the pacer must round as Go does.

MODES = release debug asan tsan ubsan cov

FLAGS_COMMON = -std=c11 -D_GNU_SOURCE -fno-strict-aliasing -fvisibility=hidden -ffp-contract=off -fPIC -pthread -Wall -Wextra -UNDEBUG

FLAGS_release = -O3 -g1 -DGCSIM_DEBUG=0
FLAGS_debug = -Og -g -fno-omit-frame-pointer -DGCSIM_DEBUG=1
FLAGS_asan = -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fsanitize-undefined-trap-on-error -fno-sanitize-recover=all -DGCSIM_DEBUG=1
FLAGS_tsan = -O1 -g1 -fno-omit-frame-pointer -fsanitize=thread -DGCSIM_DEBUG=1
FLAGS_ubsan = -O1 -g1 -fno-omit-frame-pointer -fsanitize=undefined -fno-sanitize-recover=all -DGCSIM_DEBUG=1
FLAGS_cov = -O0 -g --coverage -fprofile-update=atomic -DGCSIM_DEBUG=0

LINK_COMMON = -pthread -lm

LINK_release =
LINK_debug =
LINK_asan = -fsanitize=address,undefined
LINK_tsan = -fsanitize=thread
LINK_ubsan = -fsanitize=undefined
LINK_cov = --coverage
