// The chapter's list: nodes are inserted at the front while another thread keeps collecting; counted after.
#include "work.h"

struct node {
    struct node *next;
    uint64_t value;
};

static void keep_collecting(struct thread *t, unsigned index, void *arg)
{
    (void)index;
    while (!GCSIM_LOAD((bool *)arg))
        collect(t);
}

uint64_t work_list(struct thread *t, char **words)
{
    uint64_t n = number(words[0]), count = 0;
    struct kind node = kind_of(t, sizeof(struct node), 1);
    struct node **head = (struct node **)t->roots;
    bool stop = false;
    struct job collector;
    uint64_t start = now_ns();
    if (MEMORY_COLLECTS)
        job_start(&collector, t, keep_collecting, 0, &stop);
    for (uint64_t i = 0; i < n; i++) {
        struct node *fresh = make_unset(t, node);
        fresh->value = i;
        put(t, &fresh->next, *head);
        *head = fresh;
    }
    printf("\"ns_per_insert\": %.4f, ", (double)(now_ns() - start) / (double)n);
    GCSIM_STORE(&stop, true);
    if (MEMORY_COLLECTS)
        job_join(&collector, t);
    for (struct node *p = *head, *next; p; p = next) {
        next = p->next;
        count += p->value;
        drop(p);
    }
    return count;
}
