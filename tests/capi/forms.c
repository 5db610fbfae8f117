/* Reads messages in the forms that mail gives them: each case of a file, whose outcome is a line of standard output.
 *
 * forms CASES ROOT CERTIFIER KEY ACTIVE GIVEN-UP REVOKED: the file of cases, the root of what devices take in and that
 * of the certificate, the file of the private key that is certified, and a store for each message that a device takes
 * in. A case is a letter for what it is, the number of its bytes in decimal on the same line, and the bytes. */

#include "support.h"

static nodelock_client *client_at(const char *root, const char *folder)
{
    nodelock_config *config = NULL;
    OK(nodelock_config_new(PRODUCT, &config, &error));
    OK(nodelock_config_add_root(config, root, &error));
    OK(nodelock_config_set_store_directory(config, folder, NULL, &error));
    nodelock_client *client = client_of(config);
    nodelock_config_free(config);
    return client;
}

static nodelock_key *key_of(const char *path)
{
    uint8_t secret[64];
    nodelock_key *key = NULL;
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fread(secret, 1, sizeof secret, file) == sizeof secret && fclose(file) == 0);
    OK(nodelock_key_read(secret, sizeof secret, &key, &error));
    return key;
}

/* What reads a message, and the seat that it names; of a check-in, a preflight and a certificate none. */
struct readers {
    nodelock_client *active, *given_up, *revoked;
    nodelock_key *key;
    const char *root;
    nodelock_records *records;
};

static nodelock_status outcome(const struct readers *by, char kind, const uint8_t *data, size_t size, char *seat)
{
    nodelock_error *error = NULL;
    nodelock_status status = NODELOCK_INTERNAL;
    nodelock_license *license = NULL;
    nodelock_receipt *receipt = NULL;
    nodelock_revocation *revocation = NULL;
    nodelock_activation *activation = NULL;
    nodelock_release *release = NULL;
    nodelock_decision *decision = NULL;
    nodelock_issuer *issuer = NULL;
    const char *name = NULL;
    switch (kind) {
    case 'L':
        status = nodelock_client_accept(by->active, data, size, &license, &error);
        name = nodelock_license_seat(license);
        break;
    case 'R':
        status = nodelock_client_accept_receipt(by->given_up, data, size, &receipt, &error);
        name = nodelock_receipt_seat(receipt);
        break;
    case 'V':
        status = nodelock_client_accept_revocation(by->revoked, data, size, &revocation, &error);
        name = nodelock_revocation_seat(revocation);
        break;
    case 'A':
        status = nodelock_activation_read(data, size, &activation, &error);
        name = nodelock_activation_seat(activation);
        break;
    case 'D':
        status = nodelock_release_read(data, size, &release, &error);
        name = nodelock_release_seat(release);
        break;
    case 'C':
        status = nodelock_decide_check_in(data, size, by->records, START, &decision, &error);
        break;
    case 'P':
        status = nodelock_decide_preflight(data, size, by->records, START, &decision, &error);
        break;
    case 'I':
        status = nodelock_issuer_new(by->key, data, size, by->root, &issuer, &error);
        break;
    default:
        CHECK(false);
    }
    CHECK((status == NODELOCK_OK) == (error == NULL));
    strcpy(seat, name == NULL ? "-" : name);
    nodelock_license_free(license);
    nodelock_receipt_free(receipt);
    nodelock_revocation_free(revocation);
    nodelock_activation_free(activation);
    nodelock_release_free(release);
    nodelock_decision_free(decision);
    nodelock_issuer_free(issuer);
    nodelock_error_free(error);
    return status;
}

int main(int count, char **arguments)
{
    struct vendor vendor;
    char kind, seat[16];
    size_t size;
    CHECK(count == 8);
    FILE *cases = fopen(arguments[1], "rb");
    CHECK(cases != NULL);
    vendor_open(&vendor, 1, "");
    struct readers by = {
        client_at(arguments[2], arguments[5]),
        client_at(arguments[2], arguments[6]),
        client_at(arguments[2], arguments[7]),
        key_of(arguments[4]),
        arguments[3],
        NULL,
    };
    OK(nodelock_records_new(vendor.issuer, vendor.page, &by.records, &error));
    while (fscanf(cases, "%c %zu", &kind, &size) == 2) {
        CHECK(fgetc(cases) == '\n');
        uint8_t *data = (uint8_t *)malloc(size + 1);
        CHECK(data != NULL && fread(data, 1, size, cases) == size);
        nodelock_status status = outcome(&by, kind, data, size, seat);
        printf("%s %s\n", nodelock_status_name(status), seat);
        free(data);
    }
    CHECK(feof(cases) && fclose(cases) == 0);
    nodelock_records_free(by.records);
    nodelock_key_free(by.key);
    nodelock_client_free(by.active);
    nodelock_client_free(by.given_up);
    nodelock_client_free(by.revoked);
    vendor_close(&vendor);
    return 0;
}
