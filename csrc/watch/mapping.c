#include "watch/mapping.h"

#include "base/os.h"
#include "watch/snapshot.h"

#include <errno.h>

CORE gcsim_status mapping_make(int fd, uint64_t offset, uint64_t bytes, gcsim_mapping *out)
{
    bool in_place = offset % os_page_bytes() == 0 && os_never_shrinks(fd);
    *out = (gcsim_mapping){
        .bytes = bytes, .room = bytes, .kind = in_place ? GCSIM_MAPPED_FILE : GCSIM_MAPPED_COPY};
    if (bytes == 0)
        return GCSIM_OK;
    out->error = in_place ? os_map_file(fd, offset, bytes, &out->base)
                          : os_copy_file(fd, offset, &out->bytes, &out->base);
    if (out->error == 0)
        return GCSIM_OK;
    return out->error == ENOMEM ? GCSIM_NO_MEMORY : GCSIM_BAD_STATE;
}

CORE void mapping_unmake(gcsim_mapping *mapping)
{
    if (mapping->base)
        os_unmap_file(mapping->base, mapping->room);
    mapping->base = NULL;
    mapping->bytes = mapping->room = 0;
}

struct closing {
    gcsim_mapping *mapping;
    const uint64_t *pointers;
};

static void unmake_unless_used(void *arg)
{
    struct closing *c = arg;
    if (*c->pointers == 0)
        mapping_unmake(c->mapping);
}

CORE gcsim_status mapping_close(struct mutator *m, gcsim_mapping *mapping, uint64_t *pointers)
{
    *pointers = 0;
    struct closing closing = {mapping, pointers};
    gcsim_status status = snapshot_count_into(m, mapping->base, mapping->room, pointers,
                                              unmake_unless_used, &closing);
    if (status != GCSIM_OK)
        return status;
    return *pointers ? GCSIM_BAD_STATE : GCSIM_OK;
}
