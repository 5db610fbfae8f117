/* What the programs here have in common: checks that say what failed, and a vendor with its ledger in memory. */

#ifndef SUPPORT_H
#define SUPPORT_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef NODELOCK_TESTING
#define NODELOCK_TESTING
#endif
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

/* What the vendor keeps: seats, evidence, check-ins and attempts, by the kind of change that stored them. */
struct row {
    uint32_t kind;
    char *name, *record;
    bool is_taken, is_lapsed, is_counted, is_activation, is_trial;
    uint64_t ends;
    char machine[65], tags[256];
};

/* A vendor that sells one license. */
struct vendor {
    pthread_mutex_t lock;
    nodelock_key *root_key, *key;
    nodelock_issuer *issuer;
    /* What is signed is signed under this page. */
    char page[17];
    char root[64];
    char license_key[64], key_hash[80];
    char terms[512];
    uint64_t now;
    struct row rows[1024];
    size_t row_count;
    /* How many codes were tried. */
    unsigned attempts;
    /* What the transport does: after so many that go well, how many exchanges fail, and with what. */
    unsigned good, failures;
    nodelock_status failure;
    unsigned exchanges;
};

/* Certifies the vendor's key for that time, and signs with that from now on. */
static inline void vendor_certify(struct vendor *vendor, uint64_t not_before, uint64_t not_after)
{
    nodelock_bytes *certificate = NULL;
    char terms[512];
    snprintf(terms, sizeof terms,
             "{\"issuer\":\"%s\",\"name\":\"Example Ltd\",\"serial\":1,\"not_before\":%llu,\"not_after\":%llu,"
             "\"longest_lease_days\":400,\"endless\":true}",
             nodelock_key_public(vendor->key), (unsigned long long)not_before, (unsigned long long)not_after);
    OK(nodelock_certificate_issue(vendor->root_key, terms, &certificate, &error));
    size_t size = 0;
    const uint8_t *data = nodelock_bytes_data(certificate, &size);
    nodelock_issuer_free(vendor->issuer);
    vendor->issuer = NULL;
    OK(nodelock_issuer_new(vendor->key, data, size, vendor->root, &vendor->issuer, &error));
    nodelock_bytes_free(certificate);
}

/* Makes keys, and a license of that many seats, `more` being further terms. */
static inline void vendor_open(struct vendor *vendor, unsigned seats, const char *more)
{
    nodelock_bytes *text = NULL;
    memset(vendor, 0, sizeof *vendor);
    CHECK(pthread_mutex_init(&vendor->lock, NULL) == 0);
    vendor->now = START;
    snprintf(vendor->page, sizeof vendor->page, "%016d", 0);
    OK(nodelock_key_generate(&vendor->root_key, &error));
    OK(nodelock_key_generate(&vendor->key, &error));
    snprintf(vendor->root, sizeof vendor->root, "%s", nodelock_key_public(vendor->root_key));
    vendor_certify(vendor, START, START + 365 * DAY);
    OK(nodelock_license_key_generate(&text, &error));
    snprintf(vendor->license_key, sizeof vendor->license_key, "%s", nodelock_bytes_text(text));
    nodelock_bytes_free(text);
    OK(nodelock_license_key_hash(vendor->license_key, &text, &error));
    snprintf(vendor->key_hash, sizeof vendor->key_hash, "%s", nodelock_bytes_text(text));
    nodelock_bytes_free(text);
    OK(nodelock_license_id_generate(&text, &error));
    snprintf(vendor->terms, sizeof vendor->terms,
             "{\"id\":\"%s\",\"product\":\"" PRODUCT "\",\"seats\":%u,\"licensee\":\"Jürgen Example\","
             "\"edition\":\"pro\",\"metadata\":[[\"order\",\"4711\"]],"
             "\"features\":[{\"name\":\"export\"},{\"name\":\"projects\",\"limit\":10}]%s}",
             nodelock_bytes_text(text), seats, more);
    OK(nodelock_terms_check(vendor->terms, &error));
    nodelock_bytes_free(text);
}

static inline void row_free(struct row *row)
{
    free(row->name);
    free(row->record);
}

static inline void vendor_close(struct vendor *vendor)
{
    for (size_t i = 0; i < vendor->row_count; i++)
        row_free(&vendor->rows[i]);
    nodelock_issuer_free(vendor->issuer);
    nodelock_key_free(vendor->key);
    nodelock_key_free(vendor->root_key);
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

static inline unsigned vendor_taken(const struct vendor *vendor)
{
    unsigned taken = 0;
    for (size_t i = 0; i < vendor->row_count; i++)
        taken += vendor->rows[i].is_taken && !vendor->rows[i].is_lapsed;
    return taken;
}

static inline unsigned vendor_counted(const struct vendor *vendor)
{
    unsigned counted = 0;
    for (size_t i = 0; i < vendor->row_count; i++)
        counted += vendor->rows[i].is_counted;
    return counted;
}

/* How many activations of the license were used up. */
static inline unsigned vendor_activated(const struct vendor *vendor)
{
    unsigned activated = 0;
    for (size_t i = 0; i < vendor->row_count; i++)
        activated += vendor->rows[i].is_activation;
    return activated;
}

/* How many rows of a kind there are. */
static inline unsigned vendor_count(const struct vendor *vendor, uint32_t kind)
{
    unsigned count = 0;
    for (size_t i = 0; i < vendor->row_count; i++)
        count += vendor->rows[i].kind == kind;
    return count;
}

/* The seat that was granted or cancelled last. */
static inline const struct row *vendor_last_seat(const struct vendor *vendor)
{
    size_t at = vendor->row_count;
    do
        CHECK(at-- > 0);
    while (vendor->rows[at].kind != NODELOCK_CHANGE_INSERT_SEAT);
    return &vendor->rows[at];
}

/* The place of a row; of evidence, the one with that record. */
static inline size_t vendor_find(const struct vendor *vendor, uint32_t kind, const char *name, const char *record)
{
    size_t at = 0;
    while (at < vendor->row_count && !(vendor->rows[at].kind == kind && strcmp(vendor->rows[at].name, name) == 0 &&
                                       (record == NULL || strcmp(vendor->rows[at].record, record) == 0)))
        at++;
    return at;
}

/* Forgets what a device has asked for. There is one license. */
static inline void vendor_forget_approvals(struct vendor *vendor, const char *device)
{
    size_t kept = 0;
    for (size_t at = 0; at < vendor->row_count; at++) {
        struct row *row = &vendor->rows[at];
        if (row->kind == NODELOCK_CHANGE_APPROVAL && strcmp(strchr(row->name, ':') + 1, device) == 0)
            row_free(row);
        else
            vendor->rows[kept++] = *row;
    }
    vendor->row_count = kept;
}

static inline void vendor_store(struct vendor *vendor, const nodelock_decision *decision)
{
    for (size_t i = 0; i < nodelock_decision_change_count(decision); i++) {
        const char *name = nodelock_decision_change_name(decision, i);
        const char *record = nodelock_decision_change_record(decision, i);
        uint32_t change = nodelock_decision_change_kind(decision, i), kind = change;
        const char *same = NULL;
        if (change == NODELOCK_CHANGE_FORGET_APPROVALS) {
            vendor_forget_approvals(vendor, name);
            continue;
        }
        if (change == NODELOCK_CHANGE_UPDATE_SEAT)
            kind = NODELOCK_CHANGE_INSERT_SEAT;
        if (change == NODELOCK_CHANGE_FORGET_EVIDENCE)
            kind = NODELOCK_CHANGE_KEEP_EVIDENCE;
        if (kind == NODELOCK_CHANGE_KEEP_EVIDENCE)
            same = record;
        size_t at = vendor_find(vendor, kind, name, same);
        bool is_known = at < vendor->row_count;
        CHECK(change != NODELOCK_CHANGE_UPDATE_SEAT || is_known);
        CHECK(change != NODELOCK_CHANGE_FORGET_EVIDENCE || is_known);
        CHECK(change != NODELOCK_CHANGE_INSERT_SEAT || !is_known);
        vendor->attempts += change == NODELOCK_CHANGE_ATTEMPTS;
        if (is_known) {
            row_free(&vendor->rows[at]);
            if (change == NODELOCK_CHANGE_FORGET_EVIDENCE) {
                vendor->row_count--;
                memmove(&vendor->rows[at], &vendor->rows[at + 1], (vendor->row_count - at) * sizeof(struct row));
                continue;
            }
        } else {
            CHECK(vendor->row_count < sizeof vendor->rows / sizeof *vendor->rows);
            vendor->row_count++;
        }
        struct row *row = &vendor->rows[at];
        row->kind = kind;
        row->name = copy(name);
        row->record = copy(record);
        row->is_taken = nodelock_decision_change_is_taken(decision, i);
        row->is_lapsed = nodelock_decision_change_is_lapsed(decision, i);
        row->ends = nodelock_decision_change_ends(decision, i);
        const char *machine = nodelock_decision_change_machine(decision, i);
        snprintf(row->machine, sizeof row->machine, "%s", machine == NULL ? "" : machine);
        row->tags[0] = '\0';
        for (size_t t = 0; t < nodelock_decision_change_tag_count(decision, i); t++) {
            size_t length = strlen(row->tags);
            snprintf(row->tags + length, sizeof row->tags - length, "%s ", nodelock_decision_change_tag(decision, i, t));
        }
        row->is_counted = nodelock_decision_change_is_counted(decision, i);
        row->is_activation = nodelock_decision_change_is_activation(decision, i);
        row->is_trial = nodelock_decision_change_is_trial(decision, i);
    }
}

/* Whether a row is what a query asks for. A seat's name is its handle, a colon and its device key. */
static inline bool is_found(const struct row *row, uint32_t kind, const char *value)
{
    size_t length = strlen(value);
    switch (kind) {
    case NODELOCK_QUERY_SEATS_OF_HANDLE:
        return row->kind == NODELOCK_CHANGE_INSERT_SEAT && strncmp(row->name, value, length) == 0;
    case NODELOCK_QUERY_TAKEN_SEATS_OF:
        return row->is_taken && strcmp(strchr(row->name, ':') + 1, value) == 0;
    case NODELOCK_QUERY_SEATS_BY_END:
        return row->is_taken && !row->is_lapsed && row->ends <= strtoull(strchr(value, '/') + 1, NULL, 10);
    case NODELOCK_QUERY_SEATS_WITH_TAG:
        return row->is_taken && !row->is_lapsed && strstr(row->tags, strchr(value, '/') + 1) != NULL;
    case NODELOCK_QUERY_TRIALS_WITH_TAG:
        return row->is_trial && strstr(row->tags, strchr(value, '/') + 1) != NULL;
    case NODELOCK_QUERY_SEAT_OF_MACHINE:
        return row->is_taken && strcmp(row->machine, value) == 0;
    case NODELOCK_QUERY_EVIDENCE_OF:
        return row->kind == NODELOCK_CHANGE_KEEP_EVIDENCE && strcmp(row->name, value) == 0;
    case NODELOCK_QUERY_CHECK_IN:
        return row->kind == NODELOCK_CHANGE_CHECK_IN && strcmp(row->name, value) == 0;
    case NODELOCK_QUERY_APPROVALS_OF:
        return row->kind == NODELOCK_CHANGE_APPROVAL && strncmp(row->name, value, length) == 0;
    case NODELOCK_QUERY_ATTEMPTS:
        return row->kind == NODELOCK_CHANGE_ATTEMPTS && strcmp(row->name, value) == 0;
    case NODELOCK_QUERY_COUNT:
        return row->kind == NODELOCK_CHANGE_COUNT && strcmp(row->name, value) == 0;
    case NODELOCK_QUERY_HISTORY:
        return row->kind == NODELOCK_CHANGE_HISTORY;
    case NODELOCK_QUERY_PAGE:
        return row->kind == NODELOCK_CHANGE_PAGE && strcmp(row->name, value) == 0;
    default:
        return false;
    }
}

/* The license as a decision is given it. */
static inline void vendor_license(const struct vendor *vendor, char *license, size_t size)
{
    size_t at = 0;
    while (at < vendor->row_count && vendor->rows[at].kind != NODELOCK_CHANGE_ALLOWANCES)
        at++;
    snprintf(license, size, "{\"terms\":%s,\"taken\":%u,\"deactivated\":%u,\"activated\":%u,\"allowances\":%s}",
             vendor->terms, vendor_taken(vendor), vendor_counted(vendor), vendor_activated(vendor),
             at < vendor->row_count ? vendor->rows[at].record : "null");
}

/* Answers a query of a decision. */
static inline void vendor_answer(const struct vendor *vendor, nodelock_records *records,
                                 const nodelock_decision *decision, size_t index)
{
    uint32_t kind = nodelock_decision_query_kind(decision, index);
    const char *value = nodelock_decision_query_value(decision, index), *found[64];
    char license[1536];
    size_t count = 0;
    vendor_license(vendor, license, sizeof license);
    if ((kind == NODELOCK_QUERY_LICENSE_OF_KEY && strcmp(value, vendor->key_hash) == 0) ||
        (kind == NODELOCK_QUERY_LICENSE && has(vendor->terms, "id", value)))
        found[count++] = license;
    /* How many seats are wanted at most. In which order they end makes no difference to these tests. */
    size_t most = kind == NODELOCK_QUERY_SEATS_BY_END ? strtoul(strrchr(value, '/') + 1, NULL, 10) : SIZE_MAX;
    for (size_t i = 0; i < vendor->row_count && count < most; i++)
        if (is_found(&vendor->rows[i], kind, value)) {
            CHECK(count < sizeof found / sizeof *found);
            found[count++] = vendor->rows[i].record;
        }
    OK(nodelock_records_answer(records, kind, value, found, count, &error));
}

/* What is decided about: an object, bytes or a text. */
struct message {
    const void *data;
    size_t size;
};

/* One of the decisions, for such a message. */
typedef nodelock_status (*decide_fn)(const struct message *message, const nodelock_records *records, uint64_t now,
                                     nodelock_decision **decision, nodelock_error **error);

static inline nodelock_status decide_activation(const struct message *message, const nodelock_records *records,
                                                uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_activation((const nodelock_activation *)message->data, NULL, records, now, decision, error);
}

static inline nodelock_status decide_release(const struct message *message, const nodelock_records *records,
                                             uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_release((const nodelock_release *)message->data, records, now, decision, error);
}

static inline nodelock_status decide_code(const struct message *message, const nodelock_records *records, uint64_t now,
                                          nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_code((const char *)message->data, records, now, decision, error);
}

static inline nodelock_status decide_check_in(const struct message *message, const nodelock_records *records,
                                              uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_check_in((const uint8_t *)message->data, message->size, records, now, decision, error);
}

static inline nodelock_status decide_preflight(const struct message *message, const nodelock_records *records,
                                               uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_preflight((const uint8_t *)message->data, message->size, records, now, decision, error);
}

static inline nodelock_status decide_renewal(const struct message *message, const nodelock_records *records,
                                             uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_renewal((const char *)message->data, records, now, decision, error);
}

static inline nodelock_status decide_forced_release(const struct message *message, const nodelock_records *records,
                                                    uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    const char *notice = "the laptop was stolen";
    return nodelock_decide_forced_release((const char *)message->data, notice, records, now, decision, error);
}

static inline nodelock_status decide_unrelease(const struct message *message, const nodelock_records *records,
                                               uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_unrelease((const char *)message->data, records, now, decision, error);
}

static inline nodelock_status decide_approval(const struct message *message, const nodelock_records *records,
                                              uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_approval((const char *)message->data, NULL, records, now, decision, error);
}

static inline nodelock_status decide_request_refusal(const struct message *message, const nodelock_records *records,
                                                     uint64_t now, nodelock_decision **decision,
                                                     nodelock_error **error)
{
    const char *reason = "this license is for the lab";
    return nodelock_decide_approval((const char *)message->data, reason, records, now, decision, error);
}

static inline nodelock_status decide_return(const struct message *message, const nodelock_records *records,
                                            uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_return((const char *)message->data, records, now, decision, error);
}

static inline nodelock_status decide_allowance(const struct message *message, const nodelock_records *records,
                                               uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_allowance((const char *)message->data, records, now, decision, error);
}

static inline nodelock_status decide_note(const struct message *message, const nodelock_records *records, uint64_t now,
                                          nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_note((const char *)message->data, records, now, decision, error);
}

/* Whether the seat of a decision is given up. */
static inline bool is_released(const nodelock_decision *decision)
{
    uint32_t outcome = nodelock_decision_outcome(decision);
    return outcome == NODELOCK_DECISION_RETURNED || outcome == NODELOCK_DECISION_HELD;
}

/* What cannot be signed is not stored, except that a seat is given up: its device has lost the license already. */
static inline nodelock_status may_store(const struct vendor *vendor, const nodelock_decision *decision,
                                        nodelock_error **error)
{
    nodelock_reply *reply = NULL;
    nodelock_status status = nodelock_decision_reply(decision, vendor->issuer, vendor->now, &reply, error);
    nodelock_reply_free(reply);
    if (status == NODELOCK_CERTIFICATE_EXPIRED && is_released(decision)) {
        nodelock_error_free(*error);
        *error = NULL;
        status = NODELOCK_OK;
    }
    return status;
}

/* Makes a decision and stores it. Under the vendor's lock the ledger does not change, so there is one transaction. */
static inline nodelock_status vendor_decide(struct vendor *vendor, decide_fn decide, const void *data, size_t size,
                                            nodelock_decision **decision, nodelock_error **error)
{
    nodelock_records *records = NULL;
    struct message message = {data, size};
    OK(nodelock_records_new(vendor->issuer, vendor->page, &records, &error));
    for (;;) {
        nodelock_status status = decide(&message, records, vendor->now, decision, error);
        bool needs = nodelock_decision_outcome(*decision) == NODELOCK_DECISION_NEEDS;
        if (status == NODELOCK_OK && !needs)
            status = may_store(vendor, *decision, error);
        if (status == NODELOCK_OK && !needs) {
            vendor_store(vendor, *decision);
            OK(nodelock_records_keep_facts(records, &error));
        }
        if (status != NODELOCK_OK || (!needs && !nodelock_decision_has_verifications(*decision))) {
            nodelock_records_free(records);
            return status;
        }
        for (size_t i = 0; i < nodelock_decision_query_count(*decision); i++)
            vendor_answer(vendor, records, *decision, i);
        OK(nodelock_records_verify(records, *decision, &error));
        nodelock_decision_free(*decision);
        *decision = NULL;
    }
}

/* Notes a new page, as a server does in each minute. The decision is the caller's. */
static inline nodelock_status vendor_note(struct vendor *vendor, const char *note, nodelock_decision **decision,
                                          nodelock_error **error)
{
    nodelock_bytes *page = NULL;
    OK(nodelock_page_generate(&page, &error));
    snprintf(vendor->page, sizeof vendor->page, "%s", nodelock_bytes_text(page));
    nodelock_bytes_free(page);
    return vendor_decide(vendor, decide_note, note, 0, decision, error);
}

/* The signed messages of a decision. */
static inline nodelock_reply *vendor_sign(const struct vendor *vendor, const nodelock_decision *decision)
{
    nodelock_reply *reply = NULL;
    OK(nodelock_decision_reply(decision, vendor->issuer, vendor->now, &reply, &error));
    return reply;
}

/* Frees the seat of a proof. The decision is the caller's. */
static inline nodelock_status vendor_redeem(struct vendor *vendor, const void *data, size_t size,
                                            nodelock_decision **decision, nodelock_error **error)
{
    nodelock_release *release = NULL;
    nodelock_status status = nodelock_release_read((const uint8_t *)data, size, &release, error);
    if (status == NODELOCK_OK)
        status = vendor_decide(vendor, decide_release, release, 0, decision, error);
    nodelock_release_free(release);
    return status;
}

/* Answers an activation file. The decision is the caller's. */
static inline nodelock_status vendor_activate(struct vendor *vendor, const void *data, size_t size,
                                              nodelock_decision **decision, nodelock_error **error)
{
    nodelock_activation *activation = NULL;
    nodelock_status status = nodelock_activation_read((const uint8_t *)data, size, &activation, error);
    if (status == NODELOCK_OK)
        status = vendor_decide(vendor, decide_activation, activation, 0, decision, error);
    nodelock_activation_free(activation);
    return status;
}

/* Frees what came along with an activation that cannot be signed. The device keeps its proofs, so what is refused here
 * comes again. */
static inline void vendor_free_along(struct vendor *vendor, const void *data, size_t size)
{
    nodelock_activation *activation = NULL;
    OK(nodelock_activation_read((const uint8_t *)data, size, &activation, &error));
    for (size_t i = 0; i < nodelock_activation_release_count(activation); i++) {
        nodelock_release *release = NULL;
        nodelock_decision *decision = NULL;
        nodelock_error *error = NULL;
        OK(nodelock_activation_release(activation, i, &release, &error));
        if (vendor_decide(vendor, decide_release, release, 0, &decision, &error) != NODELOCK_OK)
            nodelock_error_free(error);
        nodelock_decision_free(decision);
        nodelock_release_free(release);
    }
    nodelock_activation_free(activation);
}

/* What an activation file is answered with, as a text file: the license and the receipts. The text is the caller's. */
static inline nodelock_status vendor_activate_by_file(struct vendor *vendor, const char *file, char **answer)
{
    nodelock_decision *decision = NULL;
    OK(vendor_activate(vendor, file, strlen(file), &decision, &error));
    nodelock_status status = nodelock_decision_refusal(decision);
    if (status == NODELOCK_OK) {
        nodelock_reply *reply = vendor_sign(vendor, decision);
        *answer = copy(nodelock_reply_text(reply));
        nodelock_reply_free(reply);
    }
    nodelock_decision_free(decision);
    return status;
}

static inline void put_answer(nodelock_answer *answer, uint32_t status, const char *body)
{
    OK(nodelock_answer_set(answer, status, bytes(body), strlen(body), &error));
}

/* `more` are further members of the problem, as the text of an object, or NULL. */
static inline void put_problem(nodelock_answer *answer, unsigned http, nodelock_status status, const char *more)
{
    char body[8192];
    snprintf(body, sizeof body, "{\"type\":\"urn:nodelock:problem:%s\",\"status\":%u%s%s", nodelock_status_name(status), http,
             more == NULL ? "" : ",", more == NULL ? "}" : more + 1);
    put_answer(answer, http, body);
}

/* The messages of a reply, in the members of the reference authority's answers. */
static inline void put_reply(nodelock_answer *answer, const nodelock_reply *reply)
{
    const char *license = nodelock_reply_license(reply), *revocation = nodelock_reply_revocation(reply);
    size_t count = nodelock_reply_receipt_count(reply), room = 64;
    room += license == NULL ? 0 : strlen(license);
    room += revocation == NULL ? 0 : strlen(revocation);
    for (size_t i = 0; i < count; i++)
        room += strlen(nodelock_reply_receipt(reply, i)) + 3;
    char *json = (char *)malloc(room), *to = json;
    CHECK(json != NULL);
    if (license != NULL)
        to += sprintf(to, "{\"license\":\"%s\",\"receipts\":[", license);
    else if (revocation != NULL)
        to += sprintf(to, "{\"revocation\":\"%s\"}", revocation);
    else
        to += sprintf(to, "{\"receipt\":\"%s\"}", nodelock_reply_receipt(reply, 0));
    for (size_t i = 0; license != NULL && i < count; i++)
        to += sprintf(to, "%s\"%s\"", i == 0 ? "" : ",", nodelock_reply_receipt(reply, i));
    if (license != NULL)
        strcpy(to, "]}");
    put_answer(answer, 200, json);
    free(json);
}

/* A check-in that comes again has the same answer, and stores nothing. */
static inline void vendor_hears_again(struct vendor *vendor, const char *check_in, const nodelock_reply *first)
{
    nodelock_decision *decision = NULL;
    OK(vendor_decide(vendor, decide_check_in, check_in, strlen(check_in), &decision, &error));
    CHECK(nodelock_decision_outcome(decision) ==
          (nodelock_reply_license(first) == NULL ? NODELOCK_DECISION_REVOKED : NODELOCK_DECISION_REPEATED));
    CHECK(nodelock_decision_change_count(decision) == 0 && nodelock_decision_event_count(decision) == 0);
    nodelock_reply *again = vendor_sign(vendor, decision);
    CHECK(strcmp(nodelock_reply_text(again), nodelock_reply_text(first)) == 0);
    nodelock_reply_free(again);
    nodelock_decision_free(decision);
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
    nodelock_error *error = NULL;
    nodelock_status status = NODELOCK_OK;
    CHECK(body != NULL && message != NULL && strncmp(nodelock_post_user_agent(post), "nodelock/", 9) == 0);
    CHECK(nodelock_post_limit(post) > 100000 && nodelock_post_timeout(post) > 0);
    CHECK(nodelock_post_authorization(post) == NULL && nodelock_post_authorization(NULL) == NULL);
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
    bool is_preflight = strstr(url, "/v1/deactivations/preflight") != NULL;
    bool is_release = !is_preflight && strstr(url, "/v1/deactivations") != NULL;
    bool is_check_in = strstr(url, "/v1/checkins") != NULL;
    member(body, is_release ? "proof" : "request", message, size + 1);
    size = strlen(message);
    if (is_preflight)
        status = vendor_decide(vendor, decide_preflight, message, size, &decision, &error);
    else if (is_release)
        status = vendor_redeem(vendor, message, size, &decision, &error);
    else if (is_check_in)
        status = vendor_decide(vendor, decide_check_in, message, size, &decision, &error);
    else
        status = vendor_activate(vendor, message, size, &decision, &error);
    /* Of a trial, when it ended: in the error of a check-in, in the decision of a request. */
    uint64_t ended = nodelock_error_trial_ended(error);
    nodelock_error_free(error);
    error = NULL;
    nodelock_reply *reply = NULL;
    if (status == NODELOCK_OK) {
        status = nodelock_decision_refusal(decision);
        ended = nodelock_decision_trial_ended(decision);
    }
    char trial[64];
    snprintf(trial, sizeof trial, "{\"trial_ended\":%llu}", (unsigned long long)ended);
    if (status == NODELOCK_CERTIFICATE_EXPIRED && !is_preflight && !is_release && !is_check_in)
        vendor_free_along(vendor, message, size);
    if (status != NODELOCK_OK) {
        put_problem(answer, 409, status, ended > 0 ? trial : nodelock_decision_seats(decision));
    } else if (is_preflight) {
        put_answer(answer, 200, nodelock_decision_is_allowed(decision) ? "{\"allowed\":true}" : "{\"allowed\":false}");
    } else if (nodelock_decision_reply(decision, vendor->issuer, vendor->now, &reply, &error) != NODELOCK_OK) {
        /* The seat is free, and its receipt comes when it can be signed. */
        put_problem(answer, 202, nodelock_error_status(error), NULL);
        nodelock_error_free(error);
    } else {
        put_reply(answer, reply);
        if (is_check_in)
            vendor_hears_again(vendor, message, reply);
        nodelock_reply_free(reply);
    }
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
