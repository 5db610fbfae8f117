/* Two mistakes of a host that the sanitizers must find, so that their silence elsewhere says something. */

#include "support.h"

#include <limits.h>

int main(int count, char **arguments)
{
    CHECK(count == 2);
    if (strcmp(arguments[1], "address") == 0) {
        nodelock_bytes *id = NULL;
        OK(nodelock_license_id_generate(&id, &error));
        const char *text = nodelock_bytes_text(id);
        nodelock_bytes_free(id);
        return text[0]; /* It was lent until then. */
    }
    if (strcmp(arguments[1], "leak") == 0) {
        nodelock_bytes *id = NULL;
        OK(nodelock_license_id_generate(&id, &error));
        id = NULL;
        return 0;
    }
    int number = INT_MAX - 1 + count;
    return number < 0; /* Over the edge. */
}
