// The workloads as one unit: those that are built in, and what runs any.
#include "workloads/run.h"

enum {
#define WORK_COST(NAME, op, shade) NAME##_OP_PS = (op), NAME##_SHADE_PS = (shade),
#include "workloads/costs.def"
#undef WORK_COST
};

#include "workloads/binary_trees.c"
#include "workloads/graph.c"
#include "workloads/idle.c"
#include "workloads/list.c"
#include "workloads/lru.c"
#include "workloads/ring.c"
#include "workloads/spikes.c"

#include "workloads/run.c"

const gcsim_workload *gcsim_workload_builtin(uint32_t i)
{
    static const gcsim_workload *const all[] = {&trees_workload, &graph_workload, &idle_workload,
                                                &list_workload,  &lru_workload,   &ring_workload,
                                                &spikes_workload};
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}
