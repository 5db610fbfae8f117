/* What the generated program needs: an object of each kind, and texts. */

#include "support.h"

struct some {
    struct vendor *vendor;
    const char *code, *seat, *found[1], *long_text;
    const uint8_t *data;
    nodelock_answer *answer;
    nodelock_bytes *bytes;
    nodelock_call *call;
    nodelock_client *client;
    nodelock_config *config;
    nodelock_details *details;
    nodelock_error *error;
    nodelock_fingerprint *fingerprint;
    nodelock_license *license;
    const nodelock_post *post;
    nodelock_proof *proof;
    nodelock_proofs *proofs;
    nodelock_qr *qr;
    nodelock_readings *readings;
    nodelock_receipt *receipt;
    nodelock_receipts *receipts;
    nodelock_request *request;
    nodelock_revocation *revocation;
    nodelock_typing *typing;
    nodelock_activation *activation;
    nodelock_decision *decision;
    nodelock_issuer *issuer;
    nodelock_key *key;
    nodelock_records *records;
    nodelock_release *release;
    nodelock_reply *reply;
    nodelock_test_authority *test_authority;
    nodelock_clock_fn nodelock_clock;
    nodelock_finalize_fn nodelock_finalize;
    nodelock_log_fn nodelock_log;
    nodelock_progress_fn nodelock_progress;
    nodelock_transport_fn nodelock_transport;
};

static struct some some;
static unsigned calls;

static void wrong(int line)
{
    fprintf(stderr, "the call before line %d of the generated program came to something else\n", line);
    exit(1);
}

static void no_log(void *user_data, uint32_t event, const char *call, uint32_t attempt, uint32_t status,
                   const char *message)
{
    (void)user_data, (void)event, (void)call, (void)attempt, (void)status, (void)message;
}

static void no_progress(void *user_data, uint32_t event, uint32_t attempt, uint64_t pause)
{
    (void)user_data, (void)event, (void)attempt, (void)pause;
}

static void no_finalize(void *user_data)
{
    (void)user_data;
}
