/* What the programs in this folder have in common: checks that say what failed, and a vendor with its ledger in memory. */

#ifndef SUPPORT_H
#define SUPPORT_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef NODELOCK_AUTHORITY
#define NODELOCK_AUTHORITY
#endif
#include "nodelock.h"

#define PRODUCT "Example Editor"
#define START 1800000000u
#define DAY 86400u

/* The condition holds, or the program ends. */
#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);          \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

/* The call, whose last argument is `&error`, comes to that status, and its error says the same. */
#define EXPECT(expected, call)                                                       \
    do {                                                                             \
        nodelock_error *error = (nodelock_error *)&untouched;                        \
        nodelock_status status_ = (call);                                            \
        expect((expected), status_, error, #call, __FILE__, __LINE__);               \
    } while (0)

#define OK(call) EXPECT(NODELOCK_OK, call)

static const char untouched = 0;

static inline void expect(nodelock_status expected, nodelock_status status, nodelock_error *error,
                          const char *call, const char *file, int line)
{
    const char *message = status == NODELOCK_OK ? "" : nodelock_error_message(error);
    if (status != expected) {
        fprintf(stderr, "%s:%d: %s: %s, but %s is expected: %s\n", file, line, call,
                nodelock_status_name(status), nodelock_status_name(expected), message);
        exit(1);
    }
    if (status == NODELOCK_OK) {
        CHECK(error == NULL);
    } else {
        CHECK(nodelock_error_status(error) == status);
        CHECK(strcmp(nodelock_error_kind(error), nodelock_status_name(status)) == 0);
        CHECK(strlen(message) > 0);
        nodelock_error_free(error);
    }
}

static inline const uint8_t *bytes(const char *text)
{
    return (const uint8_t *)text;
}

static inline char *copy(const char *text)
{
    char *own = (char *)malloc(strlen(text) + 1);
    CHECK(own != NULL);
    return strcpy(own, text);
}

/* A vendor that sells one license. */
struct vendor {
    pthread_mutex_t lock;
    nodelock_issuer *issuer;
    char root[64];
    char license_key[64];
    char terms[512];
    uint64_t now;
    char *seats[512];
    size_t seat_count;
    /* What the transport does: after so many that go well, how many exchanges fail, and with what. */
    unsigned good, failures;
    nodelock_status failure;
    unsigned exchanges;
};

/* Makes keys, and a license of that many seats, `more` being further terms. */
static inline void vendor_open(struct vendor *vendor, unsigned seats, const char *more)
{
    nodelock_key *root = NULL, *key = NULL;
    nodelock_bytes *certificate = NULL, *text = NULL;
    memset(vendor, 0, sizeof *vendor);
    CHECK(pthread_mutex_init(&vendor->lock, NULL) == 0);
    vendor->now = START;
    OK(nodelock_key_generate(&root, &error));
    OK(nodelock_key_generate(&key, &error));
    snprintf(vendor->root, sizeof vendor->root, "%s", nodelock_key_public(root));
    OK(nodelock_certificate_issue(root, nodelock_key_public(key), "Example Ltd", 1, START, START + 365 * DAY,
                                  &certificate, &error));
    size_t size = 0;
    const uint8_t *data = nodelock_bytes_data(certificate, &size);
    OK(nodelock_issuer_new(key, data, size, vendor->root, &vendor->issuer, &error));
    OK(nodelock_license_key_generate(&text, &error));
    snprintf(vendor->license_key, sizeof vendor->license_key, "%s", nodelock_bytes_text(text));
    nodelock_bytes_free(text);
    OK(nodelock_license_id_generate(&text, &error));
    snprintf(vendor->terms, sizeof vendor->terms,
             "{\"id\":\"%s\",\"product\":\"" PRODUCT "\",\"seats\":%u,\"licensee\":\"Jürgen Example\","
             "\"edition\":\"pro\",\"metadata\":[[\"order\",\"4711\"]],"
             "\"features\":[{\"name\":\"export\"},{\"name\":\"projects\",\"limit\":10}]%s}",
             nodelock_bytes_text(text), seats, more);
    OK(nodelock_terms_check(vendor->terms, &error));
    nodelock_bytes_free(text);
    nodelock_bytes_free(certificate);
    nodelock_key_free(key);
    nodelock_key_free(root);
}

static inline void vendor_close(struct vendor *vendor)
{
    for (size_t i = 0; i < vendor->seat_count; i++)
        free(vendor->seats[i]);
    nodelock_issuer_free(vendor->issuer);
    pthread_mutex_destroy(&vendor->lock);
}

/* A text member of a flat piece of JSON. */
static inline void member(const char *json, const char *name, char *value, size_t room)
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
    const char *found = strstr(json, pattern);
    CHECK(found != NULL);
    found += strlen(pattern);
    size_t length = strcspn(found, "\"");
    CHECK(length < room);
    memcpy(value, found, length);
    value[length] = '\0';
}

static inline int has(const char *json, const char *name, const char *expected)
{
    char value[128];
    member(json, name, value, sizeof value);
    return strcmp(value, expected) == 0;
}

static inline void vendor_store(struct vendor *vendor, const nodelock_decision *decision)
{
    for (size_t i = 0; i < nodelock_decision_seat_count(decision); i++) {
        const char *seat = nodelock_decision_seat(decision, i);
        char name[16], device[64];
        size_t at = 0;
        member(seat, "seat", name, sizeof name);
        member(seat, "device_key", device, sizeof device);
        while (at < vendor->seat_count &&
               !(has(vendor->seats[at], "seat", name) && has(vendor->seats[at], "device_key", device)))
            at++;
        CHECK(at < sizeof vendor->seats / sizeof *vendor->seats);
        if (at == vendor->seat_count)
            vendor->seat_count++;
        else
            free(vendor->seats[at]);
        vendor->seats[at] = copy(seat);
    }
}

static inline unsigned vendor_taken(const struct vendor *vendor)
{
    unsigned taken = 0;
    for (size_t i = 0; i < vendor->seat_count; i++)
        taken += has(vendor->seats[i], "state", "active") || has(vendor->seats[i], "state", "held");
    return taken;
}

static inline unsigned vendor_counted(const struct vendor *vendor)
{
    unsigned counted = 0;
    for (size_t i = 0; i < vendor->seat_count; i++)
        counted += strstr(vendor->seats[i], "\"counted\":true") != NULL;
    return counted;
}

static inline const char *vendor_terms(const struct vendor *vendor, const char *seat)
{
    return has(seat, "license", "0000000000000000") ? NULL : vendor->terms;
}

/* Frees the seat of a proof. The decision is the caller's. */
static inline nodelock_status vendor_release(struct vendor *vendor, const nodelock_release *release,
                                             nodelock_decision **decision, nodelock_error **error)
{
    for (size_t i = 0; i < vendor->seat_count; i++) {
        if (!has(vendor->seats[i], "seat", nodelock_release_seat(release)))
            continue;
        nodelock_status status = nodelock_release_redeem(
            release, vendor->issuer, vendor_terms(vendor, vendor->seats[i]), vendor_taken(vendor),
            vendor_counted(vendor), vendor->seats[i], vendor->now, decision, NULL);
        if (status == NODELOCK_OK) {
            *error = NULL;
            vendor_store(vendor, *decision);
            return status;
        }
    }
    nodelock_status status = nodelock_release_cancel(release, NULL, vendor->issuer, NULL, vendor->now, decision, error);
    if (status == NODELOCK_OK)
        vendor_store(vendor, *decision);
    return status;
}

static inline nodelock_status vendor_redeem(struct vendor *vendor, const void *data, size_t size,
                                            nodelock_decision **decision, nodelock_error **error)
{
    nodelock_release *release = NULL;
    nodelock_status status = nodelock_release_read((const uint8_t *)data, size, &release, error);
    if (status == NODELOCK_OK)
        status = vendor_release(vendor, release, decision, error);
    nodelock_release_free(release);
    return status;
}

/* Frees the seat of a code as somebody typed it. */
static inline nodelock_status vendor_redeem_code(struct vendor *vendor, const char *typed,
                                                 nodelock_decision **decision, nodelock_error **error)
{
    nodelock_readings *readings = NULL;
    nodelock_status status = nodelock_deactivation_code_read(typed, &readings, error);
    for (size_t r = 0; status == NODELOCK_OK && *decision == NULL && r < nodelock_readings_count(readings); r++) {
        for (size_t i = 0; i < vendor->seat_count && *decision == NULL; i++) {
            if (!has(vendor->seats[i], "seat", nodelock_readings_seat(readings, r)))
                continue;
            status = nodelock_readings_redeem(readings, r, vendor->issuer, vendor_terms(vendor, vendor->seats[i]),
                                              vendor_taken(vendor), vendor_counted(vendor), vendor->seats[i],
                                              vendor->now, decision, error);
            if (status == NODELOCK_OK)
                vendor_store(vendor, *decision);
        }
    }
    nodelock_readings_free(readings);
    return status;
}

/* Answers an activation file with the text of a file: the license and the receipts. The text is the caller's. */
static inline nodelock_status vendor_activate(struct vendor *vendor, const void *data, size_t size, char **reply,
                                              nodelock_error **error)
{
    nodelock_activation *activation = NULL;
    nodelock_decision *decision = NULL;
    char receipts[8192] = "";
    const char *known = NULL, *held = NULL, *lost[8];
    size_t lost_count = 0;
    nodelock_status status = nodelock_activation_read((const uint8_t *)data, size, &activation, error);
    if (status != NODELOCK_OK)
        return status;
    for (size_t i = 0; i < nodelock_activation_release_count(activation); i++) {
        nodelock_decision *released = NULL;
        status = vendor_release(vendor, nodelock_activation_release(activation, i), &released, error);
        CHECK(status == NODELOCK_OK);
        strcat(receipts, "\n");
        strcat(receipts, nodelock_decision_text(released));
        nodelock_decision_free(released);
    }
    for (size_t i = 0; i < vendor->seat_count; i++) {
        const char *seat = vendor->seats[i];
        if (!has(seat, "device_key", nodelock_activation_device_key(activation)))
            continue;
        if (has(seat, "seat", nodelock_activation_seat(activation)))
            known = seat;
        else if (has(seat, "state", "held"))
            held = seat;
        else if (has(seat, "state", "active") && nodelock_activation_is_recovery(activation) && lost_count < 8)
            lost[lost_count++] = seat;
    }
    if (strcmp(nodelock_activation_license_key(activation), vendor->license_key) != 0 &&
        !nodelock_activation_is_recovery(activation)) {
        nodelock_activation_free(activation);
        *error = NULL;
        return NODELOCK_UNKNOWN_LICENSE;
    }
    status = nodelock_activation_grant(activation, vendor->issuer, vendor->terms, vendor_taken(vendor),
                                       vendor_counted(vendor), known, held, lost, lost_count, vendor->now, &decision,
                                       error);
    if (status == NODELOCK_OK) {
        const char *license = nodelock_decision_text(decision);
        vendor_store(vendor, decision);
        *reply = (char *)malloc(strlen(license) + strlen(receipts) + 1);
        CHECK(*reply != NULL);
        strcat(strcpy(*reply, license), receipts);
    }
    nodelock_decision_free(decision);
    nodelock_activation_free(activation);
    return status;
}

static inline void put_answer(nodelock_answer *answer, uint32_t status, const char *body)
{
    OK(nodelock_answer_set(answer, status, bytes(body), strlen(body), &error));
}

static inline void put_problem(nodelock_answer *answer, nodelock_status status)
{
    char body[160];
    snprintf(body, sizeof body, "{\"type\":\"urn:nodelock:problem:%s\",\"status\":409}", nodelock_status_name(status));
    put_answer(answer, 409, body);
}

/* The seat of a message, with its license; NULL if the ledger has none of that name. Names do not repeat here. */
static inline const char *vendor_seat_of(struct vendor *vendor, const char *message)
{
    nodelock_bytes *name = NULL;
    const char *found = NULL;
    OK(nodelock_message_seat(bytes(message), strlen(message), &name, &error));
    for (size_t i = 0; i < vendor->seat_count; i++)
        if (has(vendor->seats[i], "seat", nodelock_bytes_text(name)))
            found = vendor->seats[i];
    nodelock_bytes_free(name);
    return found;
}

/* The vendor's server, as the transport of a client in the same process: the interface of the reference authority. */
static inline uint32_t vendor_transport(void *user_data, const nodelock_post *post, nodelock_answer *answer)
{
    struct vendor *vendor = (struct vendor *)user_data;
    const char *url = nodelock_post_url(post);
    size_t size = 0;
    const uint8_t *data = nodelock_post_data(post, &size);
    char *body = (char *)malloc(size + 1), *message = (char *)malloc(size + 1);
    nodelock_decision *decision = NULL;
    nodelock_status status = NODELOCK_OK;
    CHECK(body != NULL && message != NULL && strncmp(nodelock_post_user_agent(post), "nodelock/", 9) == 0);
    CHECK(nodelock_post_limit(post) > 100000 && nodelock_post_timeout(post) > 0);
    memcpy(body, data, size);
    body[size] = '\0';
    CHECK(pthread_mutex_lock(&vendor->lock) == 0);
    vendor->exchanges++;
    if (vendor->good > 0) {
        vendor->good--;
    } else if (vendor->failures > 0) {
        vendor->failures--;
        status = vendor->failure;
        CHECK(pthread_mutex_unlock(&vendor->lock) == 0);
        free(body);
        free(message);
        return status;
    }
    member(body, strstr(url, "/v1/deactivations") && !strstr(url, "preflight") ? "proof" : "request", message, size + 1);
    if (strstr(url, "/v1/activations")) {
        char *reply = NULL;
        nodelock_error *error = NULL;
        status = vendor_activate(vendor, message, strlen(message), &reply, &error);
        nodelock_error_free(error);
        if (status == NODELOCK_OK) {
            /* The text of a file in a member is as good as base64url; line ends are all that JSON wants escaped. */
            char *json = (char *)malloc(2 * strlen(reply) + 64), *to = json + sprintf(json, "{\"license\":\"");
            CHECK(json != NULL);
            for (const char *from = reply; *from; from++) {
                if (*from == '\n')
                    *to++ = '\\';
                *to++ = *from == '\n' ? 'n' : *from;
            }
            strcpy(to, "\"}");
            put_answer(answer, 200, json);
            free(json);
            free(reply);
        }
    } else if (strstr(url, "/v1/deactivations/preflight")) {
        bool allowed = false;
        const char *seat = vendor_seat_of(vendor, message);
        CHECK(seat != NULL);
        OK(nodelock_preflight_answer(bytes(message), strlen(message), vendor->terms, vendor_taken(vendor),
                                     vendor_counted(vendor), seat, &allowed, &error));
        put_answer(answer, 200, allowed ? "{\"allowed\":true}" : "{\"allowed\":false}");
    } else if (strstr(url, "/v1/deactivations")) {
        nodelock_error *error = NULL;
        status = vendor_redeem(vendor, message, strlen(message), &decision, &error);
        nodelock_error_free(error);
    } else {
        const char *seat = vendor_seat_of(vendor, message);
        CHECK(seat != NULL);
        OK(nodelock_check_in_answer(bytes(message), strlen(message), vendor->issuer, vendor->terms, vendor_taken(vendor),
                                    vendor_counted(vendor), seat, "this seat is over", vendor->now, &decision, &error));
        vendor_store(vendor, decision);
    }
    if (decision != NULL) {
        const char *name = strstr(url, "/v1/deactivations") ? "receipt"
                           : nodelock_decision_outcome(decision) == NODELOCK_DECISION_REVOKED ? "revocation"
                                                                                              : "license";
        char *json = (char *)malloc(strlen(nodelock_decision_base64url(decision)) + 64);
        CHECK(json != NULL);
        sprintf(json, "{\"%s\":\"%s\"}", name, nodelock_decision_base64url(decision));
        put_answer(answer, 200, json);
        free(json);
    }
    if (status != NODELOCK_OK)
        put_problem(answer, status);
    nodelock_decision_free(decision);
    CHECK(pthread_mutex_unlock(&vendor->lock) == 0);
    free(body);
    free(message);
    return NODELOCK_OK;
}

static inline uint64_t vendor_clock(void *user_data)
{
    return ((struct vendor *)user_data)->now;
}

/* The settings of a device with a store in memory and a machine of that name. */
static inline nodelock_config *device_config(struct vendor *vendor, const char *name)
{
    nodelock_config *config = NULL;
    char id[64], mac[32];
    snprintf(id, sizeof id, "disk %s 2718281", name);
    snprintf(mac, sizeof mac, "f0:4d:a2:%02x:%02x:11", (unsigned)(unsigned char)name[0], (unsigned)strlen(name));
    OK(nodelock_config_new(PRODUCT, &config, &error));
    OK(nodelock_config_add_root(config, vendor->root, &error));
    OK(nodelock_config_set_store_in_memory(config, &error));
    OK(nodelock_config_set_clock(config, vendor, vendor_clock, NULL, &error));
    OK(nodelock_config_add_test_component(config, NODELOCK_COMPONENT_DISK_SERIAL, id, &error));
    OK(nodelock_config_add_test_component(config, NODELOCK_COMPONENT_MAC, mac, &error));
    OK(nodelock_config_set_authority(config, "https://licenses.example.com/", &error));
    OK(nodelock_config_set_transport(config, vendor, vendor_transport, NULL, &error));
    return config;
}

static inline nodelock_client *client_of(const nodelock_config *config)
{
    nodelock_client *client = NULL;
    OK(nodelock_client_new(config, &client, &error));
    return client;
}

static inline nodelock_client *device(struct vendor *vendor, const char *name)
{
    nodelock_config *config = device_config(vendor, name);
    nodelock_client *client = client_of(config);
    nodelock_config_free(config);
    return client;
}

static inline nodelock_status verdict(const nodelock_client *client)
{
    nodelock_license *license = NULL;
    OK(nodelock_client_check(client, &license, &error));
    nodelock_status found = nodelock_license_verdict(license);
    nodelock_license_free(license);
    return found;
}

#endif
