// What objects of 16 bytes take of the machine's memory, over their own bytes.
#include "work.h"

struct node {
    struct node *next, *other;
};

uint64_t work_resident(struct thread *t, char **words)
{
    uint64_t n = number(words[0]), before = resident_bytes();
    collect_by_hand(t);
    struct kind node = kind_of(t, sizeof(struct node), 2);
    struct node **head = (struct node **)t->roots;
    for (uint64_t i = 0; i < n; i++) {
        struct node *fresh = make(t, node);
        put(t, &fresh->next, *head);
        *head = fresh;
    }
    double built = (double)(resident_bytes() - before) / (double)n / sizeof(struct node);
    collect(t);
    double collected = (double)(resident_bytes() - before) / (double)n / sizeof(struct node);
    printf("\"payload_ratio\": %.6f, \"collected_ratio\": %.6f, ", built, collected);
    return n;
}
