/* See unit_a.c. Included twice, which is once. */

#include "nodelock.h"
#include "nodelock.h"

uint32_t other(void);

uint32_t other(void)
{
    return NODELOCK_ABI_VERSION;
}
