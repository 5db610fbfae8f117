/* A test of an application, as its developers write it: with a vendor in memory, and no network. */

#include "support.h"

static nodelock_test_authority *authority;

/* The application, started on a machine, over the store that the config names. */
static nodelock_client *start_on(nodelock_config *config, uint32_t kind)
{
    nodelock_client *client = NULL;
    OK(nodelock_config_set_test_machine(config, "desk", kind, &error));
    OK(nodelock_client_new(config, &client, &error));
    return client;
}

/* A config for the vendor's product, with an empty store in memory. */
static nodelock_config *new_config(void)
{
    nodelock_config *config = NULL;
    OK(nodelock_config_new(PRODUCT, &config, &error));
    OK(nodelock_config_set_test_authority(config, authority, &error));
    OK(nodelock_config_set_store_in_memory(config, &error));
    return config;
}

static nodelock_bytes *sell(const char *other_terms)
{
    nodelock_bytes *key = NULL;
    OK(nodelock_test_authority_sell(authority, other_terms, &key, &error));
    return key;
}

/* Whether it may run after a start, and with which verdict. */
static bool starts(nodelock_client *client, uint32_t verdict)
{
    nodelock_license *license = NULL;
    nodelock_error *warning = NULL;
    OK(nodelock_client_start(client, 3000, NULL, &license, &warning, &error));
    CHECK(nodelock_license_verdict(license) == verdict);
    bool usable = nodelock_license_is_usable(license);
    nodelock_license_free(license);
    nodelock_error_free(warning);
    return usable;
}

static void activate(nodelock_client *client, const nodelock_bytes *key)
{
    nodelock_license *license = NULL;
    OK(nodelock_client_activate(client, nodelock_bytes_text(key), NULL, NULL, &license, &error));
    nodelock_license_free(license);
}

/* A lease ends, and the next start with a network renews it. */
static void leases(void)
{
    nodelock_config *config = new_config();
    nodelock_client *client = start_on(config, NODELOCK_TEST_MACHINE_SAME);
    nodelock_bytes *key = sell(NULL);
    CHECK(!starts(client, NODELOCK_VERDICT_UNLICENSED));
    activate(client, key);
    CHECK(nodelock_test_authority_taken(authority, nodelock_bytes_text(key)) == 1);
    CHECK(starts(client, NODELOCK_VERDICT_ACTIVE));

    uint64_t then = nodelock_test_authority_now(authority);
    OK(nodelock_test_authority_fail(authority, NODELOCK_TEST_FAULT_DOWN, &error));
    OK(nodelock_test_authority_advance(authority, 90 * DAY, &error));
    CHECK(nodelock_test_authority_now(authority) == then + 90 * DAY);
    CHECK(!starts(client, NODELOCK_VERDICT_LEASE_ENDED));
    OK(nodelock_test_authority_fail(authority, NODELOCK_TEST_FAULT_NONE, &error));
    OK(nodelock_test_authority_advance(authority, 60, &error));
    CHECK(starts(client, NODELOCK_VERDICT_ACTIVE));

    OK(nodelock_test_authority_set_time(authority, then, &error));
    CHECK(!starts(client, NODELOCK_VERDICT_CLOCK_SET_BACK));
    OK(nodelock_test_authority_set_time(authority, then, &error));
    OK(nodelock_test_authority_advance(authority, UINT64_MAX, &error));
    CHECK(nodelock_test_authority_now(authority) > then);
    OK(nodelock_test_authority_set_time(authority, then + 91 * DAY, &error));

    /* The vendor releases the seat; the device hears of it when it checks in. */
    nodelock_license *license = NULL;
    OK(nodelock_client_check(client, &license, &error));
    OK(nodelock_test_authority_release(authority, nodelock_license_seat(license), "lost", &error));
    nodelock_license_free(license);
    OK(nodelock_client_check_in(client, NULL, &license, &error));
    CHECK(nodelock_license_verdict(license) == NODELOCK_VERDICT_REVOKED);
    nodelock_license_free(license);
    nodelock_bytes_free(key);
    nodelock_client_free(client);
    nodelock_config_free(config);
}

/* Machines that change, over one store. */
static void machines(void)
{
    nodelock_config *config = new_config();
    nodelock_bytes *key = sell(NULL);
    static const struct {
        uint32_t kind, verdict;
    } expected[] = {
        {NODELOCK_TEST_MACHINE_SAME, NODELOCK_VERDICT_ACTIVE},
        {NODELOCK_TEST_MACHINE_CHANGED_A_LITTLE, NODELOCK_VERDICT_ACTIVE},
        {NODELOCK_TEST_MACHINE_CHANGED_MUCH, NODELOCK_VERDICT_GRACE},
        {NODELOCK_TEST_MACHINE_HIDDEN, NODELOCK_VERDICT_GRACE},
        {NODELOCK_TEST_MACHINE_CHANGED_TOO_MUCH, NODELOCK_VERDICT_WRONG_MACHINE},
        {NODELOCK_TEST_MACHINE_VIRTUAL, NODELOCK_VERDICT_WRONG_MACHINE},
    };
    nodelock_client *client = start_on(config, NODELOCK_TEST_MACHINE_SAME);
    activate(client, key);
    nodelock_client_free(client);
    for (size_t at = 0; at < sizeof expected / sizeof *expected; at++) {
        nodelock_license *license = NULL;
        client = start_on(config, expected[at].kind);
        OK(nodelock_client_check(client, &license, &error));
        CHECK(nodelock_license_verdict(license) == expected[at].verdict);
        nodelock_license_free(license);
        nodelock_client_free(client);
    }
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_config_set_test_machine(config, "desk", 6, &error));
    nodelock_bytes_free(key);
    nodelock_config_free(config);
}

/* Every fault is what it says, and afterwards the same request is answered. */
static void faults(void)
{
    static const struct {
        uint32_t fault;
        nodelock_status status;
    } expected[] = {
        {NODELOCK_TEST_FAULT_DOWN, NODELOCK_UNREACHABLE},
        {NODELOCK_TEST_FAULT_SILENT, NODELOCK_TIMED_OUT},
        {NODELOCK_TEST_FAULT_TIMED_OUT, NODELOCK_TIMED_OUT},
        {NODELOCK_TEST_FAULT_ANSWER_LOST, NODELOCK_UNREACHABLE},
        {NODELOCK_TEST_FAULT_ANSWER_CUT, NODELOCK_BAD_REPLY},
        {NODELOCK_TEST_FAULT_STRANGER, NODELOCK_BAD_REPLY},
        {NODELOCK_TEST_FAULT_BUSY, NODELOCK_SERVER_BUSY},
        {NODELOCK_TEST_FAULT_FAILED, NODELOCK_SERVER_FAILED},
        {NODELOCK_TEST_FAULT_TLS_UNTRUSTED, NODELOCK_TLS_UNTRUSTED},
        {NODELOCK_TEST_FAULT_TLS_WRONG_HOST, NODELOCK_TLS_WRONG_HOST},
        {NODELOCK_TEST_FAULT_TLS_EXPIRED, NODELOCK_TLS_EXPIRED},
    };
    nodelock_config *config = new_config();
    OK(nodelock_config_set_patience(config, 20, 1, &error));
    nodelock_client *client = start_on(config, NODELOCK_TEST_MACHINE_SAME);
    nodelock_bytes *key = sell(NULL);
    for (size_t at = 0; at < sizeof expected / sizeof *expected; at++) {
        nodelock_license *license = NULL;
        OK(nodelock_test_authority_fail_next(authority, expected[at].fault, &error));
        EXPECT(expected[at].status,
               nodelock_client_activate(client, nodelock_bytes_text(key), NULL, NULL, &license, &error));
    }
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_test_authority_fail(authority, 12, &error));
    activate(client, key);
    CHECK(nodelock_test_authority_taken(authority, nodelock_bytes_text(key)) == 1);
    nodelock_bytes_free(key);
    nodelock_client_free(client);
    nodelock_config_free(config);
}

/* What an application sets up for its customers is passed over, and a fault is met once. */
static void an_applications_own_config(void)
{
    nodelock_config *config = new_config();
    OK(nodelock_config_set_authority(config, "http://no authority", &error));
    OK(nodelock_config_set_proxy(config, "http://[no proxy", &error));
    nodelock_client *client = start_on(config, NODELOCK_TEST_MACHINE_SAME);
    nodelock_bytes *key = sell(NULL);
    nodelock_license *license = NULL;
    OK(nodelock_test_authority_fail_next(authority, NODELOCK_TEST_FAULT_DOWN, &error));
    EXPECT(NODELOCK_UNREACHABLE,
           nodelock_client_activate(client, nodelock_bytes_text(key), NULL, NULL, &license, &error));
    activate(client, key);
    nodelock_bytes_free(key);
    nodelock_client_free(client);
    nodelock_config_free(config);
}

/* By hand: the request, a renewal, and the code of a seat that is given up. */
static void offline(void)
{
    nodelock_config *config = new_config();
    nodelock_client *client = start_on(config, NODELOCK_TEST_MACHINE_SAME);
    nodelock_bytes *key = sell("{\"licensee\": \"Jane Roe\", \"lease_days\": 30}");
    nodelock_bytes *answer = NULL, *none = NULL;
    nodelock_request *request = NULL;
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    size_t size = 0;

    OK(nodelock_client_begin(client, nodelock_bytes_text(key), NULL, &request, &error));
    const uint8_t *data = nodelock_request_data(request, &size);
    OK(nodelock_test_authority_answer(authority, data, size, &answer, &error));
    data = nodelock_bytes_data(answer, &size);
    OK(nodelock_client_accept(client, data, size, &license, &error));
    CHECK(nodelock_license_is_usable(license));
    CHECK(strcmp(nodelock_license_licensee(license), "Jane Roe") == 0);
    nodelock_license_free(license);
    EXPECT(NODELOCK_WRONG_TYPE, nodelock_test_authority_answer(authority, data, size, &none, &error));
    nodelock_bytes_free(answer);

    nodelock_request_free(request);
    OK(nodelock_client_check_in_offline(client, &request, &error));
    data = nodelock_request_data(request, &size);
    OK(nodelock_test_authority_answer(authority, data, size, &answer, &error));
    data = nodelock_bytes_data(answer, &size);
    OK(nodelock_client_accept(client, data, size, &license, &error));
    CHECK(nodelock_license_revision(license) == 2);
    nodelock_license_free(license);
    nodelock_bytes_free(answer);

    OK(nodelock_client_deactivate_offline(client, NODELOCK_REASON_MOVED, &proof, &error));
    OK(nodelock_test_authority_redeem_code(authority, nodelock_proof_code(proof), &answer, &error));
    CHECK(nodelock_test_authority_taken(authority, nodelock_bytes_text(key)) == 0);
    data = nodelock_bytes_data(answer, &size);
    OK(nodelock_client_accept(client, data, size, &license, &error));
    CHECK(nodelock_license_verdict(license) == NODELOCK_VERDICT_DEACTIVATED);
    nodelock_license_free(license);
    nodelock_bytes_free(answer);

    OK(nodelock_test_authority_change_terms(authority, nodelock_bytes_text(key), "{\"suspended\": true}", &error));
    EXPECT(NODELOCK_LICENSE_ENDED,
           nodelock_client_activate(client, nodelock_bytes_text(key), NULL, NULL, &license, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_test_authority_sell(authority, "{\"seat\": 2}", &none, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_test_authority_sell(authority, "{\"product\": \"x\"}", &none, &error));
    EXPECT(NODELOCK_UNKNOWN_LICENSE, nodelock_test_authority_change_terms(authority, "nobody's", "{}", &error));

    nodelock_proof_free(proof);
    nodelock_request_free(request);
    nodelock_bytes_free(key);
    nodelock_client_free(client);
    nodelock_config_free(config);
}

/* A machine that nobody sits at takes its seat with a deployment key, which is good for so many. */
static void unattended(void)
{
    nodelock_bytes *key = sell("{\"seats\": 9}"), *deployment_key = NULL, *none = NULL;
    const char *license_key = nodelock_bytes_text(key);
    EXPECT(NODELOCK_UNKNOWN_LICENSE,
           nodelock_test_authority_new_deployment_key(authority, "nobody's", 1, &none, &error));
    OK(nodelock_test_authority_new_deployment_key(authority, license_key, 1, &deployment_key, &error));
    static const nodelock_status expected[] = {
        NODELOCK_OK,
        NODELOCK_DEPLOYMENT_KEY_USED_UP,
        NODELOCK_DEPLOYMENT_KEY_REFUSED,
    };
    for (size_t at = 0; at < sizeof expected / sizeof *expected; at++) {
        nodelock_config *config = new_config();
        nodelock_license *license = NULL;
        OK(nodelock_config_set_deployment_key(config, nodelock_bytes_text(deployment_key), &error));
        nodelock_client *client = start_on(config, NODELOCK_TEST_MACHINE_SAME);
        if (expected[at] == NODELOCK_DEPLOYMENT_KEY_REFUSED)
            OK(nodelock_test_authority_revoke_deployment_key(authority, nodelock_bytes_text(deployment_key), &error));
        EXPECT(expected[at], nodelock_client_activate(client, NULL, NULL, NULL, &license, &error));
        CHECK((license != NULL) == (expected[at] == NODELOCK_OK));
        nodelock_license_free(license);
        nodelock_client_free(client);
        /* Without the key it is a request like any other. */
        OK(nodelock_config_set_deployment_key(config, NULL, &error));
        OK(nodelock_config_set_store_in_memory(config, &error));
        client = start_on(config, NODELOCK_TEST_MACHINE_SAME);
        license = NULL;
        EXPECT(NODELOCK_UNKNOWN_LICENSE, nodelock_client_activate(client, NULL, NULL, NULL, &license, &error));
        nodelock_client_free(client);
        OK(nodelock_config_set_deployment_key(config, "two words", &error));
        client = NULL;
        EXPECT(NODELOCK_INVALID_INPUT, nodelock_client_new(config, &client, &error));
        nodelock_config_free(config);
    }
    CHECK(nodelock_test_authority_taken(authority, license_key) == 1);
    nodelock_bytes_free(deployment_key);
    nodelock_bytes_free(key);
}

int main(void)
{
    CHECK(nodelock_has_feature("testing"));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_test_authority_new("", &authority, &error));
    OK(nodelock_test_authority_new(PRODUCT, &authority, &error));
    CHECK(strlen(nodelock_test_authority_root(authority)) == 43);
    leases();
    machines();
    faults();
    an_applications_own_config();
    offline();
    unattended();
    nodelock_test_authority_free(authority);
    return 0;
}
