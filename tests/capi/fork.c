/* A child process goes on with what its parent made. */

#include "support.h"

#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    struct vendor vendor;
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    char store[512];
    int status = 0;
    CHECK(count == 2);
    vendor_open(&vendor, 1, "");
    nodelock_config *config = device_config(&vendor, "fork");
    snprintf(store, sizeof store, "%s/forked", arguments[1]);
    OK(nodelock_config_set_store_directory(config, store, NULL, &error));
    nodelock_client *client = client_of(config);
    OK(nodelock_client_activate(client, vendor.license_key, NULL, NULL, &license, &error));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(nodelock_license_has_feature(license, "export") && verdict(client) == NODELOCK_VERDICT_ACTIVE);
        OK(nodelock_client_deactivate_offline(client, NODELOCK_REASON_MOVED, &proof, &error));
        CHECK(verdict(client) == NODELOCK_VERDICT_DEACTIVATED);
        /* Drawn in the child: not what the parent draws next. */
        nodelock_request *request = NULL;
        OK(nodelock_client_begin(client, NULL, NULL, &request, &error));
        fflush(NULL);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(verdict(client) == NODELOCK_VERDICT_UNLICENSED);
    nodelock_proofs *proofs = NULL;
    OK(nodelock_client_outstanding(client, &proofs, &error));
    CHECK(nodelock_proofs_count(proofs) == 1);
    nodelock_proofs_free(proofs);
    nodelock_license_free(license);
    nodelock_client_free(client);
    nodelock_config_free(config);
    vendor_close(&vendor);
    return 0;
}
