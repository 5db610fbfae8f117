/* The rest of the generated program: makes one of everything, and sweeps. */

/* Inside of it there are a request to the authority and an answer. */
static uint32_t sweeping(void *user_data, const nodelock_post *post, nodelock_answer *answer)
{
    (void)user_data;
    some.post = post;
    some.answer = answer;
    sweep();
    return NODELOCK_UNREACHABLE;
}

int main(void)
{
    static struct vendor vendor;
    nodelock_license *license = NULL;
    nodelock_decision *decision = NULL;
    nodelock_revocation *revocation = NULL;
    char *text = (char *)malloc(1 << 20);
    size_t size = 0;
    CHECK(text != NULL);
    memset(text, 'x', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    vendor_open(&vendor, 9, "");
    some.vendor = &vendor;
    some.long_text = text;
    some.nodelock_clock = vendor_clock;
    some.nodelock_finalize = no_finalize;
    some.nodelock_log = no_log;
    some.nodelock_progress = no_progress;
    some.nodelock_transport = vendor_transport;
    some.config = device_config(&vendor, "sweep");
    OK(nodelock_call_new(&some.call, &error));
    OK(nodelock_details_new(&some.details, &error));
    OK(nodelock_key_generate(&some.key, &error));
    OK(nodelock_test_authority_new("Example Editor", &some.test_authority, &error));
    OK(nodelock_issuer_new(some.key, NULL, 0, NULL, &some.issuer, &error));
    OK(nodelock_license_id_generate(&some.bytes, &error));
    CHECK(nodelock_client_new(NULL, &some.client, &some.error) == NODELOCK_INVALID_INPUT && some.client == NULL);
    some.client = client_of(some.config);

    /* A seat given up, with its receipt, and one that is held. */
    OK(nodelock_client_begin(some.client, vendor.license_key, NULL, &some.request, &error));
    const char *request = nodelock_request_text(some.request);
    OK(nodelock_activation_read(bytes(request), strlen(request), &some.activation, &error));
    OK(nodelock_client_activate(some.client, vendor.license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    OK(nodelock_client_deactivate_offline(some.client, NODELOCK_REASON_MOVED, &some.proof, &error));
    OK(nodelock_proof_qr(some.proof, "", &some.qr, &error));
    OK(nodelock_client_outstanding(some.client, &some.proofs, &error));
    const uint8_t *proof = nodelock_proof_data(some.proof, &size);
    some.data = proof;
    some.code = nodelock_proof_code(some.proof);
    OK(nodelock_release_read(proof, size, &some.release, &error));
    OK(nodelock_deactivation_code_read(some.code, &some.readings, &error));
    OK(nodelock_check_typing(some.code, &some.typing, &error));
    OK(vendor_redeem(&vendor, proof, size, &some.decision, &error));
    some.reply = vendor_sign(&vendor, some.decision);
    const char *receipt = nodelock_reply_text(some.reply);
    OK(nodelock_client_accept_receipt(some.client, bytes(receipt), strlen(receipt), &some.receipt, &error));
    OK(nodelock_client_hand_in(some.client, NULL, &some.receipts, &error));
    some.seat = copy(vendor_last_seat(&vendor)->name);
    some.found[0] = vendor_last_seat(&vendor)->record;
    OK(nodelock_records_new(some.issuer, "0123456789abcdef", &some.records, &error));

    /* A revocation. */
    OK(nodelock_client_activate(some.client, vendor.license_key, NULL, NULL, &license, &error));
    nodelock_license_free(license);
    OK(vendor_decide(&vendor, decide_forced_release, vendor_last_seat(&vendor)->name, 0, &decision, &error));
    nodelock_reply *reply = vendor_sign(&vendor, decision);
    const uint8_t *data = nodelock_reply_data(reply, &size);
    OK(nodelock_client_accept_revocation(some.client, data, size, &revocation, &error));
    some.revocation = revocation;
    nodelock_reply_free(reply);
    nodelock_decision_free(decision);

    OK(nodelock_client_activate(some.client, vendor.license_key, NULL, NULL, &some.license, &error));
    OK(nodelock_client_fingerprint(some.client, &some.fingerprint, &error));

    EXPECT(NODELOCK_INVALID_INPUT,
           nodelock_client_install(some.client, some.data, SIZE_MAX, &license, &error));

    nodelock_config *config = device_config(&vendor, "around");
    OK(nodelock_config_set_patience(config, 1000, 1, &error));
    OK(nodelock_config_set_transport(config, NULL, sweeping, NULL, &error));
    nodelock_client *around = client_of(config);
    EXPECT(NODELOCK_UNREACHABLE, nodelock_client_activate(around, vendor.license_key, NULL, NULL, &license, &error));
    CHECK(calls > 0 && !nodelock_client_is_poisoned(some.client));
    printf("%u calls\n", calls);

    nodelock_client_free(around);
    nodelock_config_free(config);
    nodelock_fingerprint_free(some.fingerprint);
    nodelock_license_free(some.license);
    nodelock_revocation_free(some.revocation);
    free((char *)some.seat);
    nodelock_receipts_free(some.receipts);
    nodelock_receipt_free(some.receipt);
    nodelock_reply_free(some.reply);
    nodelock_records_free(some.records);
    nodelock_decision_free(some.decision);
    nodelock_typing_free(some.typing);
    nodelock_readings_free(some.readings);
    nodelock_release_free(some.release);
    nodelock_proofs_free(some.proofs);
    nodelock_qr_free(some.qr);
    nodelock_proof_free(some.proof);
    nodelock_activation_free(some.activation);
    nodelock_request_free(some.request);
    nodelock_client_free(some.client);
    nodelock_error_free(some.error);
    nodelock_bytes_free(some.bytes);
    nodelock_issuer_free(some.issuer);
    nodelock_key_free(some.key);
    nodelock_test_authority_free(some.test_authority);
    nodelock_details_free(some.details);
    nodelock_call_free(some.call);
    nodelock_config_free(some.config);
    free(text);
    vendor_close(&vendor);
    return 0;
}
