/* The header's constants are the library's values, and every status has a name. */

#include "support.h"

int main(void)
{
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", NODELOCK_VERSION_MAJOR, NODELOCK_VERSION_MINOR, NODELOCK_VERSION_PATCH);
    CHECK(strcmp(version, nodelock_version()) == 0);
    CHECK(nodelock_version_number() == NODELOCK_VERSION_MAJOR * 1000000u + NODELOCK_VERSION_MINOR * 1000u +
                                           NODELOCK_VERSION_PATCH);
    CHECK(nodelock_abi_version() == NODELOCK_ABI_VERSION && NODELOCK_ABI_VERSION > 0);
    CHECK(NODELOCK_UNLIMITED == UINT64_MAX);
    CHECK(nodelock_has_feature("authority") && nodelock_has_feature("qr") && nodelock_has_feature("online"));
    CHECK(!nodelock_has_feature("Online") && !nodelock_has_feature(""));

    CHECK(strcmp(nodelock_status_name(NODELOCK_OK), "ok") == 0);
    CHECK(strcmp(nodelock_status_name(NODELOCK_INVALID_INPUT), "invalid-input") == 0);
    CHECK(strcmp(nodelock_status_name(NODELOCK_VERDICT_LEASE_ENDED), "lease-ended") == 0);
    CHECK(strcmp(nodelock_status_name(NODELOCK_NO_SPACE), "no-space") == 0);
    CHECK(strcmp(nodelock_status_name(NODELOCK_NO_FREE_SEAT), "no-free-seat") == 0);
    CHECK(strcmp(nodelock_status_name(NODELOCK_INTERNAL), "internal") == 0);
    CHECK(strcmp(nodelock_status_name(NODELOCK_OUTDATED), "outdated") == 0);
    CHECK(nodelock_status_name(99) == NULL && nodelock_status_name(UINT32_MAX) == NULL);
    CHECK(strcmp(nodelock_component_name(NODELOCK_COMPONENT_HW_UUID), "hw_uuid") == 0);
    CHECK(nodelock_component_name(10) == NULL);

    /* Permanent: a program that was compiled against an older header relies on them. */
    CHECK(NODELOCK_INVALID_INPUT == 1 && NODELOCK_TOO_MANY_OUTSTANDING == 8 && NODELOCK_VERDICT_ACTIVE == 20);
    CHECK(NODELOCK_VERDICT_UNLICENSED == 31 && NODELOCK_BUSY == 40 && NODELOCK_NO_RANDOM == 46);
    CHECK(NODELOCK_UNREACHABLE == 60 && NODELOCK_SERVER_FAILED == 68 && NODELOCK_UNKNOWN_LICENSE == 70);
    CHECK(NODELOCK_TOO_MANY_ATTEMPTS == 77 && NODELOCK_INTERNAL == 90 && NODELOCK_MALFORMED == 100);
    CHECK(NODELOCK_OUTDATED == 114);
    return 0;
}
