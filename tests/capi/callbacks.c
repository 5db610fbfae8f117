/* Callbacks that call back in, block, fail and lie, and the end of their data. */

#include "support.h"

#include <time.h>

static nodelock_client *current;
static unsigned finalized[4];
static int inside;

static void finalize(void *user_data)
{
    finalized[(size_t)user_data]++;
}

static uint64_t fixed_clock(void *user_data)
{
    (void)user_data;
    return START;
}

/* A clock that asks the client whose clock it is. */
static uint64_t curious_clock(void *user_data)
{
    if (current != NULL && !inside) {
        nodelock_license *license = NULL;
        nodelock_proofs *outstanding = NULL;
        inside = 1;
        OK(nodelock_client_check(current, &license, &error));
        OK(nodelock_client_outstanding(current, &outstanding, &error));
        nodelock_license_free(license);
        nodelock_proofs_free(outstanding);
        inside = 0;
    }
    return ((struct vendor *)user_data)->now;
}

struct log {
    struct vendor *vendor;
    unsigned done, sending, waiting, failed;
    char secret[64];
};

static void curious_log(void *user_data, uint32_t event, const char *call, uint32_t attempt, uint32_t status,
                        const char *message)
{
    struct log *log = user_data;
    CHECK(strncmp(call, "nodelock_client_", 16) == 0);
    CHECK(strstr(message, log->vendor->license_key) == NULL);
    CHECK(log->secret[0] == '\0' || strstr(message, log->secret) == NULL);
    CHECK((event == NODELOCK_EVENT_DONE) == (attempt == 0));
    CHECK((status == NODELOCK_OK) == (message[0] == '\0'));
    log->done += event == NODELOCK_EVENT_DONE;
    log->sending += event == NODELOCK_EVENT_SENDING;
    log->waiting += event == NODELOCK_EVENT_WAITING;
    log->failed += status != NODELOCK_OK;
    if (current != NULL)
        CHECK(verdict(current) != NODELOCK_INVALID_INPUT);
}

/* Uses the client whose call it carries. */
static uint32_t curious_transport(void *user_data, const nodelock_post *post, nodelock_answer *answer)
{
    nodelock_request *request = NULL;
    nodelock_license *license = NULL;
    CHECK(verdict(current) == NODELOCK_VERDICT_UNLICENSED);
    EXPECT(NODELOCK_ALREADY_ACTIVE, nodelock_client_begin(current, NULL, NULL, &request, &error));
    EXPECT(NODELOCK_MALFORMED, nodelock_client_install(current, bytes("?"), 1, &license, &error));
    OK(nodelock_client_pending(current, &request, &error));
    CHECK(request != NULL);
    nodelock_request_free(request);
    return vendor_transport(user_data, post, answer);
}

static void reentrant(void)
{
    struct vendor vendor;
    struct log log = {&vendor, 0, 0, 0, 0, ""};
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    vendor_open(&vendor, 1, "");
    nodelock_config *config = device_config(&vendor, "reentrant");
    OK(nodelock_config_set_clock(config, &vendor, curious_clock, NULL, &error));
    OK(nodelock_config_set_log(config, &log, curious_log, NULL, &error));
    OK(nodelock_config_set_transport(config, &vendor, curious_transport, NULL, &error));
    current = client_of(config);
    OK(nodelock_client_activate(current, vendor.license_key, NULL, NULL, &license, &error));
    CHECK(nodelock_license_is_usable(license) && log.sending == 1 && log.waiting == 0 && log.failed == 2);
    nodelock_license_free(license);
    OK(nodelock_client_deactivate_offline(current, NODELOCK_REASON_MOVED, &proof, &error));
    snprintf(log.secret, sizeof log.secret, "%s", nodelock_proof_code(proof));
    EXPECT(NODELOCK_NOT_ACTIVE, nodelock_client_check_in(current, NULL, &license, &error));
    unsigned done = log.done;
    inside = 1;
    CHECK(verdict(current) == NODELOCK_VERDICT_DEACTIVATED && log.done == done);
    nodelock_proof_free(proof);
    nodelock_client_free(current);
    current = NULL;
    nodelock_config_free(config);
    vendor_close(&vendor);
}

/* Waits until it is told to stop. */
static uint32_t blocking(void *user_data, const nodelock_post *post, nodelock_answer *answer)
{
    const struct timespec moment = {0, 1000000};
    (void)answer;
    *(volatile int *)user_data = 1;
    while (!nodelock_post_is_cancelled(post))
        nanosleep(&moment, NULL);
    return NODELOCK_CANCELLED;
}

struct canceller {
    volatile int blocked;
    nodelock_call *call;
};

static void *cancel(void *user_data)
{
    const struct timespec moment = {0, 1000000};
    struct canceller *canceller = user_data;
    while (!canceller->blocked)
        nanosleep(&moment, NULL);
    nodelock_call_cancel(canceller->call);
    return NULL;
}

static void blocked(void)
{
    struct vendor vendor;
    struct canceller canceller = {0, NULL};
    pthread_t thread;
    nodelock_license *license = NULL;
    vendor_open(&vendor, 1, "");
    nodelock_config *config = device_config(&vendor, "blocked");
    OK(nodelock_config_set_transport(config, (void *)&canceller.blocked, blocking, NULL, &error));
    nodelock_client *client = client_of(config);
    OK(nodelock_call_new(&canceller.call, &error));
    CHECK(pthread_create(&thread, NULL, cancel, &canceller) == 0);
    EXPECT(NODELOCK_CANCELLED,
           nodelock_client_activate(client, vendor.license_key, NULL, canceller.call, &license, &error));
    CHECK(pthread_join(thread, NULL) == 0);
    nodelock_call_free(canceller.call);
    nodelock_client_free(client);
    nodelock_config_free(config);
    vendor_close(&vendor);
}

/* What a transport may get wrong. */
enum lie { NUMBER, NOTHING, TOO_LONG, GARBAGE, NO_STATUS, WRONG_STATUS, LATE_HEADER, PROBLEM, TLS, LIES };

static uint32_t lying(void *user_data, const nodelock_post *post, nodelock_answer *answer)
{
    switch (*(enum lie *)user_data) {
    case NUMBER:
        return 4242;
    case NOTHING:
        return NODELOCK_OK;
    case TOO_LONG: {
        size_t size = nodelock_post_limit(post) + 1;
        uint8_t *data = calloc(size, 1);
        /* The one before is no answer any more. */
        put_answer(answer, 503, "");
        EXPECT(NODELOCK_BAD_REPLY, nodelock_answer_set(answer, 200, data, size, &error));
        free(data);
        return NODELOCK_OK;
    }
    case GARBAGE:
        put_answer(answer, 200, "{\"license\":\"\xff\"}");
        return NODELOCK_OK;
    case NO_STATUS:
        /* What many HTTP libraries report where nothing was answered. */
        EXPECT(NODELOCK_INVALID_INPUT, nodelock_answer_set(answer, 0, bytes("{}"), 2, &error));
        return NODELOCK_OK;
    case WRONG_STATUS:
        EXPECT(NODELOCK_INVALID_INPUT, nodelock_answer_set(answer, 65536 + 200, NULL, 0, &error));
        put_answer(answer, 200, "{}");
        put_answer(answer, 599, "");
        return NODELOCK_OK;
    case LATE_HEADER:
        EXPECT(NODELOCK_INVALID_INPUT, nodelock_answer_set_retry_after(answer, 7, &error));
        put_answer(answer, 503, "");
        OK(nodelock_answer_set_retry_after(answer, 0, &error));
        return NODELOCK_OK;
    case PROBLEM:
        /* No authority may say what is this machine's to say. */
        put_answer(answer, 400, "{\"type\":\"urn:nodelock:problem:corrupt\"}");
        return NODELOCK_OK;
    default:
        return NODELOCK_TLS_EXPIRED;
    }
}

static void lies(void)
{
    const nodelock_status expected[LIES] = {NODELOCK_UNREACHABLE,   NODELOCK_BAD_REPLY,   NODELOCK_BAD_REPLY,
                                            NODELOCK_BAD_REPLY,     NODELOCK_BAD_REPLY,   NODELOCK_SERVER_FAILED,
                                            NODELOCK_SERVER_BUSY,   NODELOCK_BAD_REPLY,   NODELOCK_TLS_EXPIRED};
    struct vendor vendor;
    enum lie lie = NUMBER;
    nodelock_license *license = NULL;
    vendor_open(&vendor, 1, "");
    nodelock_config *config = device_config(&vendor, "lies");
    OK(nodelock_config_set_patience(config, 1000, 1, &error));
    OK(nodelock_config_set_transport(config, &lie, lying, NULL, &error));
    nodelock_client *client = client_of(config);
    for (int i = 0; i < LIES; i++) {
        lie = (enum lie)i;
        EXPECT(expected[i], nodelock_client_activate(client, vendor.license_key, NULL, NULL, &license, &error));
        CHECK(license == NULL);
    }
    /* Nothing of it was a refusal, so the request is still there. */
    nodelock_request *request = NULL;
    OK(nodelock_client_pending(client, &request, &error));
    CHECK(request != NULL);
    nodelock_request_free(request);
    nodelock_client_free(client);
    nodelock_config_free(config);
    vendor_close(&vendor);
}

static void never(void *user_data, uint32_t event, uint32_t attempt, uint64_t pause)
{
    (void)user_data, (void)event, (void)attempt, (void)pause;
    abort();
}

/* The end of what it was called with, where a finalizer may set what is being set. */
struct last_words {
    nodelock_config *config;
    nodelock_call *call;
    unsigned said;
};

static void curious_finalize(void *user_data)
{
    struct last_words *last = user_data;
    last->said++;
    OK(nodelock_config_set_patience(last->config, 1000, last->said, &error));
    OK(nodelock_call_set_timeout(last->call, 1000, &error));
}

/* The data of a callback is finalized once: replaced, refused, or when everything is freed that uses it. */
static void finalizers(void)
{
    nodelock_config *config = NULL;
    nodelock_call *call = NULL;
    nodelock_key *key = NULL;
    OK(nodelock_key_generate(&key, &error));
    OK(nodelock_config_new(PRODUCT, &config, &error));
    OK(nodelock_config_add_root(config, nodelock_key_public(key), &error));
    OK(nodelock_config_set_store_in_memory(config, &error));

    EXPECT(NODELOCK_INVALID_INPUT, nodelock_config_set_clock(NULL, (void *)0, fixed_clock, finalize, &error));
    CHECK(finalized[0] == 1);
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_config_set_clock(config, (void *)0, NULL, finalize, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_config_set_log(config, (void *)0, NULL, finalize, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_config_set_transport(config, (void *)0, NULL, finalize, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_call_set_progress(NULL, (void *)0, NULL, finalize, &error));
    CHECK(finalized[0] == 5);

    OK(nodelock_config_set_clock(config, (void *)1, fixed_clock, finalize, &error));
    OK(nodelock_config_set_clock(config, (void *)2, fixed_clock, finalize, &error));
    CHECK(finalized[1] == 1 && finalized[2] == 0);
    nodelock_client *first = client_of(config), *second = client_of(config);
    nodelock_config_free(config);
    nodelock_client_free(first);
    CHECK(finalized[2] == 0);
    CHECK(verdict(second) == NODELOCK_VERDICT_UNLICENSED);
    nodelock_client_free(second);
    CHECK(finalized[2] == 1);

    OK(nodelock_call_new(&call, &error));
    struct last_words last = {NULL, call, 0};
    OK(nodelock_config_new(PRODUCT, &last.config, &error));
    OK(nodelock_call_set_progress(call, &last, never, curious_finalize, &error));
    OK(nodelock_config_set_clock(last.config, &last, fixed_clock, curious_finalize, &error));
    OK(nodelock_config_set_clock(last.config, NULL, fixed_clock, NULL, &error));
    CHECK(last.said == 1);

    OK(nodelock_call_set_progress(call, (void *)3, never, finalize, &error));
    CHECK(last.said == 2);
    nodelock_config_free(last.config);
    nodelock_call_free(call);
    CHECK(finalized[1] == 1 && finalized[2] == 1 && finalized[3] == 1);
    nodelock_key_free(key);
}

int main(void)
{
    reentrant();
    blocked();
    lies();
    finalizers();
    return 0;
}
