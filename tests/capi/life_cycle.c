/* One seat goes round: offline, by code, online over the host's own transport, lost and recovered, released. */

#include "support.h"

static void terms_of(const nodelock_license *license)
{
    uint64_t number = 0;
    uint32_t left = 0;
    size_t size = 0;
    CHECK(nodelock_license_is_present(license) && nodelock_license_is_usable(license));
    CHECK(strcmp(nodelock_license_verdict_text(license), "active") == 0);
    CHECK(strcmp(nodelock_license_product(license), PRODUCT) == 0);
    CHECK(strcmp(nodelock_license_licensee(license), "Jürgen Example") == 0);
    CHECK(strcmp(nodelock_license_edition(license), "pro") == 0);
    CHECK(strlen(nodelock_license_id(license)) == 16 && strlen(nodelock_license_seat(license)) == 6);
    CHECK(strlen(nodelock_license_device_key(license)) == 43);
    CHECK(strstr(nodelock_license_text(license), "-----BEGIN NODELOCK LICENSE-----") != NULL);
    CHECK(nodelock_license_data(license, &size) != NULL && size > 100);
    CHECK(nodelock_license_has_feature(license, "export") && !nodelock_license_has_feature(license, "import"));
    CHECK(nodelock_license_feature_limit(license, "export", &number) && number == NODELOCK_UNLIMITED);
    CHECK(nodelock_license_feature_limit(license, "projects", &number) && number == 10);
    CHECK(!nodelock_license_feature_limit(license, "import", &number) && number == 10);
    CHECK(nodelock_license_feature_count(license) == 2);
    CHECK(strcmp(nodelock_license_feature_name(license, 1), "projects") == 0);
    CHECK(nodelock_license_feature_name(license, 2) == NULL);
    CHECK(!nodelock_license_feature_expires(license, 0, &number));
    CHECK(nodelock_license_metadata_count(license) == 1);
    CHECK(strcmp(nodelock_license_metadata(license, "order"), "4711") == 0);
    CHECK(nodelock_license_metadata(license, "orders") == NULL);
    CHECK(strcmp(nodelock_license_metadata_name(license, 0), "order") == 0);
    CHECK(strcmp(nodelock_license_metadata_value(license, 0), "4711") == 0);
    CHECK(nodelock_license_issued(license, &number) && number == START);
    CHECK(nodelock_license_starts(license, &number) && number == 0);
    CHECK(!nodelock_license_expires(license, &number) && !nodelock_license_updates_until(license, &number));
    CHECK(nodelock_license_lease_until(license, &number) && number == START + 90 * DAY);
    CHECK(nodelock_license_renew_after(license, &number) && number == START + 45 * DAY);
    CHECK(nodelock_license_deactivations_left(license, &left) && left == 3);
    CHECK(nodelock_license_revision(license) == 1 && nodelock_license_time(license) == START);
    CHECK(!nodelock_license_renewal_due(license) && !nodelock_license_should_observe(license));
    CHECK(nodelock_license_power_cuts_covered(license));
    CHECK(nodelock_license_pending_seat(license) == NULL && nodelock_license_outstanding(license) == 0);
    CHECK(!nodelock_license_verdict_time(license, &number) && nodelock_license_set_back(license) == 0);
    CHECK(nodelock_license_machine_reason(license) == NODELOCK_MACHINE_FITS);
    CHECK(nodelock_license_damage(license) == NODELOCK_OK);
    CHECK(nodelock_license_revocation_reason(license) == NULL);
}

static void fingerprint_of(nodelock_client *client, uint32_t outcome)
{
    nodelock_fingerprint *found = NULL;
    int32_t score = 0;
    uint32_t component = 0;
    OK(nodelock_client_fingerprint(client, &found, &error));
    CHECK(nodelock_fingerprint_is_bindable(found));
    CHECK(!nodelock_fingerprint_is_virtual_machine(found) && !nodelock_fingerprint_is_container(found));
    CHECK(nodelock_fingerprint_sign_count(found) == 0 && nodelock_fingerprint_sign(found, 0) == NULL);
    CHECK(nodelock_fingerprint_found(found, NODELOCK_COMPONENT_MAC));
    CHECK(!nodelock_fingerprint_found(found, NODELOCK_COMPONENT_CPU));
    CHECK(nodelock_fingerprint_outcome(found, &score) == outcome);
    CHECK((outcome == NODELOCK_MATCH_AGREES) == (score > 0));
    CHECK(nodelock_fingerprint_compare(found, NODELOCK_COMPONENT_MAC, &score) == outcome);
    CHECK(nodelock_fingerprint_compare(found, NODELOCK_COMPONENT_CPU, NULL) == NODELOCK_MATCH_NONE);
    CHECK(nodelock_fingerprint_tag_count(found) == 2);
    CHECK(nodelock_fingerprint_tag(found, 1, &component) != NULL && component == NODELOCK_COMPONENT_MAC);
    CHECK(nodelock_fingerprint_tag(found, 2, &component) == NULL && component == 0);
    CHECK(strstr(nodelock_fingerprint_report(found), "disk_serial") != NULL);
    nodelock_fingerprint_free(found);
}

/* By file, and back by a code with two typing errors. */
/* A text as mail programs change it: each line with something in front of it and another end, and other dashes. */
static size_t mailed(const char *text, const char *before, const char *end, const char *dashes, char *out)
{
    char *to = out + sprintf(out, "%s", before);
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '\n') {
            to += sprintf(to, "%s%s", end, before);
        } else if (strncmp(from, "-----", 5) == 0) {
            to += sprintf(to, "%s", dashes);
            from += 4;
        } else {
            *to++ = *from;
        }
    }
    return (size_t)(to - out);
}

/* The layout of a license's text proves nothing: it is installed, and a changed header is told. */
static void mailed_license(nodelock_client *client, const char *text)
{
    static const char *const FORMS[][3] = {
        {"> ", "\n", "-----"}, {"", "\r\n", "----"}, {"\xc2\xa0", "\r", "\xe2\x80\x94"}, {"", " ", "-----"}, {"", "<br>", ""},
        {"* ", "\n\n", "--"}, {"\t", "\xe2\x80\xa8", "\xe2\x80\x93\xe2\x80\x93"}, {"<p>", "</p>", "-"},
    };
    char *form = (char *)malloc(20 * strlen(text) + 20);
    CHECK(form != NULL);
    nodelock_license *license;
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        size_t size = mailed(text, FORMS[i][0], FORMS[i][1], FORMS[i][2], form);
        OK(nodelock_client_install(client, bytes(form), size, &license, &error));
        CHECK(nodelock_license_changed_header(license, 0) == NULL);
        nodelock_license_free(license);
    }
    /* UTF-16 without a mark. */
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        form[2 * i] = text[i];
        form[2 * i + 1] = '\0';
    }
    OK(nodelock_client_install(client, bytes(form), 2 * length, &license, &error));
    nodelock_license_free(license);

    strcpy(form, text);
    char *product = strstr(form, PRODUCT);
    CHECK(product != NULL);
    *product = 'X';
    OK(nodelock_client_install(client, bytes(form), length, &license, &error));
    CHECK(strcmp(nodelock_license_changed_header(license, 0), "Product: " PRODUCT) == 0);
    CHECK(nodelock_license_changed_header(license, 1) == NULL);
    nodelock_license_free(license);
    form[strlen(form) / 2] = '?';
    EXPECT(NODELOCK_MALFORMED, nodelock_client_install(client, bytes(form), length, &license, &error));
    free(form);
}

static void offline(struct vendor *vendor)
{
    nodelock_client *first = device(vendor, "first"), *second = device(vendor, "second");
    nodelock_request *request = NULL, *again = NULL;
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    nodelock_proofs *outstanding = NULL;
    nodelock_decision *decision = NULL;
    nodelock_reply *signed_reply = NULL;
    nodelock_receipt *receipt = NULL;
    nodelock_qr *qr = NULL;
    nodelock_details *about = NULL;
    char *reply = NULL, typed[64];
    const uint8_t *data = NULL;
    size_t size = 0;
    bool wrote = true;

    OK(nodelock_client_check(first, &license, &error));
    CHECK(nodelock_license_verdict(license) == NODELOCK_VERDICT_UNLICENSED && !nodelock_license_is_present(license));
    size = 1;
    CHECK(nodelock_license_data(license, &size) == NULL && size == 0 && nodelock_license_text(license) == NULL);
    nodelock_license_free(license);
    license = NULL;
    fingerprint_of(first, NODELOCK_MATCH_NONE);
    OK(nodelock_client_pending(first, &again, &error));
    CHECK(again == NULL);
    OK(nodelock_details_new(&about, &error));
    OK(nodelock_details_add(about, "computer", "Jürgens Rechner", &error));
    OK(nodelock_client_begin(first, vendor->license_key, about, &request, &error));
    nodelock_details_free(about);
    nodelock_error *refusal = NULL;
    CHECK(nodelock_client_begin(first, NULL, NULL, &again, &refusal) == NODELOCK_ALREADY_ACTIVE);
    CHECK(nodelock_error_already(refusal) == NODELOCK_ALREADY_PENDING);
    CHECK(strcmp(nodelock_error_advice(refusal), "Give the license back or take the request back first.") == 0);
    CHECK(nodelock_error_advice(NULL) == NULL);
    CHECK(nodelock_error_already(NULL) == NODELOCK_ALREADY_NOTHING);
    nodelock_error_free(refusal);
    CHECK(again == NULL);
    OK(nodelock_client_pending(first, &again, &error));
    CHECK(strcmp(nodelock_request_text(request), nodelock_request_text(again)) == 0);
    CHECK(strcmp(nodelock_request_seat(request), nodelock_request_seat(again)) == 0);
    nodelock_request_free(again);
    again = NULL;
    OK(nodelock_client_begin(first, vendor->license_key, NULL, &again, &error));
    CHECK(strcmp(nodelock_request_text(request), nodelock_request_text(again)) == 0);
    CHECK(!nodelock_request_is_recovery(request) && nodelock_request_release_count(request) == 0);
    CHECK(nodelock_request_data(request, &size) != NULL && size > 100);
    CHECK(strlen(nodelock_request_base64url(request)) == (size * 4 + 2) / 3);
    CHECK(strlen(nodelock_request_base32(request)) == (size * 8 + 4) / 5);
    OK(nodelock_request_qr(request, "https://example.com/a#", &qr, &error));
    nodelock_qr_free(qr);
    nodelock_request_free(again);

    /* Every form of it is the same file. */
    const char *forms[] = {nodelock_request_text(request), nodelock_request_base64url(request),
                           nodelock_request_base32(request)};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        nodelock_activation *read = NULL;
        char link[4096];
        snprintf(link, sizeof link, "%s%s", i == 2 ? "https://example.com/a#" : "", forms[i]);
        OK(nodelock_activation_read(bytes(link), strlen(link), &read, &error));
        CHECK(strcmp(nodelock_activation_seat(read), nodelock_request_seat(request)) == 0);
        CHECK(strcmp(nodelock_activation_product(read), PRODUCT) == 0);
        CHECK(strcmp(nodelock_activation_application(read), "") == 0);
        CHECK(nodelock_activation_metadata_count(read) == 1);
        CHECK(strcmp(nodelock_activation_metadata_name(read, 0), "computer") == 0);
        CHECK(strcmp(nodelock_activation_metadata_value(read, 0), "Jürgens Rechner") == 0);
        CHECK(nodelock_activation_metadata_value(read, 1) == NULL);
        nodelock_activation_free(read);
    }

    CHECK(vendor_activate_by_file(vendor, nodelock_request_text(request), &reply) == NODELOCK_OK);
    nodelock_request_free(request);
    request = NULL;
    OK(nodelock_client_install(first, bytes(reply), strlen(reply), &license, &error));
    mailed_license(first, reply);
    terms_of(license);
    fingerprint_of(first, NODELOCK_MATCH_AGREES);
    nodelock_license_free(license);
    OK(nodelock_client_observe(first, &wrote, &error));
    CHECK(!wrote);

    OK(nodelock_client_begin(second, vendor->license_key, NULL, &request, &error));
    char *refused = NULL;
    CHECK(vendor_activate_by_file(vendor, nodelock_request_text(request), &refused) == NODELOCK_NO_FREE_SEAT);
    CHECK(refused == NULL);

    EXPECT(NODELOCK_INVALID_INPUT, nodelock_client_deactivate_offline(first, NODELOCK_REASON_CANCELLED, &proof, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_client_deactivate_offline(first, 5, &proof, &error));
    CHECK(verdict(first) == NODELOCK_VERDICT_ACTIVE && proof == NULL);
    OK(nodelock_client_deactivate_offline(first, NODELOCK_REASON_MOVED, &proof, &error));
    CHECK(verdict(first) == NODELOCK_VERDICT_DEACTIVATED);
    EXPECT(NODELOCK_GIVEN_UP, nodelock_client_install(first, bytes(reply), strlen(reply), &license, &error));
    CHECK(license == NULL);
    CHECK(nodelock_proof_reason(proof) == NODELOCK_REASON_MOVED && nodelock_proof_time(proof) == START);
    CHECK(nodelock_proof_tombstone(proof) == NODELOCK_OK);
    CHECK(strlen(nodelock_proof_code(proof)) == 29 && strlen(nodelock_proof_seat(proof)) == 6);
    CHECK(nodelock_proof_data(proof, &size) != NULL && size <= 110);
    CHECK(strlen(nodelock_proof_base64url(proof)) == (size * 4 + 2) / 3);
    OK(nodelock_proof_qr(proof, "https://example.com/r#", &qr, &error));
    size_t width = nodelock_qr_width(qr), dark = 0, squares = 0;
    const uint8_t *modules = nodelock_qr_squares(qr, &squares);
    CHECK(width >= 21 && squares == width * width);
    for (size_t i = 0; i < squares; i++) {
        CHECK(modules[i] <= 1);
        dark += modules[i];
    }
    CHECK(dark > squares / 3 && dark < squares * 2 / 3 && modules[0] == 1);
    CHECK(strstr(nodelock_qr_svg(qr), "<svg") != NULL && strstr(nodelock_qr_terminal(qr), "\xe2\x96\x88") != NULL);
    nodelock_qr_free(qr);
    OK(nodelock_client_outstanding(first, &outstanding, &error));
    CHECK(nodelock_proofs_count(outstanding) == 1 && nodelock_proofs_get(outstanding, 1) == NULL);
    CHECK(strcmp(nodelock_proof_code(nodelock_proofs_get(outstanding, 0)), nodelock_proof_code(proof)) == 0);
    nodelock_proofs_free(outstanding);

    /* The right code is heard through two typing errors. */
    snprintf(typed, sizeof typed, "%s", nodelock_proof_code(proof));
    typed[8] = typed[8] == '7' ? '8' : '7';
    typed[26] = typed[26] == 'X' ? 'Y' : 'X';
    OK(vendor_decide(vendor, decide_code, typed, 0, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_RETURNED && vendor_taken(vendor) == 0);
    CHECK(vendor->attempts == 1 && vendor_count(vendor, NODELOCK_CHANGE_ATTEMPTS) == 1);
    uint32_t left = 0;
    CHECK(nodelock_decision_deactivations_left(decision, &left) && left == 2);
    CHECK(nodelock_decision_event_count(decision) == 1);
    CHECK(strcmp(nodelock_decision_event_name(decision, 0), "returned") == 0);
    CHECK(strcmp(nodelock_decision_event_seat(decision, 0), vendor_last_seat(vendor)->name) == 0);
    CHECK(strstr(nodelock_decision_event_detail(decision, 0), "code") != NULL);
    CHECK(nodelock_decision_event_name(decision, 1) == NULL);
    signed_reply = vendor_sign(vendor, decision);
    CHECK(nodelock_reply_license(signed_reply) == NULL && nodelock_reply_revocation(signed_reply) == NULL);
    CHECK(nodelock_reply_receipt_count(signed_reply) == 1 && nodelock_reply_receipt(signed_reply, 1) == NULL);
    data = nodelock_reply_data(signed_reply, &size);
    CHECK(strlen(nodelock_reply_receipt(signed_reply, 0)) == (size * 4 + 2) / 3);
    OK(nodelock_client_accept_receipt(first, data, size, &receipt, &error));
    left = 0;
    CHECK(nodelock_receipt_outcome(receipt) == NODELOCK_OUTCOME_RETURNED && nodelock_receipt_time(receipt) == START);
    CHECK(nodelock_receipt_deactivations_left(receipt, &left) && left == 2);
    CHECK(strcmp(nodelock_receipt_seat(receipt), nodelock_proof_seat(proof)) == 0);
    CHECK(strstr(nodelock_receipt_text(receipt), "Outcome: returned") != NULL);
    nodelock_receipt_free(receipt);
    nodelock_decision_free(decision);
    decision = NULL;
    OK(nodelock_client_outstanding(first, &outstanding, &error));
    CHECK(nodelock_proofs_count(outstanding) == 0);
    nodelock_proofs_free(outstanding);

    /* The code comes again: the same receipt, and no attempt. */
    OK(vendor_decide(vendor, decide_code, nodelock_proof_code(proof), 0, &decision, &error));
    nodelock_reply *same_reply = vendor_sign(vendor, decision);
    CHECK(strcmp(nodelock_reply_text(same_reply), nodelock_reply_text(signed_reply)) == 0 && vendor->attempts == 1);
    CHECK(nodelock_decision_change_count(decision) == 0 && nodelock_decision_event_count(decision) == 0);
    nodelock_reply_free(same_reply);
    nodelock_reply_free(signed_reply);
    nodelock_decision_free(decision);
    decision = NULL;

    /* The proof frees nothing again; the other machine's request is answered now. */
    for (int again = 0; again < 2; again++) {
        OK(vendor_redeem(vendor, nodelock_proof_text(proof), strlen(nodelock_proof_text(proof)), &decision, &error));
        CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_RETURNED);
        CHECK(nodelock_decision_event_count(decision) == 0 && vendor_counted(vendor) == 1);
        CHECK(again == 0 || nodelock_decision_change_count(decision) == 0);
        nodelock_decision_free(decision);
        decision = NULL;
    }
    free(reply);
    reply = NULL;
    CHECK(vendor_activate_by_file(vendor, nodelock_request_base64url(request), &reply) == NODELOCK_OK);
    OK(nodelock_client_accept(second, bytes(reply), strlen(reply), &license, &error));
    CHECK(nodelock_license_is_usable(license) && vendor_taken(vendor) == 1);
    nodelock_license_free(license);
    nodelock_proof_free(proof);
    OK(nodelock_client_deactivate_offline(second, NODELOCK_REASON_RETIRED, &proof, &error));
    decision = NULL;
    size_t proof_size = 0;
    data = nodelock_proof_data(proof, &proof_size);
    OK(vendor_redeem(vendor, data, proof_size, &decision, &error));
    CHECK(vendor_taken(vendor) == 0 && vendor_counted(vendor) == 2);

    nodelock_decision_free(decision);
    nodelock_proof_free(proof);
    nodelock_request_free(request);
    free(reply);
    nodelock_client_free(first);
    nodelock_client_free(second);
}

/* A request taken back before the vendor saw it takes no seat when it comes. */
static void cancelled(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "third");
    nodelock_request *request = NULL;
    nodelock_proof *proof = NULL;
    nodelock_decision *decision = NULL;
    nodelock_release *release = NULL;
    char *reply = NULL;
    size_t size = 0;
    EXPECT(NODELOCK_NOT_PENDING, nodelock_client_cancel(client, &proof, &error));
    OK(nodelock_client_begin(client, vendor->license_key, NULL, &request, &error));
    OK(nodelock_client_cancel(client, &proof, &error));
    CHECK(nodelock_proof_reason(proof) == NODELOCK_REASON_CANCELLED);
    const uint8_t *data = nodelock_proof_data(proof, &size);
    OK(nodelock_release_read(data, size, &release, &error));
    CHECK(nodelock_release_has_request(release));
    nodelock_release_free(release);
    OK(vendor_redeem(vendor, data, size, &decision, &error));
    CHECK(vendor_activate_by_file(vendor, nodelock_request_text(request), &reply) == NODELOCK_REQUEST_CANCELLED);
    CHECK(vendor_taken(vendor) == 0 && verdict(client) == NODELOCK_VERDICT_UNLICENSED);
    nodelock_decision_free(decision);
    nodelock_proof_free(proof);
    nodelock_request_free(request);
    nodelock_client_free(client);
}

/* The code came before its request, and is no reason to refuse another one. */
static void evidence_first(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "fourth"), *other = device(vendor, "fifth");
    nodelock_request *request = NULL, *others = NULL;
    nodelock_proof *proof = NULL;
    nodelock_readings *readings = NULL, *wrong = NULL;
    nodelock_decision *decision = NULL;
    nodelock_receipt *receipt = NULL;
    char *reply = NULL;
    size_t size = 0;
    OK(nodelock_client_begin(client, vendor->license_key, NULL, &request, &error));
    OK(nodelock_client_cancel(client, &proof, &error));
    OK(nodelock_deactivation_code_read(nodelock_proof_code(proof), &readings, &error));
    CHECK(nodelock_readings_count(readings) == 1 && nodelock_readings_correction_count(readings, 0) == 0);
    CHECK(strcmp(nodelock_readings_seat(readings, 0), nodelock_request_seat(request)) == 0);
    EXPECT(NODELOCK_WRONG_TYPE, nodelock_license_key_read(nodelock_proof_code(proof), &wrong, &error));

    /* It is kept once, however often it comes, and nothing is sent. */
    for (unsigned again = 0; again < 2; again++) {
        OK(vendor_decide(vendor, decide_code, nodelock_proof_code(proof), 0, &decision, &error));
        CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_KEPT);
        CHECK(nodelock_decision_change_count(decision) == (again == 0));
        CHECK(nodelock_decision_event_seat(decision, 0) == NULL);
        nodelock_reply *nothing = vendor_sign(vendor, decision);
        CHECK(nodelock_reply_text(nothing) == NULL && nodelock_reply_data(nothing, &size) == NULL && size == 0);
        CHECK(nodelock_reply_receipt_count(nothing) == 0 && nodelock_reply_receipt(nothing, 0) == NULL);
        nodelock_reply_free(nothing);
        nodelock_decision_free(decision);
        decision = NULL;
    }
    CHECK(vendor_count(vendor, NODELOCK_CHANGE_KEEP_EVIDENCE) == 1 && vendor->attempts == 1);
    OK(nodelock_client_begin(other, vendor->license_key, NULL, &others, &error));
    CHECK(vendor_activate_by_file(vendor, nodelock_request_text(others), &reply) == NODELOCK_OK);
    CHECK(vendor_count(vendor, NODELOCK_CHANGE_KEEP_EVIDENCE) == 1 && vendor_taken(vendor) == 1);

    /* The request is refused, and its receipt comes along. */
    OK(vendor_activate(vendor, nodelock_request_text(request), strlen(nodelock_request_text(request)), &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_REFUSED);
    CHECK(nodelock_decision_refusal(decision) == NODELOCK_REQUEST_CANCELLED);
    CHECK(strlen(nodelock_decision_refusal_text(decision)) > 0 && nodelock_decision_seats(decision) == NULL);
    CHECK(has(vendor_last_seat(vendor)->record, "state", "cancelled"));
    CHECK(vendor_count(vendor, NODELOCK_CHANGE_KEEP_EVIDENCE) == 0);
    nodelock_reply *signed_reply = vendor_sign(vendor, decision);
    OK(nodelock_client_accept_receipt(client, bytes(nodelock_reply_text(signed_reply)),
                                      strlen(nodelock_reply_text(signed_reply)), &receipt, &error));
    CHECK(nodelock_receipt_outcome(receipt) == NODELOCK_OUTCOME_RETURNED);
    nodelock_reply_free(signed_reply);
    nodelock_decision_free(decision);
    decision = NULL;
    char *none = NULL;
    CHECK(vendor_activate_by_file(vendor, nodelock_request_text(request), &none) == NODELOCK_REQUEST_CANCELLED);

    /* The proof says the same, and frees nothing of the other's. */
    const uint8_t *data = nodelock_proof_data(proof, &size);
    OK(vendor_redeem(vendor, data, size, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_RETURNED && vendor_taken(vendor) == 1);

    nodelock_receipt_free(receipt);
    nodelock_request_free(others);
    nodelock_client_free(other);
    nodelock_decision_free(decision);
    nodelock_readings_free(readings);
    nodelock_proof_free(proof);
    nodelock_request_free(request);
    nodelock_client_free(client);
    free(reply);
}

/* Which cancelled seats a database may forget. */
static void outdated(void)
{
    uint64_t from = 0, before = 0;
    CHECK(!nodelock_outdated(1800000000, &from, &before) && from == 0 && before == 0);
    CHECK(nodelock_outdated(2000000000, &from, &before));
    CHECK(from == 1767225600 && before == 2000000000 - 5 * 365 * DAY);
    CHECK(!nodelock_outdated(2000000000, NULL, &before) && !nodelock_outdated(2000000000, &from, NULL));
}

/* Without its records no decision is made, and what was not asked for is no record. */
static void lookups(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "sixth");
    nodelock_request *request = NULL;
    nodelock_activation *activation = NULL;
    nodelock_records *records = NULL;
    nodelock_decision *decision = NULL;
    nodelock_reply *reply = NULL;
    OK(nodelock_client_begin(client, vendor->license_key, NULL, &request, &error));
    const char *text = nodelock_request_text(request);
    OK(nodelock_activation_read(bytes(text), strlen(text), &activation, &error));
    OK(nodelock_records_new(vendor->issuer, vendor->page, &records, &error));

    /* However many of its queries are answered, it asks for the rest. */
    unsigned rounds = 0;
    for (bool decided = false; !decided; rounds++) {
        OK(nodelock_decide_activation(activation, NULL, records, vendor->now, &decision, &error));
        size_t count = nodelock_decision_query_count(decision);
        decided = nodelock_decision_outcome(decision) != NODELOCK_DECISION_NEEDS;
        CHECK(decided == (count == 0 && !nodelock_decision_has_verifications(decision)));
        if (!decided) {
            CHECK(nodelock_decision_change_count(decision) == 0 && nodelock_decision_event_count(decision) == 0);
            CHECK(nodelock_decision_refusal_text(decision) == NULL);
            CHECK(nodelock_decision_refusal(decision) == NODELOCK_OK && !nodelock_decision_is_allowed(decision));
            CHECK(nodelock_decision_query_kind(decision, count) == 0);
            CHECK(nodelock_decision_query_value(decision, count) == NULL);
            EXPECT(NODELOCK_INVALID_INPUT,
                   nodelock_decision_reply(decision, vendor->issuer, vendor->now, &reply, &error));
            vendor_answer(vendor, records, decision, 0);
            nodelock_decision_free(decision);
            decision = NULL;
        }
    }
    CHECK(rounds == 6 && nodelock_decision_outcome(decision) == NODELOCK_DECISION_GRANTED);
    CHECK(nodelock_decision_change_count(decision) == 1);
    CHECK(nodelock_decision_change_kind(decision, 0) == NODELOCK_CHANGE_INSERT_SEAT);
    CHECK(has(vendor->terms, "id", nodelock_decision_change_license(decision, 0)));
    CHECK(nodelock_decision_change_is_taken(decision, 0) && !nodelock_decision_change_is_counted(decision, 0));
    CHECK(nodelock_decision_change_kind(decision, 1) == 0 && nodelock_decision_change_record(decision, 1) == NULL);
    char seat[4096], handle[16], device_key[64];
    snprintf(seat, sizeof seat, "%s", nodelock_decision_change_record(decision, 0));
    member(seat, "seat", handle, sizeof handle);
    member(seat, "device_key", device_key, sizeof device_key);
    nodelock_decision_free(decision);
    decision = NULL;

    /* What was looked up is of a moment, so the next transaction looks it up anew. */
    OK(nodelock_records_keep_facts(records, &error));
    OK(nodelock_decide_activation(activation, NULL, records, vendor->now, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_NEEDS);
    nodelock_decision_free(decision);

    const char *found[2] = {seat, seat};
    OK(nodelock_records_answer(records, NODELOCK_QUERY_SEATS_OF_HANDLE, handle, found, 1, &error));
    OK(nodelock_records_answer(records, NODELOCK_QUERY_TAKEN_SEATS_OF, device_key, found, 1, &error));
    EXPECT(NODELOCK_INVALID_INPUT,
           nodelock_records_answer(records, NODELOCK_QUERY_SEATS_OF_HANDLE, "7KX2M9", found, 1, &error));
    EXPECT(NODELOCK_INVALID_INPUT,
           nodelock_records_answer(records, NODELOCK_QUERY_TAKEN_SEATS_OF, vendor->root, found, 1, &error));
    EXPECT(NODELOCK_INVALID_INPUT,
           nodelock_records_answer(records, NODELOCK_QUERY_LICENSE, "0123456789abcdef", found, 1, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_records_answer(records, 0, handle, found, 0, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_records_answer(records, 8, handle, found, 0, &error));
    EXPECT(NODELOCK_CORRUPT, nodelock_records_answer(records, NODELOCK_QUERY_EVIDENCE_OF, handle, found, 1, &error));
    found[0] = found[1] = "{\"count\":1,\"since\":0}";
    snprintf(seat, sizeof seat, "%s:%s", handle, device_key);
    OK(nodelock_records_answer(records, NODELOCK_QUERY_ATTEMPTS, seat, found, 1, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_records_answer(records, NODELOCK_QUERY_ATTEMPTS, seat, found, 2, &error));
    nodelock_records_free(records);
    nodelock_activation_free(activation);
    nodelock_request_free(request);
    nodelock_client_free(client);
}

/* A license key is found however it was typed. */
static void keys_as_typed(struct vendor *vendor)
{
    nodelock_bytes *text = NULL;
    char typed[80];
    snprintf(typed, sizeof typed, " %s ", vendor->license_key);
    for (char *at = typed; *at; at++)
        *at = *at == '-' ? ' ' : (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
    OK(nodelock_license_key_hash(typed, &text, &error));
    CHECK(strcmp(nodelock_bytes_text(text), vendor->key_hash) == 0 && strlen(vendor->key_hash) == 64);
    nodelock_bytes_free(text);
    OK(nodelock_license_key_hint(typed, &text, &error));
    CHECK(strcmp(nodelock_bytes_text(text), strrchr(vendor->license_key, '-') + 1) == 0);
    nodelock_bytes_free(text);
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_license_key_hash(" ", &text, &error));
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_license_key_hint("", &text, &error));
}

/* An attempt at a code is there to be stored before anybody knows whether the code is right. */
static void attempts_first(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "attempted");
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    nodelock_decision *decision = NULL;
    unsigned taken = vendor_taken(vendor), attempts = vendor->attempts;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    OK(nodelock_client_deactivate_offline(client, NODELOCK_REASON_MOVED, &proof, &error));

    nodelock_records *records = NULL;
    OK(nodelock_records_new(vendor->issuer, vendor->page, &records, &error));
    do {
        nodelock_decision_free(decision);
        decision = NULL;
        OK(nodelock_decide_code(nodelock_proof_code(proof), records, vendor->now, &decision, &error));
        CHECK(!nodelock_decision_has_verifications(decision) ||
              nodelock_decision_outcome(decision) == NODELOCK_DECISION_ATTEMPTED);
        for (size_t i = 0; i < nodelock_decision_query_count(decision); i++)
            vendor_answer(vendor, records, decision, i);
    } while (nodelock_decision_outcome(decision) == NODELOCK_DECISION_NEEDS);
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_ATTEMPTED);
    CHECK(nodelock_decision_has_verifications(decision) && nodelock_decision_has_slow_verifications(decision));
    CHECK(nodelock_decision_change_count(decision) == 1);
    CHECK(nodelock_decision_change_kind(decision, 0) == NODELOCK_CHANGE_ATTEMPTS);
    CHECK(strcmp(nodelock_decision_change_name(decision, 0), vendor_last_seat(vendor)->name) == 0);
    CHECK(strcmp(nodelock_decision_event_name(decision, 0), "code-tried") == 0);
    nodelock_decision_free(decision);
    nodelock_records_free(records);
    decision = NULL;
    CHECK(vendor->attempts == attempts && vendor_taken(vendor) == taken + 1);

    OK(vendor_decide(vendor, decide_code, nodelock_proof_code(proof), 0, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_RETURNED && vendor_taken(vendor) == taken);
    CHECK(vendor->attempts == attempts + 1);
    nodelock_decision_free(decision);
    nodelock_proof_free(proof);
    nodelock_client_free(client);
}

struct followed {
    unsigned sending, waiting;
};

static void follow(void *user_data, uint32_t event, uint32_t attempt, uint64_t pause)
{
    struct followed *followed = user_data;
    followed->sending += event == NODELOCK_EVENT_SENDING;
    followed->waiting += event == NODELOCK_EVENT_WAITING;
    CHECK(attempt >= 1 && attempt <= 2 && (pause > 0) == (event == NODELOCK_EVENT_WAITING));
}

/* A check-in as a file: every form is the same one, and the answer renews the license. */
static void renewed_by_hand(struct vendor *vendor, const nodelock_client *client)
{
    nodelock_request *check_in = NULL;
    nodelock_decision *decision = NULL;
    nodelock_license *license = NULL;
    nodelock_qr *qr = NULL;
    size_t size = 0;
    OK(nodelock_client_check_in_offline(client, &check_in, &error));
    CHECK(strstr(vendor_last_seat(vendor)->name, nodelock_request_seat(check_in)) != NULL);
    CHECK(nodelock_request_release_count(check_in) == 0 && !nodelock_request_is_recovery(check_in));
    OK(nodelock_request_qr(check_in, "https://example.com/activate#", &qr, &error));
    CHECK(nodelock_qr_width(qr) > 20);
    nodelock_qr_free(qr);
    const void *data = nodelock_request_data(check_in, &size);
    OK(vendor_decide(vendor, decide_check_in, data, size, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_RENEWED);
    nodelock_reply *reply = vendor_sign(vendor, decision);
    nodelock_decision_free(decision);
    const char *forms[] = {nodelock_request_text(check_in), nodelock_request_base64url(check_in),
                           nodelock_request_base32(check_in)};
    for (size_t form = 0; form < 3; form++)
        vendor_hears_again(vendor, forms[form], reply);
    const char *text = nodelock_reply_text(reply);
    OK(nodelock_client_accept(client, bytes(text), strlen(text), &license, &error));
    CHECK(nodelock_license_revision(license) == 2 && nodelock_license_is_usable(license));
    nodelock_license_free(license);
    nodelock_reply_free(reply);
    nodelock_request_free(check_in);
}

/* Over the transport, through faults on the way. */
static void online(struct vendor *vendor)
{
    nodelock_config *config = device_config(vendor, "online");
    nodelock_client *client = NULL;
    nodelock_license *license = NULL;
    nodelock_receipt *receipt = NULL;
    nodelock_receipts *receipts = NULL;
    nodelock_bytes *nobodys = NULL;
    nodelock_request *request = NULL;
    nodelock_error *error = NULL;
    nodelock_call *call = NULL;
    nodelock_error *warning = NULL;
    struct followed followed = {0, 0};
    OK(nodelock_config_set_patience(config, 10000, 2, &error));
    OK(nodelock_config_set_describe_machine(config, true, &error));
    OK(nodelock_client_new(config, &client, &error));
    OK(nodelock_call_new(&call, &error));
    OK(nodelock_call_set_timeout(call, 60000, &error));
    OK(nodelock_call_set_progress(call, &followed, follow, NULL, &error));

    OK(nodelock_license_key_generate(&nobodys, &error));
    EXPECT(NODELOCK_UNKNOWN_LICENSE,
           nodelock_client_activate(client, nodelock_bytes_text(nobodys), NULL, call, &license, &error));
    nodelock_bytes_free(nobodys);
    OK(nodelock_client_pending(client, &request, &error));
    CHECK(request == NULL && followed.sending == 1 && followed.waiting == 0);
    OK(nodelock_client_hand_in(client, NULL, &receipts, &error));
    CHECK(nodelock_receipts_count(receipts) == 1 && nodelock_receipts_get(receipts, 1) == NULL);
    CHECK(nodelock_receipt_outcome(nodelock_receipts_get(receipts, 0)) == NODELOCK_OUTCOME_RETURNED);
    nodelock_receipts_free(receipts);

    /* The first attempt gets lost. */
    followed.sending = followed.waiting = 0;
    vendor->failures = 1;
    vendor->failure = NODELOCK_UNREACHABLE;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, call, &license, &error));
    CHECK(nodelock_license_is_usable(license) && nodelock_license_revision(license) == 1);
    CHECK(followed.sending == 2 && followed.waiting == 1);
    nodelock_license_free(license);
    OK(nodelock_client_start(client, 3000, call, &license, &warning, &error));
    CHECK(nodelock_license_is_usable(license) && !nodelock_license_is_renewed(license) && warning == NULL);
    nodelock_license_free(license);

    /* A renewal that does not come fails no start, is told, and is asked for again after a minute. */
    vendor->now += 61 * DAY;
    OK(nodelock_client_start(client, 0, NULL, &license, &warning, &error));
    CHECK(nodelock_license_renewal_due(license) && nodelock_error_status(warning) == NODELOCK_TIMED_OUT);
    nodelock_license_free(license);
    nodelock_error_free(warning);
    vendor->failures = 1;
    vendor->failure = NODELOCK_UNREACHABLE;
    for (int start = 0; start < 2; start++) {
        OK(nodelock_client_start(client, 3000, NULL, &license, &warning, &error));
        CHECK(nodelock_license_is_usable(license) && nodelock_license_revision(license) == 1);
        CHECK(!nodelock_license_is_renewed(license) && nodelock_error_status(warning) == NODELOCK_UNREACHABLE);
        CHECK(vendor->failures == 0);
        nodelock_license_free(license);
        nodelock_error_free(warning);
    }
    vendor->now += 60;
    OK(nodelock_client_start(client, 3000, NULL, &license, NULL, &error));
    CHECK(nodelock_license_is_renewed(license) && nodelock_license_revision(license) == 2);
    nodelock_license_free(license);
    size_t said = vendor_find(vendor, NODELOCK_CHANGE_DESCRIPTION, vendor_last_seat(vendor)->name, NULL);
    CHECK(said < vendor->row_count && strstr(vendor->rows[said].record, "[\"architecture\",\"") != NULL);

    /* What a transport may not say counts as unreachable, and before anything is given up the license stays. */
    vendor->failures = 2;
    vendor->failure = NODELOCK_NO_FREE_SEAT;
    CHECK(nodelock_client_deactivate(client, NODELOCK_REASON_MOVED, NULL, &receipt, &error) == NODELOCK_UNREACHABLE);
    CHECK(receipt == NULL && nodelock_error_proof(error) == NULL && verdict(client) == NODELOCK_VERDICT_ACTIVE);
    nodelock_error_free(error);
    vendor->failures = 1;
    vendor->failure = NODELOCK_TLS_UNTRUSTED;
    EXPECT(NODELOCK_TLS_UNTRUSTED, nodelock_client_check_in(client, NULL, &license, &error));

    /* After it, the error has what was given up. */
    vendor->good = 1;
    vendor->failures = 2;
    vendor->failure = NODELOCK_TIMED_OUT;
    CHECK(nodelock_client_deactivate(client, NODELOCK_REASON_MOVED, NULL, &receipt, &error) == NODELOCK_TIMED_OUT);
    CHECK(receipt == NULL && strlen(nodelock_proof_code(nodelock_error_proof(error))) == 29);
    CHECK(verdict(client) == NODELOCK_VERDICT_DEACTIVATED && vendor_taken(vendor) == 1);
    nodelock_error_free(error);
    OK(nodelock_client_hand_in(client, NULL, &receipts, &error));
    CHECK(nodelock_receipts_count(receipts) == 1 && vendor_taken(vendor) == 0);
    nodelock_receipts_free(receipts);
    EXPECT(NODELOCK_NOT_ACTIVE, nodelock_client_check_in(client, NULL, &license, &error));

    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    OK(nodelock_client_deactivate(client, NODELOCK_REASON_MOVED, call, &receipt, &error));
    CHECK(nodelock_receipt_outcome(receipt) == NODELOCK_OUTCOME_RETURNED);
    nodelock_receipt_free(receipt);

    /* The end of a call: by time, or because another thread wants it. */
    OK(nodelock_call_set_timeout(call, 0, &error));
    EXPECT(NODELOCK_TIMED_OUT, nodelock_client_activate(client, vendor->license_key, NULL, call, &license, &error));
    nodelock_call_cancel(call);
    CHECK(nodelock_call_is_cancelled(call));
    OK(nodelock_call_set_timeout(call, 60000, &error));
    EXPECT(NODELOCK_CANCELLED, nodelock_client_activate(client, vendor->license_key, NULL, call, &license, &error));
    CHECK(license == NULL);
    OK(nodelock_client_pending(client, &request, &error));
    CHECK(request != NULL);
    nodelock_request_free(request);
    nodelock_call_free(call);
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);

    renewed_by_hand(vendor, client);

    /* The vendor releases the seat, and the device hears of it; a file does as well. */
    nodelock_decision *released = NULL, *again = NULL;
    nodelock_reply *reply = NULL;
    const char *seat = vendor_last_seat(vendor)->name;
    CHECK(has(vendor_last_seat(vendor)->record, "state", "active"));
    OK(vendor_decide(vendor, decide_renewal, seat, 0, &released, &error));
    CHECK(nodelock_decision_outcome(released) == NODELOCK_DECISION_RENEWED);
    reply = vendor_sign(vendor, released);
    OK(nodelock_client_install(client, bytes(nodelock_reply_text(reply)), strlen(nodelock_reply_text(reply)), &license,
                               &error));
    CHECK(nodelock_license_revision(license) == 3);
    nodelock_license_free(license);
    nodelock_reply_free(reply);
    nodelock_decision_free(released);
    released = NULL;
    seat = vendor_last_seat(vendor)->name;
    EXPECT(NODELOCK_NOT_HELD, vendor_decide(vendor, decide_return, seat, 0, &again, &error));
    OK(vendor_decide(vendor, decide_forced_release, seat, 0, &released, &error));
    CHECK(nodelock_decision_outcome(released) == NODELOCK_DECISION_REVOKED);
    reply = vendor_sign(vendor, released);
    seat = vendor_last_seat(vendor)->name;
    OK(vendor_decide(vendor, decide_forced_release, seat, 0, &again, &error));
    CHECK(nodelock_decision_outcome(again) == NODELOCK_DECISION_REVOKED && nodelock_decision_change_count(again) == 0);
    nodelock_decision_free(again);
    again = NULL;
    EXPECT(NODELOCK_REVOKED, vendor_decide(vendor, decide_renewal, seat, 0, &again, &error));
    /* The device has not heard of it, so it can be taken back. */
    for (int i = 0; i < 2; i++) {
        OK(vendor_decide(vendor, decide_unrelease, seat, 0, &again, &error));
        CHECK(nodelock_decision_outcome(again) == (i ? NODELOCK_DECISION_REPEATED : NODELOCK_DECISION_RENEWED));
        nodelock_decision_free(again);
        again = NULL;
        seat = vendor_last_seat(vendor)->name;
    }
    OK(vendor_decide(vendor, decide_forced_release, seat, 0, &again, &error));
    nodelock_decision_free(again);
    again = NULL;
    char nobodys_seat[80];
    snprintf(nobodys_seat, sizeof nobodys_seat, "7KX2M9:%s", vendor->root);
    EXPECT(NODELOCK_UNKNOWN_SEAT, vendor_decide(vendor, decide_forced_release, nobodys_seat, 0, &again, &error));
    EXPECT(NODELOCK_INVALID_INPUT, vendor_decide(vendor, decide_forced_release, "7KX2M9", 0, &again, &error));
    OK(nodelock_client_check_in(client, NULL, &license, &error));
    CHECK(nodelock_license_verdict(license) == NODELOCK_VERDICT_REVOKED);
    CHECK(strcmp(nodelock_license_revocation_reason(license), "the laptop was stolen") == 0);
    nodelock_license_free(license);
    seat = vendor_last_seat(vendor)->name;
    EXPECT(NODELOCK_GIVEN_UP, vendor_decide(vendor, decide_unrelease, seat, 0, &again, &error));
    nodelock_revocation *revocation = NULL;
    size_t size = 0;
    CHECK(nodelock_reply_revocation(reply) != NULL && nodelock_reply_license(reply) == NULL);
    const uint8_t *data = nodelock_reply_data(reply, &size);
    OK(nodelock_client_accept_revocation(client, data, size, &revocation, &error));
    CHECK(strcmp(nodelock_revocation_reason(revocation), "the laptop was stolen") == 0);
    CHECK(strlen(nodelock_revocation_seat(revocation)) == 6 && nodelock_revocation_time(revocation) == vendor->now);
    nodelock_revocation_free(revocation);
    nodelock_reply_free(reply);
    nodelock_decision_free(released);
    nodelock_client_free(client);
    nodelock_config_free(config);
}

/* A store on the disk: kept between clients, damaged, recovered. */
static void damaged(struct vendor *vendor, const char *folder)
{
    nodelock_config *config = device_config(vendor, "damaged");
    nodelock_client *client = NULL;
    nodelock_license *license = NULL;
    nodelock_request *request = NULL;
    char store[512], path[600];
    snprintf(store, sizeof store, "%s/store", folder);
    snprintf(path, sizeof path, "%s/state", store);
    OK(nodelock_config_set_store_directory(config, store, NULL, &error));
    OK(nodelock_config_set_lock_timeout(config, 1000, &error));
    client = client_of(config);
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    nodelock_client_free(client);
    client = client_of(config);
    CHECK(verdict(client) == NODELOCK_VERDICT_ACTIVE);
    unsigned taken = vendor_taken(vendor);
    EXPECT(NODELOCK_ALREADY_ACTIVE, nodelock_client_recover(client, NULL, &license, &error));

    FILE *state = fopen(path, "r+b");
    CHECK(state != NULL && fseek(state, 20, SEEK_SET) == 0 && fputs("damaged", state) >= 0 && fclose(state) == 0);
    OK(nodelock_client_check(client, &license, &error));
    CHECK(nodelock_license_verdict(license) == NODELOCK_VERDICT_DAMAGED);
    CHECK(nodelock_license_damage(license) == NODELOCK_CORRUPT && !nodelock_license_is_present(license));
    CHECK(nodelock_license_product(license) == NULL && nodelock_license_feature_count(license) == 0);
    nodelock_license_free(license);
    EXPECT(NODELOCK_CORRUPT, nodelock_client_pending(client, &request, &error));
    OK(nodelock_client_recover_offline(client, &request, &error));
    CHECK(nodelock_request_is_recovery(request));
    nodelock_request_free(request);
    OK(nodelock_client_recover(client, NULL, &license, &error));
    CHECK(nodelock_license_is_usable(license) && vendor_taken(vendor) == taken);
    nodelock_license_free(license);
    nodelock_client_free(client);
    nodelock_config_free(config);
}

/* A license without a deactivation left is not given up in vain. */
static void held(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "held");
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    nodelock_receipt *receipt = NULL;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    EXPECT(NODELOCK_DEACTIVATION_NOT_ALLOWED, nodelock_client_deactivate_offline(client, 0, &proof, &error));
    EXPECT(NODELOCK_DEACTIVATION_NOT_ALLOWED, nodelock_client_deactivate(client, 0, NULL, &receipt, &error));
    CHECK(verdict(client) == NODELOCK_VERDICT_ACTIVE);
    nodelock_client_free(client);
}

/* A vendor that took back a promise holds the seat for its device, which takes it over and nobody else. */
static void held_for_its_device(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "held"), *other = device(vendor, "other");
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    nodelock_receipts *receipts = NULL;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    strstr(vendor->terms, "\"deactivations\":1")[strlen("\"deactivations\":")] = '0';
    OK(nodelock_client_deactivate_offline(client, NODELOCK_REASON_REINSTALLED, &proof, &error));
    OK(nodelock_client_hand_in(client, NULL, &receipts, &error));
    CHECK(nodelock_receipt_outcome(nodelock_receipts_get(receipts, 0)) == NODELOCK_OUTCOME_HELD);
    CHECK(has(vendor->rows[0].record, "state", "held") && vendor_taken(vendor) == 1 && vendor_counted(vendor) == 0);
    EXPECT(NODELOCK_NO_FREE_SEAT,
           nodelock_client_activate(other, vendor->license_key, NULL, NULL, &license, &error));
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    CHECK(nodelock_license_is_usable(license) && vendor_taken(vendor) == 1);
    CHECK(has(vendor->rows[0].record, "state", "returned"));
    nodelock_license_free(license);
    nodelock_receipts_free(receipts);
    nodelock_proof_free(proof);
    nodelock_client_free(other);
    nodelock_client_free(client);
}

/* Or the vendor returns it to the pool, where another device takes it. */
static void held_and_returned(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "held"), *other = device(vendor, "other");
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    nodelock_receipts *receipts = NULL;
    nodelock_decision *decision = NULL;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    strstr(vendor->terms, "\"deactivations\":1")[strlen("\"deactivations\":")] = '0';
    OK(nodelock_client_deactivate_offline(client, NODELOCK_REASON_MOVED, &proof, &error));
    OK(nodelock_client_hand_in(client, NULL, &receipts, &error));
    const char *seat = vendor->rows[0].name;
    OK(vendor_decide(vendor, decide_return, seat, 0, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_RETURNED_BY_VENDOR && vendor_taken(vendor) == 0);
    CHECK(strcmp(nodelock_decision_event_name(decision, 0), "held-returned") == 0);
    nodelock_reply *nothing = vendor_sign(vendor, decision);
    CHECK(nodelock_reply_text(nothing) == NULL);
    nodelock_reply_free(nothing);
    nodelock_decision_free(decision);
    decision = NULL;
    seat = vendor->rows[0].name;
    EXPECT(NODELOCK_NOT_HELD, vendor_decide(vendor, decide_return, seat, 0, &decision, &error));
    EXPECT(NODELOCK_GIVEN_UP, vendor_decide(vendor, decide_forced_release, seat, 0, &decision, &error));
    OK(nodelock_client_activate(other, vendor->license_key, NULL, NULL, &license, &error));
    CHECK(nodelock_license_is_usable(license) && vendor_taken(vendor) == 1);
    nodelock_license_free(license);
    nodelock_receipts_free(receipts);
    nodelock_proof_free(proof);
    nodelock_client_free(other);
    nodelock_client_free(client);
}

/* While the issuer's certificate has ended, seats are given up all the same and nothing else happens. The receipts follow. */
static void certificate_ended(struct vendor *vendor)
{
    nodelock_client *first = device(vendor, "first"), *second = device(vendor, "second");
    nodelock_client *third = device(vendor, "third"), *clients[] = {first, second};
    nodelock_license *license = NULL;
    nodelock_receipt *receipt = NULL;
    nodelock_receipts *receipts = NULL;
    nodelock_proof *proof = NULL;
    nodelock_decision *decision = NULL;
    for (size_t i = 0; i < 2; i++) {
        OK(nodelock_client_activate(clients[i], vendor->license_key, NULL, NULL, &license, &error));
        nodelock_license_free(license);
        license = NULL;
    }
    uint64_t now = vendor->now;
    vendor_certify(vendor, now - 2 * DAY, now - DAY);
    EXPECT(NODELOCK_CERTIFICATE_EXPIRED, nodelock_issuer_check(vendor->issuer, now, &error));
    EXPECT(NODELOCK_CERTIFICATE_EXPIRED, nodelock_issuer_check(vendor->issuer, now - 3 * DAY, &error));
    OK(nodelock_issuer_check(vendor->issuer, now - DAY, &error));
    EXPECT(NODELOCK_CERTIFICATE_EXPIRED,
           nodelock_client_activate(third, vendor->license_key, NULL, NULL, &license, &error));
    CHECK(vendor_taken(vendor) == 2 && license == NULL);

    EXPECT(NODELOCK_CERTIFICATE_EXPIRED,
           nodelock_client_deactivate(first, NODELOCK_REASON_MOVED, NULL, &receipt, &error));
    CHECK(receipt == NULL && vendor_taken(vendor) == 1 && has(vendor->rows[0].record, "state", "returned"));
    /* The device keeps its proof, and nothing changes when it comes again. */
    EXPECT(NODELOCK_CERTIFICATE_EXPIRED, nodelock_client_hand_in(first, NULL, &receipts, &error));
    CHECK(receipts == NULL && vendor_taken(vendor) == 1);

    /* A seat given up that comes along with a request is free, and the request is neither granted nor refused. */
    OK(nodelock_client_deactivate_offline(second, NODELOCK_REASON_MOVED, &proof, &error));
    EXPECT(NODELOCK_CERTIFICATE_EXPIRED,
           nodelock_client_activate(second, vendor->license_key, NULL, NULL, &license, &error));
    CHECK(vendor_taken(vendor) == 0 && vendor_count(vendor, NODELOCK_CHANGE_INSERT_SEAT) == 2);

    /* The code counts its attempt before, which is nothing to sign. A code that is known needs none. */
    OK(vendor_decide(vendor, decide_code, nodelock_proof_code(proof), 0, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_RETURNED && vendor->attempts == 1);

    vendor_certify(vendor, now - DAY, now + DAY);
    OK(nodelock_client_hand_in(first, NULL, &receipts, &error));
    CHECK(nodelock_receipts_count(receipts) == 1);
    CHECK(nodelock_receipt_outcome(nodelock_receipts_get(receipts, 0)) == NODELOCK_OUTCOME_RETURNED);
    OK(nodelock_client_activate(second, vendor->license_key, NULL, NULL, &license, &error));
    CHECK(nodelock_license_is_usable(license) && vendor_taken(vendor) == 1);
    nodelock_receipts_free(receipts);
    receipts = NULL;
    OK(nodelock_client_hand_in(second, NULL, &receipts, &error));
    CHECK(nodelock_receipts_count(receipts) == 0);

    nodelock_receipts_free(receipts);
    nodelock_license_free(license);
    nodelock_decision_free(decision);
    nodelock_proof_free(proof);
    nodelock_client_free(third);
    nodelock_client_free(second);
    nodelock_client_free(first);
}

/* The name of the only event of a decision; NULL for none. */
static const char *event(const nodelock_decision *decision)
{
    CHECK(nodelock_decision_event_count(decision) <= 1);
    return nodelock_decision_event_name(decision, 0);
}

/* A database that was restored to an earlier copy: its host notes that, and a device enters its seat again. */
static void restored(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "restored");
    nodelock_license *license = NULL;
    nodelock_decision *decision = NULL;
    char note[64];
    OK(vendor_note(vendor, "{}", &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_NOTED && event(decision) == NULL);
    CHECK(nodelock_decision_change_count(decision) == 2 && vendor_count(vendor, NODELOCK_CHANGE_PAGE) == 1);
    nodelock_decision_free(decision);
    decision = NULL;
    size_t copied = vendor->row_count;
    char *history = copy(vendor->rows[vendor_find(vendor, NODELOCK_CHANGE_HISTORY, "history", NULL)].record);

    vendor->now += DAY;
    snprintf(note, sizeof note, "{\"outside\":\"%s\"}", vendor->page);
    OK(vendor_note(vendor, note, &decision, &error));
    CHECK(event(decision) == NULL);
    nodelock_decision_free(decision);
    decision = NULL;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    license = NULL;

    while (vendor->row_count > copied)
        row_free(&vendor->rows[--vendor->row_count]);
    struct row *row = &vendor->rows[vendor_find(vendor, NODELOCK_CHANGE_HISTORY, "history", NULL)];
    free(row->record);
    row->record = history;
    snprintf(note, sizeof note, "{\"outside\":\"%s\",\"vouched\":true}", vendor->page);
    OK(vendor_note(vendor, note, &decision, &error));
    CHECK(strcmp(event(decision), "restored") == 0);
    nodelock_decision_free(decision);
    decision = NULL;
    EXPECT(NODELOCK_INVALID_INPUT, vendor_note(vendor, "{\"outside\":1}", &decision, &error));

    CHECK(vendor_taken(vendor) == 0);
    vendor->exchanges = 0;
    OK(nodelock_client_check_in(client, NULL, &license, &error));
    CHECK(nodelock_license_is_usable(license) && vendor_taken(vendor) == 1 && vendor->exchanges == 2);
    nodelock_license_free(license);
    nodelock_client_free(client);
}

static nodelock_status decide_customer_release(const struct message *message, const nodelock_records *records,
                                               uint64_t now, nodelock_decision **decision, nodelock_error **error)
{
    const char *const *names = (const char *const *)message->data;
    return nodelock_decide_customer_release(names[0], names[1], records, now, decision, error);
}

/* No seat is free: the refusal lists the seats, and one that is silent for a week is replaced, or freed. */
static void no_free_seat(struct vendor *vendor)
{
    nodelock_client *first = device(vendor, "first"), *second = device(vendor, "second"), *third = device(vendor, "third");
    nodelock_license *license = NULL;
    nodelock_request *request = NULL;
    nodelock_activation *activation = NULL;
    nodelock_decision *decision = NULL;
    nodelock_details *details = NULL;
    nodelock_error *refusal = NULL;
    char seat[16], id[32];
    OK(nodelock_details_new(&details, &error));
    OK(nodelock_client_activate(first, vendor->license_key, details, NULL, &license, &error));
    snprintf(seat, sizeof seat, "%s", nodelock_license_seat(license));
    nodelock_license_free(license);

    for (unsigned week = 0; week < 2; week++) {
        CHECK(nodelock_client_activate(second, vendor->license_key, NULL, NULL, &license, &refusal) ==
              NODELOCK_NO_FREE_SEAT);
        CHECK(nodelock_error_seat_count(refusal) == 1 && strcmp(nodelock_error_seat_handle(refusal, 0), seat) == 0);
        CHECK(strcmp(nodelock_error_seat_label(refusal, 0), "") == 0);
        CHECK(nodelock_error_seat_last_contact(refusal, 0) == START / DAY * DAY);
        CHECK(nodelock_error_seat_lapses(refusal, 0) == START + 104 * DAY);
        CHECK(nodelock_error_next_lapse(refusal) == START + 104 * DAY);
        CHECK(nodelock_error_seat_is_replaceable(refusal, 0) == (week == 1));
        CHECK(nodelock_error_seat_handle(refusal, 1) == NULL && !nodelock_error_seat_is_replaceable(refusal, 1));
        nodelock_error_free(refusal);
        vendor->now += 7 * DAY;
    }
    EXPECT(NODELOCK_UNREADABLE_CODE, nodelock_details_replace(details, "nothing", &error));
    OK(nodelock_details_replace(details, seat, &error));
    OK(nodelock_client_activate(second, vendor->license_key, details, NULL, &license, &error));
    CHECK(nodelock_license_is_usable(license) && vendor_taken(vendor) == 1);
    snprintf(seat, sizeof seat, "%s", nodelock_license_seat(license));
    nodelock_license_free(license);

    /* By file, the customer's choice being the vendor's to ask for. */
    vendor->now += 7 * DAY;
    OK(nodelock_client_begin(third, vendor->license_key, NULL, &request, &error));
    const char *file = nodelock_request_text(request);
    OK(vendor_activate(vendor, file, strlen(file), &decision, &error));
    CHECK(nodelock_decision_refusal(decision) == NODELOCK_NO_FREE_SEAT);
    CHECK(strcmp(nodelock_decision_refusal_text(decision), "no seat is free: all 1 are taken") == 0);
    CHECK(has(nodelock_decision_seats(decision), "seat", seat));
    CHECK(strstr(nodelock_decision_seats(decision), "\"replaceable\":true") != NULL);
    /* It matched no seat, which is counted. */
    CHECK(nodelock_decision_change_count(decision) == 1 && vendor_count(vendor, NODELOCK_CHANGE_COUNT) == 2);
    nodelock_decision_free(decision);
    decision = NULL;
    OK(nodelock_activation_read(bytes(file), strlen(file), &activation, &error));
    OK(nodelock_activation_replace(activation, seat, &error));
    OK(vendor_decide(vendor, decide_activation, activation, 0, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_GRANTED && vendor_taken(vendor) == 1);
    CHECK(nodelock_decision_seats(decision) == NULL);
    nodelock_decision_free(decision);
    decision = NULL;

    /* Without a request, once. */
    vendor->now += 7 * DAY;
    member(vendor->terms, "id", id, sizeof id);
    const char *names[] = {id, nodelock_request_seat(request)};
    for (unsigned again = 0; again < 2; again++) {
        OK(vendor_decide(vendor, decide_customer_release, names, 0, &decision, &error));
        CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_REVOKED && vendor_taken(vendor) == 0);
        CHECK((nodelock_decision_change_count(decision) == 0) == (again == 1));
        nodelock_reply *reply = vendor_sign(vendor, decision);
        CHECK(nodelock_reply_revocation(reply) != NULL);
        nodelock_reply_free(reply);
        nodelock_decision_free(decision);
        decision = NULL;
    }
    names[1] = "7KX2M9";
    EXPECT(NODELOCK_UNKNOWN_SEAT, vendor_decide(vendor, decide_customer_release, names, 0, &decision, &error));

    nodelock_activation_free(activation);
    nodelock_request_free(request);
    nodelock_details_free(details);
    nodelock_client_free(third);
    nodelock_client_free(second);
    nodelock_client_free(first);
}

/* One activation and one deactivation: what is used up is refused, and the vendor lets it be used up anew. */
static void allowances(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "first"), *other = device(vendor, "second");
    nodelock_license *license = NULL;
    nodelock_proof *proof = NULL;
    nodelock_receipts *receipts = NULL;
    nodelock_decision *decision = NULL;
    char record[1536], allow[128];
    uint32_t used = 0, left = 9;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    OK(nodelock_client_deactivate_offline(client, NODELOCK_REASON_MOVED, &proof, &error));
    OK(nodelock_client_hand_in(client, NULL, &receipts, &error));
    CHECK(vendor_taken(vendor) == 0 && vendor_counted(vendor) == 1 && vendor_activated(vendor) == 1);
    EXPECT(NODELOCK_NO_ACTIVATION_LEFT,
           nodelock_client_activate(other, vendor->license_key, NULL, NULL, &license, &error));
    snprintf(allow, sizeof allow, "{\"license\":\"%.16s\",\"allowance\":\"deactivations\"}",
             strstr(vendor->terms, "\"id\":\"") + strlen("\"id\":\""));
    vendor_license(vendor, record, sizeof record);
    OK(nodelock_license_allowance(record, "deactivations", vendor->now, &used, &left, &error));
    CHECK(used == 1 && left == 0);
    EXPECT(NODELOCK_INVALID_INPUT, nodelock_license_allowance(record, "seats", vendor->now, NULL, NULL, &error));

    OK(vendor_decide(vendor, decide_allowance, allow, 0, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_ALLOWED);
    CHECK(strcmp(nodelock_decision_event_name(decision, 0), "allowed") == 0);
    nodelock_decision_free(decision);
    decision = NULL;
    vendor_license(vendor, record, sizeof record);
    OK(nodelock_license_allowance(record, "deactivations", vendor->now, &used, &left, &error));
    CHECK(used == 0 && left == 1);
    OK(nodelock_license_allowance(record, "activations", vendor->now, &used, &left, &error));
    CHECK(used == 1 && left == 0);
    const char *unknown = "{\"license\":\"0000000000000001\",\"allowance\":\"activations\",\"extra\":2}";
    EXPECT(NODELOCK_UNKNOWN_LICENSE, vendor_decide(vendor, decide_allowance, unknown, 0, &decision, &error));
    EXPECT(NODELOCK_INVALID_INPUT, vendor_decide(vendor, decide_allowance, "{}", 0, &decision, &error));
    nodelock_receipts_free(receipts);
    nodelock_proof_free(proof);
    nodelock_client_free(other);
    nodelock_client_free(client);
}

/* What the license was granted for gets nothing once it is suspended or has ended, however often it is handed in. */
static void over(struct vendor *vendor)
{
    static const char *const states[] = {"\"suspended\":false", "\"suspended\":true "};
    nodelock_client *client = device(vendor, "first");
    nodelock_request *request = NULL;
    char *granted = NULL, *again = NULL, *none = NULL;
    OK(nodelock_client_begin(client, vendor->license_key, NULL, &request, &error));
    const char *text = nodelock_request_text(request);
    CHECK(vendor_activate_by_file(vendor, text, &granted) == NODELOCK_OK);
    for (unsigned round = 0; round < 2; round++) {
        memcpy(strstr(vendor->terms, states[0]), states[1], strlen(states[1]));
        CHECK(vendor_activate_by_file(vendor, text, &none) == NODELOCK_LICENSE_ENDED && none == NULL);
        memcpy(strstr(vendor->terms, states[1]), states[0], strlen(states[0]));
    }
    CHECK(vendor_activate_by_file(vendor, text, &again) == NODELOCK_OK && strcmp(again, granted) == 0);
    vendor->now = START + 30 * DAY;
    for (unsigned round = 0; round < 2; round++)
        CHECK(vendor_activate_by_file(vendor, text, &none) == NODELOCK_LICENSE_ENDED && none == NULL);
    free(granted);
    free(again);
    nodelock_request_free(request);
    nodelock_client_free(client);
}

static nodelock_status decide_trial(const struct message *message, const nodelock_records *records, uint64_t now,
                                    nodelock_decision **decision, nodelock_error **error)
{
    return nodelock_decide_trial((const char *)message->data, START + 40 * DAY, records, now, decision, error);
}

/* A trial of 14 days, which the vendor lets last longer. A second installation on the machine has no other one. */
static void trials(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "first");
    nodelock_license *license = NULL;
    nodelock_decision *decision = NULL;
    nodelock_error *refusal = NULL;
    char seat[128];
    uint64_t expires = 0;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    CHECK(nodelock_license_expires(license, &expires) && expires == START + 14 * DAY);
    nodelock_license_free(license);
    snprintf(seat, sizeof seat, "%s", vendor_last_seat(vendor)->name);
    CHECK(vendor_last_seat(vendor)->is_trial);

    vendor->now = START + 14 * DAY;
    CHECK(nodelock_client_check_in(client, NULL, &license, &refusal) == NODELOCK_TRIAL_USED);
    CHECK(nodelock_error_trial_ended(refusal) == START + 14 * DAY && nodelock_error_next_lapse(refusal) == 0);
    nodelock_error_free(refusal);
    refusal = NULL;
    nodelock_client *other = device(vendor, "first");
    CHECK(nodelock_client_activate(other, vendor->license_key, NULL, NULL, &license, &refusal) == NODELOCK_TRIAL_USED);
    CHECK(nodelock_error_trial_ended(refusal) == START + 14 * DAY);
    nodelock_error_free(refusal);
    CHECK(nodelock_error_trial_ended(NULL) == 0 && nodelock_decision_trial_ended(NULL) == 0);

    OK(vendor_decide(vendor, decide_trial, seat, 0, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_EXTENDED);
    CHECK(strcmp(nodelock_decision_event_name(decision, 0), "trial-extended") == 0);
    CHECK(nodelock_decision_change_is_trial(decision, 0) && !nodelock_decision_change_is_trial(decision, 9));
    nodelock_decision_free(decision);
    OK(nodelock_client_check_in(client, NULL, &license, &error));
    CHECK(nodelock_license_expires(license, &expires) && expires == START + 40 * DAY);
    nodelock_license_free(license);
    nodelock_client_free(other);
    nodelock_client_free(client);
}

/* The vendor approves each activation: one is approved, one refused, and what waits goes with its device's seat. */
static void approvals(struct vendor *vendor)
{
    nodelock_client *client = device(vendor, "first"), *other = device(vendor, "second");
    nodelock_license *license = NULL;
    nodelock_decision *decision = NULL;
    char first[128], second[128];
    EXPECT(NODELOCK_APPROVAL_WANTED, nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    snprintf(first, sizeof first, "%s", vendor->rows[vendor->row_count - 1].name);
    EXPECT(NODELOCK_APPROVAL_WANTED, nodelock_client_activate(other, vendor->license_key, NULL, NULL, &license, &error));
    snprintf(second, sizeof second, "%s", vendor->rows[vendor->row_count - 1].name);
    CHECK(vendor->rows[vendor->row_count - 1].kind == NODELOCK_CHANGE_APPROVAL && vendor_taken(vendor) == 0);

    OK(vendor_decide(vendor, decide_approval, first, 0, &decision, &error));
    CHECK(nodelock_decision_outcome(decision) == NODELOCK_DECISION_RULED);
    CHECK(strcmp(nodelock_decision_event_name(decision, 0), "request-approved") == 0);
    CHECK(nodelock_decision_change_license(decision, 0) != NULL);
    nodelock_decision_free(decision);
    decision = NULL;
    OK(nodelock_client_activate(client, vendor->license_key, NULL, NULL, &license, &error));
    CHECK(vendor_taken(vendor) == 1);
    EXPECT(NODELOCK_UNKNOWN_SEAT, vendor_decide(vendor, decide_approval, first, 0, &decision, &error));

    OK(vendor_decide(vendor, decide_request_refusal, second, 0, &decision, &error));
    nodelock_decision_free(decision);
    decision = NULL;
    EXPECT(NODELOCK_REQUEST_REFUSED, vendor_decide(vendor, decide_approval, second, 0, &decision, &error));

    size_t rows = vendor->row_count;
    OK(vendor_decide(vendor, decide_forced_release, first, 0, &decision, &error));
    CHECK(vendor->row_count == rows - 1);
    nodelock_decision_free(decision);
    nodelock_license_free(license);
    nodelock_client_free(other);
    nodelock_client_free(client);
}

int main(int count, char **arguments)
{
    struct vendor vendor;
    char more[64];
    CHECK(count == 2);
    outdated();
    vendor_open(&vendor, 1, ",\"deactivations\":3");
    offline(&vendor);
    cancelled(&vendor);
    evidence_first(&vendor);
    vendor_close(&vendor);
    vendor_open(&vendor, 2, "");
    keys_as_typed(&vendor);
    lookups(&vendor);
    attempts_first(&vendor);
    online(&vendor);
    damaged(&vendor, arguments[1]);
    vendor_close(&vendor);
    vendor_open(&vendor, 1, ",\"deactivations\":0");
    held(&vendor);
    vendor_close(&vendor);
    vendor_open(&vendor, 1, ",\"deactivations\":1,\"activations\":1");
    allowances(&vendor);
    vendor_close(&vendor);
    snprintf(more, sizeof more, ",\"expires\":%llu,\"suspended\":false", (unsigned long long)(START + 30 * DAY));
    vendor_open(&vendor, 1, more);
    over(&vendor);
    vendor_close(&vendor);
    vendor_open(&vendor, 3, ",\"trial_days\":14");
    trials(&vendor);
    vendor_close(&vendor);
    vendor_open(&vendor, 1, ",\"deactivations\":1");
    held_for_its_device(&vendor);
    vendor_close(&vendor);
    vendor_open(&vendor, 1, ",\"deactivations\":1");
    held_and_returned(&vendor);
    vendor_close(&vendor);
    vendor_open(&vendor, 3, "");
    certificate_ended(&vendor);
    vendor_close(&vendor);
    vendor_open(&vendor, 1, "");
    restored(&vendor);
    vendor_close(&vendor);

    vendor_open(&vendor, 2, ",\"approval\":\"required\"");
    approvals(&vendor);
    vendor_close(&vendor);
    vendor_open(&vendor, 1, ",\"replace\":3");
    no_free_seat(&vendor);
    vendor_close(&vendor);
    return 0;
}
