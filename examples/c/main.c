/*
 * The licensing of an application in C: all that one does with a license, as a program of one file.
 *
 *     cargo rustc --profile capi --lib --features capi,online,qr --crate-type cdylib
 *     gcc -std=c11 -Iinclude examples/c/main.c -o editor -Ltarget/capi -lnodelock -Wl,-rpath,"$PWD/target/capi"
 *
 *     export NODELOCK_ROOT=... NODELOCK_AUTHORITY=http://127.0.0.1:8420
 *     ./editor                          start: check the license, renew it when that is due, run if it is usable
 *     ./editor activate KEY             take a seat online
 *     ./editor replace KEY SEAT         take it in place of another one, if none is free
 *     ./editor request KEY FILE         the same without a network: write a request for the authority,
 *     ./editor install FILE             and take in what it answers
 *     ./editor check-in                 renew the license at once, as a button does
 *     ./editor deactivate               give the seat back online
 *     ./editor deactivate-offline FILE  give it back without a network: show the code, write the proof to FILE
 *     ./editor codes                    show the codes of seats that wait for their receipts
 *     ./editor receipt FILE             take in the authority's receipt
 *     ./editor explain                  say what of this machine can be recognized
 *
 * Exits with 0 if that went well, 1 if it failed, 2 for wrong usage, 3 if there is no usable license.
 */

#include <nodelock.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PRODUCT "Example Editor"

/* Where the phone that scans a QR code lands. What follows the number sign never reaches a server's log. */
#define RETURN_PAGE "https://example.com/return#"

enum { DONE = 0, FAILED = 1, USAGE = 2, UNUSABLE = 3 };

/* More than any file of the authority's has; nodelock looks at no more. */
#define LARGEST_FILE ((size_t)512 * 1024)

static void show_proof(const nodelock_proof *proof);

static const char *day(uint64_t seconds, char text[sizeof "2026-01-31"])
{
    time_t time = (time_t)seconds;
    const struct tm *date = gmtime(&time);

    if (date == NULL || strftime(text, sizeof "2026-01-31", "%Y-%m-%d", date) == 0)
        return "?";
    return text;
}

/* When no seat is free: wait for the next one, or choose one to replace. */
static void show_seats(const nodelock_error *error)
{
    char text[sizeof "2026-01-31"];
    size_t count = nodelock_error_seat_count(error), replaceable = 0;

    for (size_t seat = 0; seat < count; seat++) {
        const char *label = nodelock_error_seat_label(error, seat);
        fprintf(stderr, "seat %s: last heard of on %s", nodelock_error_seat_handle(error, seat),
                day(nodelock_error_seat_last_contact(error, seat), text));
        if (nodelock_error_seat_lapses(error, seat) != 0)
            fprintf(stderr, ", free on %s", day(nodelock_error_seat_lapses(error, seat), text));
        fprintf(stderr, "%s%s\n", label[0] != '\0' ? " " : "", label);
    }
    if (nodelock_error_next_lapse(error) != 0)
        fprintf(stderr, "If nobody renews it, the next seat is free on %s.\n",
                day(nodelock_error_next_lapse(error), text));
    for (size_t seat = 0; seat < count; seat++)
        if (nodelock_error_seat_is_replaceable(error, seat))
            fprintf(stderr, "%s %s", replaceable++ == 0 ? "To take the place of one that is not used any more: replace KEY" : " or",
                    nodelock_error_seat_handle(error, seat));
    if (replaceable > 0)
        fputc('\n', stderr);
}

/* Says what went wrong, by code and in words, and what can be done. A deactivation that failed on its way has lost nothing: it shows the code. */
static int fail(nodelock_error *error)
{
    fprintf(stderr, "%s: %s (%" PRIu32 "): %s\n", PRODUCT, nodelock_error_kind(error),
            (uint32_t)nodelock_error_status(error), nodelock_error_message(error));
    if (nodelock_error_advice(error)[0] != '\0')
        fprintf(stderr, "%s\n", nodelock_error_advice(error));
    if (nodelock_error_proof(error) != NULL) {
        fputs("The seat was given up here, and the authority has not heard of it yet.\n", stderr);
        show_proof(nodelock_error_proof(error));
    }
    show_seats(error);
    nodelock_error_free(error);
    return FAILED;
}

/* ---- Files, which the authority and the application exchange by mail, on a stick or through a web page ---- */

static char *read_file(const char *path, size_t *size)
{
    char *data = malloc(LARGEST_FILE + 1);
    FILE *file = fopen(path, "rb");
    if (data == NULL || file == NULL) {
        perror(path);
        free(data);
        data = NULL;
    } else {
        *size = fread(data, 1, LARGEST_FILE + 1, file);
        if (ferror(file)) {
            perror(path);
            free(data);
            data = NULL;
        }
    }
    if (file != NULL)
        fclose(file);
    return data;
}

static int write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    int written = file != NULL && fputs(text, file) >= 0;
    if (file != NULL && fclose(file) != 0)
        written = 0;
    if (!written)
        perror(path);
    return written ? DONE : FAILED;
}

/* ---- Online calls block. This one is limited to a minute, and says what it does; see examples/cpp for a thread of its own ---- */

static void say_progress(void *user_data, uint32_t event, uint32_t attempt, uint64_t pause)
{
    (void)user_data;
    if (event == NODELOCK_EVENT_SENDING)
        fprintf(stderr, "asking the authority, attempt %" PRIu32 "...\n", attempt);
    else if (event == NODELOCK_EVENT_WAITING)
        fprintf(stderr, "trying again in %" PRIu64 " ms\n", pause);
}

static nodelock_status new_call(nodelock_call **call, nodelock_error **error)
{
    nodelock_status status = nodelock_call_new(call, error);
    if (status == NODELOCK_OK)
        status = nodelock_call_set_timeout(*call, 60000, error);
    if (status == NODELOCK_OK)
        status = nodelock_call_set_progress(*call, NULL, say_progress, NULL, error);
    return status;
}

/* ---- What is shown ---- */

static int show_license(const nodelock_license *license)
{
    uint64_t limit = 0;

    printf("license: %s\n", nodelock_license_verdict_text(license));
    if (nodelock_license_is_present(license))
        printf("licensed to %s, seat %s\n", nodelock_license_licensee(license), nodelock_license_seat(license));
    if (nodelock_license_outstanding(license) > 0)
        printf("%zu given up, without a receipt yet: see `codes`\n", nodelock_license_outstanding(license));
    if (!nodelock_license_is_usable(license))
        return UNUSABLE;
    printf("export: %s\n", nodelock_license_has_feature(license, "export") ? "yes" : "no");
    if (nodelock_license_feature_limit(license, "projects", &limit) && limit != NODELOCK_UNLIMITED)
        printf("projects: up to %" PRIu64 "\n", limit);
    return DONE;
}

/* The code is all that frees the seat, in three forms: to read out, to scan, and (by the caller) as a file. */
static void show_proof(const nodelock_proof *proof)
{
    nodelock_qr *qr = NULL;

    printf("seat: %s\ncode: %s\n", nodelock_proof_seat(proof), nodelock_proof_code(proof));
    /* A library without QR codes says so, and the code is there all the same. */
    if (nodelock_proof_qr(proof, RETURN_PAGE, &qr, NULL) == NODELOCK_OK)
        fputs(nodelock_qr_terminal(qr), stdout);
    nodelock_qr_free(qr);
}

static int show_receipt(const nodelock_receipt *receipt)
{
    int returned = nodelock_receipt_outcome(receipt) == NODELOCK_OUTCOME_RETURNED;
    printf("seat %s is %s\n", nodelock_receipt_seat(receipt), returned ? "returned" : "held for this machine");
    return DONE;
}

/* ---- What the user asks for ---- */

/* How long a start may wait for the network, in milliseconds. It asks only when something is due. */
#define START_LIMIT 3000

/* What every start of the application does, and an application that runs for days once a day: it renews the license in time. */
static int start(const nodelock_client *client)
{
    nodelock_license *license = NULL;
    nodelock_error *warning = NULL, *error = NULL;
    int code;

    if (nodelock_client_start(client, START_LIMIT, NULL, &license, &warning, &error) != NODELOCK_OK)
        return fail(error);
    code = show_license(license);
    if (nodelock_license_is_renewed(license))
        fputs("the authority answered\n", stderr);
    /* Neither a network that is down nor a disk that is full keeps anybody from working. */
    if (warning != NULL)
        (void)fail(warning);
    nodelock_license_free(license);
    return code;
}

/* What the vendor is told of this computer, and the seat that may be replaced, unless it is NULL. */
static nodelock_status new_details(const char *seat, nodelock_details **details, nodelock_error **error)
{
    nodelock_status status = nodelock_details_new(details, error);
    if (status == NODELOCK_OK)
        status = nodelock_details_add(*details, "computer", "the one in the office", error);
    if (status == NODELOCK_OK && seat != NULL)
        status = nodelock_details_replace(*details, seat, error);
    return status;
}

static int activate(const nodelock_client *client, const char *license_key, const char *seat)
{
    nodelock_details *details = NULL;
    nodelock_call *call = NULL;
    nodelock_license *license = NULL;
    nodelock_error *error = NULL;
    int code;

    if (new_details(seat, &details, &error) != NODELOCK_OK || new_call(&call, &error) != NODELOCK_OK ||
        nodelock_client_activate(client, license_key, details, call, &license, &error) != NODELOCK_OK)
        code = fail(error);
    else
        code = show_license(license);
    nodelock_license_free(license);
    nodelock_call_free(call);
    nodelock_details_free(details);
    return code;
}

static int request(const nodelock_client *client, const char *license_key, const char *path)
{
    nodelock_request *request = NULL;
    nodelock_error *error = NULL;
    int code;

    /* The same key gives the same request, so that nobody has to wonder whether the first file arrived. */
    if (nodelock_client_begin(client, license_key, NULL, &request, &error) != NODELOCK_OK)
        return fail(error);
    code = write_file(path, nodelock_request_text(request));
    if (code == DONE)
        printf("send %s to the authority: it asks for seat %s\n", path, nodelock_request_seat(request));
    nodelock_request_free(request);
    return code;
}

static int install(const nodelock_client *client, const char *path)
{
    nodelock_license *license = NULL;
    nodelock_error *error = NULL;
    size_t size = 0;
    char *data = read_file(path, &size);
    int code;

    if (data == NULL)
        return FAILED;
    if (nodelock_client_accept(client, (const uint8_t *)data, size, &license, &error) != NODELOCK_OK)
        code = fail(error);
    else
        code = show_license(license);
    nodelock_license_free(license);
    free(data);
    return code;
}

static int check_in(const nodelock_client *client)
{
    nodelock_call *call = NULL;
    nodelock_license *license = NULL;
    nodelock_error *error = NULL;
    int code;

    /* For a user who wants it now. A start does it when it is due. */
    if (new_call(&call, &error) != NODELOCK_OK ||
        nodelock_client_check_in(client, call, &license, &error) != NODELOCK_OK)
        code = fail(error);
    else
        code = show_license(license);
    nodelock_license_free(license);
    nodelock_call_free(call);
    return code;
}

static int deactivate(const nodelock_client *client)
{
    nodelock_call *call = NULL;
    nodelock_receipt *receipt = NULL;
    nodelock_error *error = NULL;
    int code;

    if (new_call(&call, &error) != NODELOCK_OK ||
        nodelock_client_deactivate(client, NODELOCK_REASON_MOVED, call, &receipt, &error) != NODELOCK_OK)
        code = fail(error);
    else
        code = show_receipt(receipt);
    nodelock_receipt_free(receipt);
    nodelock_call_free(call);
    return code;
}

static int deactivate_offline(const nodelock_client *client, const char *path)
{
    nodelock_proof *proof = NULL;
    nodelock_error *error = NULL;
    int code;

    if (nodelock_client_deactivate_offline(client, NODELOCK_REASON_MOVED, &proof, &error) != NODELOCK_OK)
        return fail(error);
    /* The license is gone by now, so first of all the code is on the screen. It can be shown again with `codes`. */
    show_proof(proof);
    code = write_file(path, nodelock_proof_text(proof));
    nodelock_proof_free(proof);
    return code;
}

static int codes(const nodelock_client *client)
{
    nodelock_proofs *proofs = NULL;
    nodelock_error *error = NULL;

    if (nodelock_client_outstanding(client, &proofs, &error) != NODELOCK_OK)
        return fail(error);
    for (size_t index = 0; index < nodelock_proofs_count(proofs); index++)
        show_proof(nodelock_proofs_get(proofs, index));
    nodelock_proofs_free(proofs);
    return DONE;
}

static int take_receipt(const nodelock_client *client, const char *path)
{
    nodelock_receipt *receipt = NULL;
    nodelock_error *error = NULL;
    size_t size = 0;
    char *data = read_file(path, &size);
    int code;

    if (data == NULL)
        return FAILED;
    if (nodelock_client_accept_receipt(client, (const uint8_t *)data, size, &receipt, &error) != NODELOCK_OK)
        code = fail(error);
    else
        code = show_receipt(receipt);
    nodelock_receipt_free(receipt);
    free(data);
    return code;
}

static int explain(const nodelock_client *client)
{
    nodelock_fingerprint *fingerprint = NULL;
    nodelock_error *error = NULL;

    if (nodelock_client_fingerprint(client, &fingerprint, &error) != NODELOCK_OK)
        return fail(error);
    fputs(nodelock_fingerprint_report(fingerprint), stdout);
    nodelock_fingerprint_free(fingerprint);
    return DONE;
}

static int run(const nodelock_client *client, int count, char **arguments)
{
    const char *command = count > 1 ? arguments[1] : "";

    if (count == 1)
        return start(client);
    if (count == 3 && strcmp(command, "activate") == 0)
        return activate(client, arguments[2], NULL);
    if (count == 4 && strcmp(command, "replace") == 0)
        return activate(client, arguments[2], arguments[3]);
    if (count == 4 && strcmp(command, "request") == 0)
        return request(client, arguments[2], arguments[3]);
    if (count == 3 && strcmp(command, "install") == 0)
        return install(client, arguments[2]);
    if (count == 2 && strcmp(command, "check-in") == 0)
        return check_in(client);
    if (count == 2 && strcmp(command, "deactivate") == 0)
        return deactivate(client);
    if (count == 3 && strcmp(command, "deactivate-offline") == 0)
        return deactivate_offline(client, arguments[2]);
    if (count == 2 && strcmp(command, "codes") == 0)
        return codes(client);
    if (count == 3 && strcmp(command, "receipt") == 0)
        return take_receipt(client, arguments[2]);
    if (count == 2 && strcmp(command, "explain") == 0)
        return explain(client);
    fputs("usage: editor [activate KEY | replace KEY SEAT | request KEY FILE | install FILE | check-in |\n"
          "               deactivate | deactivate-offline FILE | codes | receipt FILE | explain]\n", stderr);
    return USAGE;
}

/* ---- The set-up. An application has its root key, its authority's address and its version compiled in. ---- */

static nodelock_status set_up(nodelock_client **client, nodelock_error **error)
{
    const char *root = getenv("NODELOCK_ROOT");
    const char *authority = getenv("NODELOCK_AUTHORITY");
    const char *store = getenv("NODELOCK_STORE");
    nodelock_config *config = NULL;

    nodelock_status status = nodelock_config_new(PRODUCT, &config, error);
    if (status == NODELOCK_OK && root != NULL)
        status = nodelock_config_add_root(config, root, error);
    if (status == NODELOCK_OK && authority != NULL)
        status = nodelock_config_set_authority(config, authority, error);
    /* Without this the license is kept in the user's profile, which is what most applications want. */
    if (status == NODELOCK_OK && store != NULL)
        status = nodelock_config_set_store_directory(config, store, NULL, error);
    if (status == NODELOCK_OK)
        status = nodelock_config_set_application_version(config, "1.0.0", error);
    /* Whoever types another license key means that one: a request for the key before it is taken back. */
    if (status == NODELOCK_OK)
        status = nodelock_config_set_replace(config, NODELOCK_REPLACE_REQUEST, error);
    if (status == NODELOCK_OK)
        status = nodelock_client_new(config, client, error);
    nodelock_config_free(config);
    return status;
}

int main(int count, char **arguments)
{
    nodelock_client *client = NULL;
    nodelock_error *error = NULL;
    int code;

    if (nodelock_abi_version() != NODELOCK_ABI_VERSION) {
        fprintf(stderr, "the library is version %s, which this program cannot use\n", nodelock_version());
        return FAILED;
    }
    if (set_up(&client, &error) != NODELOCK_OK)
        return fail(error);
    code = run(client, count, arguments);
    nodelock_client_free(client);
    return code;
}
