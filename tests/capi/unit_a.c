/* With unit_b.c: the header in two units of one program. */

#include "nodelock.h"

uint32_t other(void);

int main(void)
{
    return nodelock_abi_version() == other() ? 0 : 1;
}
