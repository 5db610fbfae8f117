/* 64 threads on one client: some look, some take the seat and give it back. */

#include "support.h"

#define THREADS 64
#define ROUNDS 6

static struct vendor vendor;
static nodelock_client *client;

/* What a call may come to while others take and give back the same seat. */
static void allowed(nodelock_status status)
{
    switch (status) {
    case NODELOCK_OK:
    case NODELOCK_BUSY:
    case NODELOCK_NOT_ACTIVE:
    case NODELOCK_NOT_PENDING:
    case NODELOCK_ALREADY_ACTIVE:
    case NODELOCK_GIVEN_UP:
    case NODELOCK_REQUEST_CANCELLED:
    case NODELOCK_NO_FREE_SEAT:
    case NODELOCK_WRONG_REQUEST:
    case NODELOCK_OUTDATED:
    case NODELOCK_UNKNOWN_SEAT:
        return;
    default:
        fprintf(stderr, "a thread got %s\n", nodelock_status_name(status));
        exit(1);
    }
}

static void *look(void *shared)
{
    const nodelock_license *first = shared;
    for (int i = 0; i < ROUNDS * 50; i++) {
        nodelock_license *license = NULL;
        OK(nodelock_client_check(client, &license, &error));
        if (nodelock_license_is_usable(license)) {
            CHECK(nodelock_license_has_feature(license, "export"));
            CHECK(strcmp(nodelock_license_licensee(license), "Jürgen Example") == 0);
        }
        nodelock_license_free(license);
        /* Everybody reads the same one. */
        CHECK(strcmp(nodelock_license_edition(first), "pro") == 0);
        CHECK(strcmp(nodelock_license_feature_name(first, 0), "export") == 0);
    }
    return NULL;
}

static void *change(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        nodelock_license *license = NULL;
        nodelock_receipt *receipt = NULL;
        nodelock_proofs *proofs = NULL;
        nodelock_fingerprint *found = NULL;
        bool wrote = false;
        allowed(nodelock_client_activate(client, vendor.license_key, NULL, NULL, &license, NULL));
        nodelock_license_free(license);
        allowed(nodelock_client_observe(client, &wrote, NULL));
        OK(nodelock_client_fingerprint(client, &found, &error));
        nodelock_fingerprint_free(found);
        allowed(nodelock_client_deactivate(client, NODELOCK_REASON_MOVED, NULL, &receipt, NULL));
        nodelock_receipt_free(receipt);
        allowed(nodelock_client_outstanding(client, &proofs, NULL));
        nodelock_proofs_free(proofs);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    nodelock_license *license = NULL;
    nodelock_receipts *receipts = NULL;
    vendor_open(&vendor, 1, "");
    client = device(&vendor, "threads");
    OK(nodelock_client_activate(client, vendor.license_key, NULL, NULL, &license, &error));
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, i % 8 ? look : change, license) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    nodelock_license_free(license);

    /* The client and the vendor agree on who has the seat. */
    OK(nodelock_client_hand_in(client, NULL, &receipts, &error));
    nodelock_receipts_free(receipts);
    CHECK(vendor_taken(&vendor) == (verdict(client) == NODELOCK_VERDICT_ACTIVE));
    CHECK(!nodelock_client_is_poisoned(client));
    nodelock_client_free(client);
    vendor_close(&vendor);
    return 0;
}
