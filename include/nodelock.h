/**
 * @file nodelock.h
 * @brief nodelock: client-side licensing that never loses a seat. The C interface.
 *
 * This file is generated from the library's sources and not to be edited. It is the manual, too.
 *
 * ## Life cycle
 *
 * A *config* collects settings, a *client* is made of it, and what a client finds or makes comes as objects that do not
 * change any more: a license (what a check found), a request (to take a seat), a proof (of a seat given up), a receipt.
 *
 *     nodelock_config *config = NULL;
 *     nodelock_client *client = NULL;
 *     nodelock_license *license = NULL;
 *     nodelock_error *error = NULL, *warning = NULL;
 *
 *     if (nodelock_config_new("Example Editor", &config, &error) != NODELOCK_OK ||
 *         nodelock_config_add_root(config, "...your public key, 43 characters...", &error) != NODELOCK_OK ||
 *         nodelock_config_set_authority(config, "https://licenses.example.com", &error) != NODELOCK_OK ||
 *         nodelock_client_new(config, &client, &error) != NODELOCK_OK ||
 *         nodelock_client_start(client, 3000, NULL, &license, &warning, &error) != NODELOCK_OK)
 *         fprintf(stderr, "%s\n", nodelock_error_message(error));
 *     else if (nodelock_license_is_usable(license))
 *         run(nodelock_license_has_feature(license, "export"));
 *     else
 *         puts(nodelock_license_verdict_text(license));
 *
 *     nodelock_license_free(license);
 *     nodelock_client_free(client);
 *     nodelock_config_free(config);
 *     nodelock_error_free(warning);
 *     nodelock_error_free(error);
 *
 * Start so every time, and once a day in an application that runs for days: a lease lasts for 90 days unless the vendor says
 * otherwise, and the start renews it from the 45th on. It waits for the network for the 3 seconds at most, and `warning` says
 * why a renewal did not come. nodelock_client_check() only reads. Without a license, take a seat: with a network
 * nodelock_client_activate(); without one nodelock_client_begin(), hand the request to the authority as a file, and
 * nodelock_client_install() its answer; nodelock_client_check_in_offline() renews in the same way. Give the seat back with
 * nodelock_client_deactivate(), or without a network with nodelock_client_deactivate_offline(), and show
 * nodelock_proof_code(). Whatever goes wrong on the way, nothing is lost: make the same call again, or carry the same request
 * or proof by hand.
 *
 * ## Ownership
 *
 * - What comes through a pointer to a pointer before the last parameter belongs to the caller, who frees it with the
 *   function of its type. Every such function takes NULL and does nothing then.
 * - What is returned directly, a text, bytes or a pointer to const, is lent: it lives as long as the object that it was asked
 *   of, and is not to be freed.
 * - What is passed in is copied. It needs to live only until the call returns, except where a comment says otherwise.
 *
 * ## Text, bytes, numbers
 *
 * Text is UTF-8 that ends with a NUL, on Windows too, paths included. Bytes are a pointer and a number; the pointer may be NULL
 * if the number is 0. Times are whole seconds since 1970-01-01T00:00:00Z. What is one of several constants is passed as a
 * `uint32_t` and checked.
 *
 * ## Errors
 *
 * What can fail returns a nodelock_status: NODELOCK_OK, or what went wrong, in numbers that never change. If the last
 * parameter, `error`, is not NULL, it is set to an error with the words for it, which belongs to the caller, or to NULL after
 * NODELOCK_OK. What it held before is neither read nor freed. Other results are NULL after a failure. A result that cannot be
 * stored, because the pointer for it is NULL, is NODELOCK_INVALID_INPUT, and then nothing was done.
 *
 * Beside the codes that a function's comment names, every one may return NODELOCK_INVALID_INPUT (a pointer is NULL, a text is
 * not UTF-8) and NODELOCK_INTERNAL (a fault of the library, which is kept inside: the process goes on, and the client that it
 * happened in refuses every further call). *The codes of the store* are NODELOCK_BUSY, NODELOCK_CORRUPT, NODELOCK_NO_SPACE,
 * NODELOCK_READ_ONLY, NODELOCK_ACCESS_DENIED, NODELOCK_IO and NODELOCK_UNSUPPORTED_VERSION, and for a call that changes
 * something NODELOCK_WRONG_PRODUCT too: another product has its store there. *The codes of a message* are 100 to 119; *the
 * codes of the way to the authority* are 60 to 69, and NODELOCK_NO_RANDOM where a call tries again. A function that looks at an
 * object returns 0, false or NULL when it is given NULL. A function whose feature this build leaves out is there and returns
 * NODELOCK_UNSUPPORTED.
 *
 * What is wrong with a license is no failure: nodelock_client_check() returns NODELOCK_OK, and nodelock_license_verdict() says
 * what it found.
 *
 * ## Threads
 *
 * There are no globals, no hidden threads but the one that carries an online call while it runs, and no state of a thread. A
 * client may be used from any number of threads at a time; objects that do not change may be read from any number of threads. A
 * config, and whatever sets something, is for one thread at a time. Nothing may be freed while another thread uses it. Online
 * calls block: give them a nodelock_call to limit them and to cancel them from another thread.
 *
 * After fork() the child may use what the parent made, if no other thread was inside of the library at that moment. A library
 * that was loaded at run time may be unloaded when everything was freed, and, with the library's own HTTP, once the last exchange
 * that was cancelled or timed out is over: when its time-out has passed, but not until the system's look-up of the authority's
 * name returns, which may take longer.
 *
 * ## Callbacks
 *
 * A callback is a function, user data that it is called with first, and a function that ends that data's life. It is called on
 * the thread that made the call, with no lock held, so it may use the same client. User data must be usable from every thread
 * that uses the client. A callback must return: it must not throw, and not jump out.
 */


#ifndef NODELOCK_H
#define NODELOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A status that is not looked at is a warning. */
#if defined(__GNUC__) || defined(__clang__)
#define NODELOCK_MUST_USE __attribute__((warn_unused_result))
#else
#define NODELOCK_MUST_USE
#endif

/** Define NODELOCK_SHARED on Windows when linking to the DLL. */
#if defined(_WIN32) && defined(NODELOCK_SHARED)
#define NODELOCK_API __declspec(dllimport)
#else
#define NODELOCK_API
#endif


/**
 * The version of this header, major part.
 */
#define NODELOCK_VERSION_MAJOR 0

/**
 * The version of this header, minor part.
 */
#define NODELOCK_VERSION_MINOR 1

/**
 * The version of this header, patch part.
 */
#define NODELOCK_VERSION_PATCH 0

/**
 * Counts up when a program must be compiled anew. A library that has another one must not be used with this header.
 */
#define NODELOCK_ABI_VERSION 1

/**
 * Nothing was in the way of a new activation.
 */
#define NODELOCK_ALREADY_NOTHING 0

/**
 * A request waits for its answer; nodelock_client_pending() shows it.
 */
#define NODELOCK_ALREADY_PENDING 1

/**
 * A license that has not ended, usable or not.
 */
#define NODELOCK_ALREADY_VALID 2

/**
 * A license that has expired, or whose lease has ended.
 */
#define NODELOCK_ALREADY_ENDED 3

/**
 * A request is on its way, for the first time or again.
 */
#define NODELOCK_EVENT_SENDING 1

/**
 * The call waits before it tries again.
 */
#define NODELOCK_EVENT_WAITING 2

/**
 * The call is over.
 */
#define NODELOCK_EVENT_DONE 3

/**
 * The license is gone from this machine, and no tombstone could be left: a warning, see nodelock_proof_tombstone().
 */
#define NODELOCK_EVENT_NO_TOMBSTONE 4

/**
 * A host id is scored along with what is found on the machine.
 */
#define NODELOCK_HOST_ID_JOIN 0

/**
 * A host id is all that is scored.
 */
#define NODELOCK_HOST_ID_REPLACE 1

/**
 * License keys are nodelock's own, whose typing errors are found and mended before anything is sent.
 */
#define NODELOCK_LICENSE_KEYS_CHECKED 0

/**
 * License keys are whatever the vendor used so far: at most 64 bytes on one line, passed on as typed.
 */
#define NODELOCK_LICENSE_KEYS_FREE_FORM 1

/**
 * A new activation sets a license aside that is still valid, as from a trial to a paid license.
 */
#define NODELOCK_REPLACE_LICENSE 1

/**
 * A new activation cancels the request that is pending, whose answer may be on its way.
 */
#define NODELOCK_REPLACE_REQUEST 2

/**
 * A feature's limit if it has none.
 */
#define NODELOCK_UNLIMITED 18446744073709551615ull

/**
 * Not a wrong machine.
 */
#define NODELOCK_MACHINE_FITS 0

/**
 * The store has another device key than the license names, or none.
 */
#define NODELOCK_MACHINE_DEVICE_KEY 1

/**
 * The fingerprint has too little in common with the one that the license was issued for.
 */
#define NODELOCK_MACHINE_FINGERPRINT 2

/**
 * The machine had changed, and the grace period is over.
 */
#define NODELOCK_MACHINE_GRACE_OVER 3

/**
 * Too little of what the machine is known by could be seen, and the grace period is over. Run where it can be seen.
 */
#define NODELOCK_MACHINE_HIDDEN 4

/**
 * Nothing was said why a seat was given up.
 */
#define NODELOCK_REASON_OTHER 0

/**
 * The license moves to another machine.
 */
#define NODELOCK_REASON_MOVED 1

/**
 * The machine is taken out of service.
 */
#define NODELOCK_REASON_RETIRED 2

/**
 * The system or the application is installed again.
 */
#define NODELOCK_REASON_REINSTALLED 3

/**
 * The activation request was cancelled before a license came.
 */
#define NODELOCK_REASON_CANCELLED 4

/**
 * The seat went back to the pool: any machine may take it.
 */
#define NODELOCK_OUTCOME_RETURNED 1

/**
 * The license has no deactivation left: the seat is kept for this machine, which may activate it again, until the
 * vendor returns it.
 */
#define NODELOCK_OUTCOME_HELD 2

/**
 * The identity of the operating system's installation.
 */
#define NODELOCK_COMPONENT_OS_ID 1

/**
 * The UUID of the root file system.
 */
#define NODELOCK_COMPONENT_ROOT_FS 2

/**
 * The UUID that the firmware gives the machine.
 */
#define NODELOCK_COMPONENT_HW_UUID 3

/**
 * The serial number of the main board.
 */
#define NODELOCK_COMPONENT_BOARD_SERIAL 4

/**
 * The serial number of the disk that carries the root file system.
 */
#define NODELOCK_COMPONENT_DISK_SERIAL 5

/**
 * The permanent address of a network card; up to four of them, of which one has to match.
 */
#define NODELOCK_COMPONENT_MAC 6

/**
 * Maker and model of the machine.
 */
#define NODELOCK_COMPONENT_MODEL 7

/**
 * Maker, family, model, stepping and brand of the processor.
 */
#define NODELOCK_COMPONENT_CPU 8

/**
 * An identity that the application supplies.
 */
#define NODELOCK_COMPONENT_HOST_ID 9

/**
 * There is nothing to compare: no license, or the component is missing on either side.
 */
#define NODELOCK_MATCH_NONE 0

/**
 * A component agrees, or the machine is the one of the license.
 */
#define NODELOCK_MATCH_AGREES 1

/**
 * A component differs, or the machine is another one.
 */
#define NODELOCK_MATCH_DIFFERS 2

/**
 * The machine has changed, and is good for the days of grace.
 */
#define NODELOCK_MATCH_GRACE 3

/**
 * What a call came to, or what a check found. Numbers are permanent; later versions add some.
 *
 * 1 to 19 the caller, 20 to 39 a verdict, 40 to 59 the store, 60 to 79 the way to the authority and the
 * authority, 90 the library itself, 100 to 119 a message (a file, or an answer of the authority).
 */
enum nodelock_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It went well.
   */
  NODELOCK_OK = 0,
  /**
   * An argument is NULL, not UTF-8, or out of its documented range.
   */
  NODELOCK_INVALID_INPUT = 1,
  /**
   * The platform or this build of the library cannot do it.
   */
  NODELOCK_UNSUPPORTED = 2,
  /**
   * The code cannot be read, not even with its typing errors mended.
   */
  NODELOCK_UNREADABLE_CODE = 3,
  /**
   * A license is active or a request is pending; it must be given up or cancelled first.
   */
  NODELOCK_ALREADY_ACTIVE = 4,
  /**
   * There is no activation request to answer or cancel.
   */
  NODELOCK_NOT_PENDING = 5,
  /**
   * There is no active license to give up.
   */
  NODELOCK_NOT_ACTIVE = 6,
  /**
   * The license allows no further deactivation without the authority.
   */
  NODELOCK_DEACTIVATION_NOT_ALLOWED = 7,
  /**
   * Too many deactivations wait for their receipts.
   */
  NODELOCK_TOO_MANY_OUTSTANDING = 8,
  /**
   * Verdict: the license is valid. Run.
   */
  NODELOCK_VERDICT_ACTIVE = 20,
  /**
   * Verdict: usable for now, because the machine has changed. Run, observe, and have the license
   * renewed.
   */
  NODELOCK_VERDICT_GRACE = 21,
  /**
   * Verdict: the license starts later.
   */
  NODELOCK_VERDICT_NOT_YET_VALID = 22,
  /**
   * Verdict: the license has expired.
   */
  NODELOCK_VERDICT_EXPIRED = 23,
  /**
   * Verdict: this copy of the license had to be renewed and was not. Check in, or install a renewed one.
   */
  NODELOCK_VERDICT_LEASE_ENDED = 24,
  /**
   * Verdict: the clock was set back. Have it corrected, or check in: the authority's answer sets it
   * right too.
   */
  NODELOCK_VERDICT_CLOCK_SET_BACK = 25,
  /**
   * Verdict: the license belongs to another machine, or this one has changed too much.
   */
  NODELOCK_VERDICT_WRONG_MACHINE = 26,
  /**
   * Verdict: the seat was given up on this machine.
   */
  NODELOCK_VERDICT_DEACTIVATED = 27,
  /**
   * Verdict: the vendor released the seat.
   */
  NODELOCK_VERDICT_REVOKED = 28,
  /**
   * Verdict: the license does not cover a version of the application released this late.
   */
  NODELOCK_VERDICT_VERSION_NOT_COVERED = 29,
  /**
   * Verdict: the store or the license in it cannot be used as it is; nodelock_license_damage() says why.
   */
  NODELOCK_VERDICT_DAMAGED = 30,
  /**
   * Verdict: no license was installed.
   */
  NODELOCK_VERDICT_UNLICENSED = 31,
  /**
   * Another process is writing to the store.
   */
  NODELOCK_BUSY = 40,
  /**
   * A file of the store is damaged.
   */
  NODELOCK_CORRUPT = 41,
  /**
   * The disk is full or the quota used up.
   */
  NODELOCK_NO_SPACE = 42,
  /**
   * The store is on read-only media.
   */
  NODELOCK_READ_ONLY = 43,
  /**
   * The operating system denies access to the store.
   */
  NODELOCK_ACCESS_DENIED = 44,
  /**
   * Any other failure of reading or writing.
   */
  NODELOCK_IO = 45,
  /**
   * The operating system gave no random bytes.
   */
  NODELOCK_NO_RANDOM = 46,
  /**
   * The file system that the store is on has no locks, so two programs could write at the same time.
   * Keep the store on a disk of this machine.
   */
  NODELOCK_NO_LOCKS = 47,
  /**
   * No connection to the authority came about.
   */
  NODELOCK_UNREACHABLE = 60,
  /**
   * The authority did not answer in time.
   */
  NODELOCK_TIMED_OUT = 61,
  /**
   * The call was cancelled from another thread.
   */
  NODELOCK_CANCELLED = 62,
  /**
   * The server's TLS certificate is from nobody who is trusted.
   */
  NODELOCK_TLS_UNTRUSTED = 63,
  /**
   * The server's TLS certificate is for another host.
   */
  NODELOCK_TLS_WRONG_HOST = 64,
  /**
   * The server's TLS certificate has expired or is not valid yet; the local clock may be wrong.
   */
  NODELOCK_TLS_EXPIRED = 65,
  /**
   * The answer is not one that an authority gives.
   */
  NODELOCK_BAD_REPLY = 66,
  /**
   * The authority asks to be left alone for a while.
   */
  NODELOCK_SERVER_BUSY = 67,
  /**
   * The authority failed.
   */
  NODELOCK_SERVER_FAILED = 68,
  /**
   * The authority does not know this seat or its latest license, and asks for the license: its ledger
   * may have been restored to an earlier copy.
   */
  NODELOCK_LICENSE_WANTED = 69,
  /**
   * No license has this license key.
   */
  NODELOCK_UNKNOWN_LICENSE = 70,
  /**
   * Every seat of the license is taken.
   */
  NODELOCK_NO_FREE_SEAT = 71,
  /**
   * The license has ended, or is suspended, at the authority.
   */
  NODELOCK_LICENSE_ENDED = 72,
  /**
   * The activation request was cancelled before it arrived.
   */
  NODELOCK_REQUEST_CANCELLED = 73,
  /**
   * The seat is not known to the authority, or not yet.
   */
  NODELOCK_UNKNOWN_SEAT = 74,
  /**
   * The deactivation code does not belong to the seat that it names.
   */
  NODELOCK_WRONG_CODE = 75,
  /**
   * The seat was released by an administrator.
   */
  NODELOCK_REVOKED = 76,
  /**
   * Too many wrong codes or license keys came; try again later.
   */
  NODELOCK_TOO_MANY_ATTEMPTS = 77,
  /**
   * The seat is not held for its device, so there is nothing to return to the pool.
   */
  NODELOCK_NOT_HELD = 78,
  /**
   * Too many devices have asked for a seat under that handle. A new request draws another one.
   */
  NODELOCK_CROWDED_HANDLE = 79,
  /**
   * The license allows no more activations, until the vendor resets them or the next period begins.
   */
  NODELOCK_NO_ACTIVATION_LEFT = 80,
  /**
   * The machine has had its trial of the product, or shows no hardware by which it could be known again.
   */
  NODELOCK_TRIAL_USED = 81,
  /**
   * The license has the vendor approve each activation. The request is kept there and stays pending
   * here: the same one gets its license once it is approved.
   */
  NODELOCK_APPROVAL_WANTED = 82,
  /**
   * The vendor refused the request.
   */
  NODELOCK_REQUEST_REFUSED = 83,
  /**
   * Nobody has that deployment key, or it has ended, was revoked, or is another kind of credential. The
   * request stays pending: with a deployment key that is valid it gets its license.
   */
  NODELOCK_DEPLOYMENT_KEY_REFUSED = 84,
  /**
   * As many machines as the deployment key was made for have had their seats with it. The request stays
   * pending: with another deployment key it gets its license.
   */
  NODELOCK_DEPLOYMENT_KEY_USED_UP = 85,
  /**
   * A fault of the library. The client that it happened in does nothing any more; free it and make a new
   * one.
   */
  NODELOCK_INTERNAL = 90,
  /**
   * The bytes are truncated, have something left over, or break a rule of the format.
   */
  NODELOCK_MALFORMED = 100,
  /**
   * The input is longer than any message of its kind can be; it was not read.
   */
  NODELOCK_TOO_LARGE = 101,
  /**
   * A valid message of another kind, such as a receipt where a license is expected.
   */
  NODELOCK_WRONG_TYPE = 102,
  /**
   * Made by a later version of the format than this build knows.
   */
  NODELOCK_UNSUPPORTED_VERSION = 103,
  /**
   * Holds an extension marked critical that this build does not know.
   */
  NODELOCK_CRITICAL_EXTENSION = 104,
  /**
   * Made for another product.
   */
  NODELOCK_WRONG_PRODUCT = 105,
  /**
   * Signed by a key that no configured root vouches for.
   */
  NODELOCK_UNTRUSTED_SIGNER = 106,
  /**
   * The signature does not fit the bytes.
   */
  NODELOCK_BAD_SIGNATURE = 107,
  /**
   * The issuer's certificate was not valid when the message was signed, or is not any more.
   */
  NODELOCK_CERTIFICATE_EXPIRED = 108,
  /**
   * A public key for which anybody can forge signatures: one of the small-order points.
   */
  NODELOCK_WEAK_KEY = 109,
  /**
   * The message belongs to another machine's activation.
   */
  NODELOCK_WRONG_MACHINE = 111,
  /**
   * The message answers another activation request than the one that is pending or active here.
   */
  NODELOCK_WRONG_REQUEST = 112,
  /**
   * That activation was given up on this machine; it cannot be used again.
   */
  NODELOCK_GIVEN_UP = 113,
  /**
   * An older message than one that counts already: a license than the installed one, a recovery than the
   * seat's request. Or a request of more than five years ago.
   */
  NODELOCK_OUTDATED = 114,
  /**
   * A license that ends later than its issuer's certificate allows.
   */
  NODELOCK_LEASE_TOO_LONG = 115,
  /**
   * A text holds several messages or codes of the kind of which one is expected, and nothing says which
   * is meant.
   */
  NODELOCK_SEVERAL_MESSAGES = 116,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nodelock_status nodelock_status;
#else
typedef uint32_t nodelock_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where an answer of the authority goes. Lent to a nodelock_transport_fn until that returns.
 */
typedef struct nodelock_answer nodelock_answer;

/**
 * Bytes or text that a call returned. Belongs to the caller; may be read from any thread. Wiped when freed.
 */
typedef struct nodelock_bytes nodelock_bytes;

/**
 * How an online call is limited, followed and cancelled. Belongs to the caller and must outlive the calls that it is
 * given to. It may be given to several calls, at a time or in turn; nodelock_call_cancel() may be called from any
 * thread at any time; what is set counts for the calls that begin after it.
 */
typedef struct nodelock_call nodelock_call;

/**
 * One product's licensing on this machine. Belongs to the caller. Every call on it may be made from any number of
 * threads at a time, and any number of clients, in any number of processes, may share a store. Calls that only look
 * (nodelock_client_check) never wait for calls that write.
 */
typedef struct nodelock_client nodelock_client;

/**
 * The settings of clients for one product. Belongs to the caller; one thread at a time. It may be changed and used
 * again after a client was made of it, which does not change that client.
 */
typedef struct nodelock_config nodelock_config;

/**
 * What a request for a seat says beside its license key: what the application tells the vendor, and the seat that may
 * be replaced. Belongs to the caller; one thread at a time. It may be given to any number of calls.
 */
typedef struct nodelock_details nodelock_details;

/**
 * What went wrong. Belongs to the caller; may be read from any thread.
 */
typedef struct nodelock_error nodelock_error;

/**
 * What was found on a machine, and how it compares with the one that the license was issued for; no value that was
 * found. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_fingerprint nodelock_fingerprint;

/**
 * What a check found: a verdict and, where there is one, the license with its terms. It does not change when the store
 * does. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_license nodelock_license;

/**
 * A request to the authority: a POST of JSON. Lent to a nodelock_transport_fn until that returns. It holds license
 * keys, proofs and credentials: log its address, not its content.
 */
typedef struct nodelock_post nodelock_post;

/**
 * A seat given up: the license is gone from this machine, and the authority frees the seat on this proof, in any of
 * its forms, or on its code. Belongs to the caller, unless it was lent; may be read from any number of threads.
 * Freeing it loses nothing: nodelock_client_outstanding() shows the same again until the receipt has come.
 */
typedef struct nodelock_proof nodelock_proof;

/**
 * Several proofs, oldest first. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_proofs nodelock_proofs;

/**
 * A QR code, as squares, as an SVG image and as text for a terminal. Belongs to the caller; may be read from any
 * number of threads.
 */
typedef struct nodelock_qr nodelock_qr;

/**
 * Every code that what somebody typed may stand for, fewest corrections first; never none. Mostly there is one.
 * Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_readings nodelock_readings;

/**
 * The authority's receipt for a seat that was given up. Belongs to the caller, unless it was lent; may be read from
 * any number of threads.
 */
typedef struct nodelock_receipt nodelock_receipt;

/**
 * Several receipts. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_receipts nodelock_receipts;

/**
 * An activation request that waits for its license, with the seats given up that it carries along, or a check-in.
 * Belongs to the caller; may be read from any number of threads. Freeing it does not take it back:
 * nodelock_client_pending() shows an activation request again.
 */
typedef struct nodelock_request nodelock_request;

/**
 * The authority's word that the vendor released a seat. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_revocation nodelock_revocation;

/**
 * How far somebody is with typing a code. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_typing nodelock_typing;

/**
 * Brings a request to the authority and waits for the answer, with the host's own HTTP.
 *
 * POST the bytes of `post` to its address as `application/json`, follow no redirect, and do not try again: the library
 * does. Give back what was answered, whatever its HTTP status, with nodelock_answer_set(), and return NODELOCK_OK.
 * Otherwise return NODELOCK_UNREACHABLE, NODELOCK_TIMED_OUT, NODELOCK_CANCELLED (after
 * nodelock_post_is_cancelled()), NODELOCK_TLS_UNTRUSTED, NODELOCK_TLS_WRONG_HOST, NODELOCK_TLS_EXPIRED,
 * NODELOCK_BAD_REPLY or NODELOCK_UNSUPPORTED; anything else counts as NODELOCK_UNREACHABLE. `post` and `answer` are
 * lent until it returns.
 */
typedef uint32_t (*nodelock_transport_fn)(void *user_data, const nodelock_post *post, nodelock_answer *answer);

/**
 * Called once with the user data of a callback, when the library has no more use for it: when the config and every
 * client made of it are freed, when another callback takes its place, or at once when it could not be registered. From
 * whichever thread does that.
 */
typedef void (*nodelock_finalize_fn)(void *user_data);

/**
 * The time: seconds since 1970-01-01T00:00:00Z. Replaces the system's clock, for tests.
 */
typedef uint64_t (*nodelock_clock_fn)(void *user_data);

/**
 * Told what calls on a client do, for a log. `call` is the function's name, such as `nodelock_client_activate`.
 *
 * `event` is NODELOCK_EVENT_SENDING, NODELOCK_EVENT_WAITING or NODELOCK_EVENT_NO_TOMBSTONE during an online call, with
 * the number of the `attempt`, `status` NODELOCK_OK and an empty `message`; or NODELOCK_EVENT_DONE at the end of a
 * call, with its status and the words of its error. A check that goes well is not worth a line and has none. There is
 * never a key, a code or a hardware identifier in it. The texts are lent until it returns.
 */
typedef void (*nodelock_log_fn)(void *user_data,
                                uint32_t event,
                                const char *call,
                                uint32_t attempt,
                                uint32_t status,
                                const char *message);

/**
 * Told what an online call is doing: NODELOCK_EVENT_SENDING with the number of the attempt, from 1 on, or
 * NODELOCK_EVENT_WAITING with how long the call waits before it tries again, or NODELOCK_EVENT_NO_TOMBSTONE.
 */
typedef void (*nodelock_progress_fn)(void *user_data,
                                     uint32_t event,
                                     uint32_t attempt,
                                     uint64_t pause_milliseconds);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ==== Versions ==== */

/**
 * The version of the library that is loaded, such as `0.1.0`. Lives as long as the library is loaded.
 */
NODELOCK_API const char *nodelock_version(void);

/**
 * The same as one number: major times 1,000,000, plus minor times 1,000, plus patch.
 */
NODELOCK_API uint32_t nodelock_version_number(void);

/**
 * The ABI version of the library that is loaded: NODELOCK_ABI_VERSION when it was built. A program that loads the
 * library at run time compares the two before it calls anything else.
 */
NODELOCK_API
uint32_t nodelock_abi_version(void);

/**
 * Whether this build of the library has a feature: `online` (its own HTTP), `qr`, `authority`, `description`,
 * `testing`. False for any other name and for NULL. The functions of `testing` are not in a library without it; those
 * of the others return NODELOCK_UNSUPPORTED there.
 */
NODELOCK_API
bool nodelock_has_feature(const char *feature);

/* ==== Statuses ==== */

/**
 * The stable name of a status, such as `no-free-seat`, for logs and scripts; a verdict's is without `verdict`. Lives
 * as long as the library is loaded. NULL for a number that this version does not know.
 */
NODELOCK_API
const char *nodelock_status_name(uint32_t status);

/* ==== Errors ==== */

/**
 * The status that the call returned too. NODELOCK_OK for NULL.
 */
NODELOCK_API nodelock_status nodelock_error_status(const nodelock_error *error);

/**
 * The status's stable name, such as `no-free-seat`; nodelock_status_name() of it. NULL for NULL.
 */
NODELOCK_API const char *nodelock_error_kind(const nodelock_error *error);

/**
 * In English, for logs and support. Holds no key, no code and no hardware identifier. Lent until the error is freed.
 * NULL for NULL.
 */
NODELOCK_API
const char *nodelock_error_message(const nodelock_error *error);

/**
 * What a person can do about it, in English and in words that fit every application. Empty where there is nothing to
 * do, or where the message says it. Lent until the error is freed. NULL for NULL.
 */
NODELOCK_API
const char *nodelock_error_advice(const nodelock_error *error);

/**
 * What was in the way of a new activation, for NODELOCK_ALREADY_ACTIVE: one of NODELOCK_ALREADY_*.
 * NODELOCK_ALREADY_NOTHING for any other status and for NULL.
 */
NODELOCK_API uint32_t nodelock_error_already(const nodelock_error *error);

/**
 * What nodelock_client_deactivate() gave up before it failed: the license is gone from this machine, and the seat is
 * free as soon as the authority hears of this proof or its code. NULL if nothing was given up. Lent until the error is
 * freed; nodelock_client_outstanding() has it too.
 */
NODELOCK_API
const nodelock_proof *nodelock_error_proof(const nodelock_error *error);

/**
 * With NODELOCK_NO_FREE_SEAT: when the next seat lapses, so that it is worth asking again, in seconds since 1970. 0 if
 * the authority did not say, if no seat ever does, and for NULL.
 */
NODELOCK_API
uint64_t nodelock_error_next_lapse(const nodelock_error *error);

/**
 * With NODELOCK_TRIAL_USED: when the trial of this machine ended, in seconds since 1970. 0 if the authority did not
 * say, for every other error and for NULL.
 */
NODELOCK_API
uint64_t nodelock_error_trial_ended(const nodelock_error *error);

/**
 * With NODELOCK_NO_FREE_SEAT: how many seats the authority told of, those that lapse first. 0 for every other error
 * and for NULL.
 */
NODELOCK_API
size_t nodelock_error_seat_count(const nodelock_error *error);

/**
 * The name of a seat that the authority told of, such as `7KX2M9`, by its place from 0 on. Lent until the error is
 * freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_error_seat_handle(const nodelock_error *error,
                                       size_t index);

/**
 * What the device of a seat is called, by its place from 0 on; empty where the vendor does not say. Lent until the
 * error is freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_error_seat_label(const nodelock_error *error,
                                      size_t index);

/**
 * The day on which the device of a seat was last heard of, by its place from 0 on: its first second, since 1970. 0
 * beyond the last.
 */
NODELOCK_API
uint64_t nodelock_error_seat_last_contact(const nodelock_error *error,
                                          size_t index);

/**
 * When a seat lapses and another device can have it, by its place from 0 on, in seconds since 1970. 0 for never and
 * beyond the last.
 */
NODELOCK_API
uint64_t nodelock_error_seat_lapses(const nodelock_error *error,
                                    size_t index);

/**
 * Whether another device may take the place of a seat now (nodelock_details_replace()), by its place from 0 on. False
 * beyond the last, and where the authority does not say.
 */
NODELOCK_API
bool nodelock_error_seat_is_replaceable(const nodelock_error *error,
                                        size_t index);

/**
 * Frees an error. NULL is fine.
 */
NODELOCK_API void nodelock_error_free(nodelock_error *error);

/* ==== Bytes and texts that the caller owns ==== */

/**
 * The bytes, and how many they are if `size` is not NULL. A NUL follows that is not counted, so text can be used as it
 * is. Lent until they are freed. NULL for NULL.
 */
NODELOCK_API
const uint8_t *nodelock_bytes_data(const nodelock_bytes *bytes,
                                   size_t *size);

/**
 * The same as text, for what is text. Lent until it is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_bytes_text(const nodelock_bytes *bytes);

/**
 * Frees bytes. NULL is fine.
 */
NODELOCK_API void nodelock_bytes_free(nodelock_bytes *bytes);

/* ==== Setting up ==== */

/**
 * Starts to set up clients for a product, whose name is 1 to 64 bytes on one line.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_new(const char *product,
                                    nodelock_config **config,
                                    nodelock_error **error);

/**
 * Trusts a root key of the vendor: 43 characters of base64url. At least one is needed. Have more than one, so that
 * losing one is not the end of the product.
 *
 * NODELOCK_MALFORMED, NODELOCK_WEAK_KEY: not a key.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_add_root(nodelock_config *config,
                                         const char *public_key,
                                         nodelock_error **error);

/**
 * Believes nothing that a key signs, certificate or not: for an issuer key that was stolen, in the next version of the
 * application.
 *
 * NODELOCK_MALFORMED, NODELOCK_WEAK_KEY: not a key.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_deny_key(nodelock_config *config,
                                         const char *public_key,
                                         nodelock_error **error);

/**
 * Keeps the license in `directory`, which belongs to this product alone, with tombstones of seats given up in the
 * directory `tombstones`, or none of them for NULL. What is missing is created when something is first written.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_store_directory(nodelock_config *config,
                                                    const char *directory,
                                                    const char *tombstones,
                                                    nodelock_error **error);

/**
 * Keeps the license in the user's profile. This is the default.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_store_per_user(nodelock_config *config,
                                                   nodelock_error **error);

/**
 * Keeps the license for the whole machine: only those can use it who may write there.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_store_system_wide(nodelock_config *config,
                                                      nodelock_error **error);

/**
 * Keeps the license in memory, for tests and trials: as long as this config and the clients made of it live, which
 * share it.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_store_in_memory(nodelock_config *config,
                                                    nodelock_error **error);

/**
 * How long a call that writes waits for another writer before it fails with NODELOCK_BUSY, in milliseconds. Default:
 * 5,000.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_lock_timeout(nodelock_config *config,
                                                 uint64_t milliseconds,
                                                 nodelock_error **error);

/**
 * Keys the tags of the fingerprint, so that nobody can compare them with another vendor's. Default: the product's
 * name. Never change it for a product that has licenses: every machine would look like another one.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_salt(nodelock_config *config,
                                         const char *salt,
                                         nodelock_error **error);

/**
 * An identity that the application knows better than any probe: a dongle, a cloud instance, a user; 4 to 256
 * characters. Case and runs of white space do not count in ASCII; anything else counts byte for byte, so give it in
 * one form of Unicode. `how` is NODELOCK_HOST_ID_JOIN or NODELOCK_HOST_ID_REPLACE.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_host_id(nodelock_config *config,
                                            const char *id,
                                            uint32_t how,
                                            nodelock_error **error);

/**
 * The version of the application, for the vendor to see in requests: at most 64 bytes on one line.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_application_version(nodelock_config *config,
                                                        const char *version,
                                                        nodelock_error **error);

/**
 * Whether requests and check-ins say what people call this machine and what runs on it, as `computer`, `system` and
 * `architecture`, so that the vendor's lists and the customer's pages tell two computers apart. Default: no. A
 * computer often has its user's name, so tell people that you ask for it. What the application itself adds under
 * such a name (nodelock_details_add()) stands in its request; check-ins say what the system says all the same, so that
 * hides nothing.
 *
 * NODELOCK_UNSUPPORTED: without feature `description`.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_describe_machine(nodelock_config *config,
                                                     bool describe,
                                                     nodelock_error **error);

/**
 * When this version of the application was released, in seconds since 1970: what a license's maintenance date is
 * compared with.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_released(nodelock_config *config,
                                             uint64_t seconds,
                                             nodelock_error **error);

/**
 * Which license keys are taken: NODELOCK_LICENSE_KEYS_CHECKED, which is the default, or
 * NODELOCK_LICENSE_KEYS_FREE_FORM.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_license_keys(nodelock_config *config,
                                                 uint32_t form,
                                                 nodelock_error **error);

/**
 * What a new activation may put in its place beside a license that has ended: any of NODELOCK_REPLACE_*, added. 0, the
 * default, for nothing else. A license that is set aside stays what it is until the new one is installed, which gives
 * its seat up, also where it allows no more deactivations. If the request is refused or cancelled, all is as before.
 *
 * NODELOCK_INVALID_INPUT for anything else.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_replace(nodelock_config *config,
                                            uint32_t what,
                                            nodelock_error **error);

/**
 * Has a client believe that it is on a machine with these components instead of probing the one it is on, for tests:
 * call it once for each. `component` is one of NODELOCK_COMPONENT_*, of which NODELOCK_COMPONENT_MAC may be given four
 * times.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_add_test_component(nodelock_config *config,
                                                   uint32_t component,
                                                   const char *value,
                                                   nodelock_error **error);

/**
 * Where the authority is, such as `https://licenses.example.com`: what the online calls speak to, over the library's
 * own HTTP, or over what nodelock_config_set_transport() brings. For its own HTTP, write a name that is not ASCII in
 * Punycode (`xn--`). An address that cannot be one, and `http://` on another host than this one
 * (nodelock_config_set_plain_http()), are refused when a client is made.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_authority(nodelock_config *config,
                                              const char *url,
                                              nodelock_error **error);

/**
 * Whether `http://` will do for an authority on another host than this one. Default: no. License keys, deployment
 * keys and codes go over the network in the clear then.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_plain_http(nodelock_config *config,
                                               bool allowed,
                                               nodelock_error **error);

/**
 * The deployment key that a machine which nobody sits at takes its seat with: nodelock_client_activate() and
 * nodelock_client_start() ask with it for a seat without a license key, and nothing else does. White space around it
 * does not count. NULL for none, which is the default.
 *
 * It is sent to the authority alone, as the header `Authorization` (nodelock_post_authorization()), and is in no
 * store. NODELOCK_DEPLOYMENT_KEY_REFUSED and NODELOCK_DEPLOYMENT_KEY_USED_UP leave the request pending.
 * nodelock_client_new() refuses what is not 1 to 1,024 signs of ASCII in a row.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_deployment_key(nodelock_config *config,
                                                   const char *deployment_key,
                                                   nodelock_error **error);

/**
 * How long one exchange with the authority may take, in milliseconds: 1 to 3,600,000; and how often an online call
 * tries: 1 to 100. Default: 30,000 and 3. nodelock_client_new() refuses others, if there is an authority.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_patience(nodelock_config *config,
                                             uint64_t milliseconds,
                                             uint32_t attempts,
                                             nodelock_error **error);

/**
 * Brings requests to the authority by the host's own HTTP instead of the library's. Called from the thread that makes
 * an online call, with no lock held; several threads may make such calls at a time. `finalize` may be NULL; see
 * nodelock_finalize_fn for when it is called, also if this fails.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_transport(nodelock_config *config,
                                              void *user_data,
                                              nodelock_transport_fn transport,
                                              nodelock_finalize_fn finalize,
                                              nodelock_error **error);

/**
 * Has the library's own HTTP use this proxy, `http://user:password@host:port`, whatever the environment says. By default it is
 * what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say. An address that cannot be one shows when a client is made.
 *
 * NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_proxy(nodelock_config *config,
                                          const char *url,
                                          nodelock_error **error);

/**
 * Has the library's own HTTP use no proxy, whatever the environment says.
 *
 * NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_no_proxy(nodelock_config *config,
                                             nodelock_error **error);

/**
 * Has the library's own HTTP trust the certificates in this PEM text, beside the system's.
 *
 * NODELOCK_INVALID_INPUT: it holds none. NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_trust_certificates(nodelock_config *config,
                                                   const uint8_t *pem,
                                                   size_t size,
                                                   nodelock_error **error);

/**
 * Has the library's own HTTP trust only the certificates that were given, not the system's.
 *
 * NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_trust_only_given(nodelock_config *config,
                                                 nodelock_error **error);

/**
 * How long a connection of the library's own HTTP may take to come about, in milliseconds. Default: 10,000.
 *
 * NODELOCK_UNSUPPORTED: this build has no HTTP of its own.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_connect_timeout(nodelock_config *config,
                                                    uint64_t milliseconds,
                                                    nodelock_error **error);

/**
 * Takes the time from the host instead of the system's clock, for tests. Called from whichever thread makes a call,
 * with no lock held. `finalize` may be NULL; see nodelock_finalize_fn for when it is called, also if this fails.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_clock(nodelock_config *config,
                                          void *user_data,
                                          nodelock_clock_fn clock,
                                          nodelock_finalize_fn finalize,
                                          nodelock_error **error);

/**
 * Has `log` told what calls on a client do. Called from the thread that makes the call, with no lock held. `finalize`
 * may be NULL; see nodelock_finalize_fn for when it is called, also if this fails.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_log(nodelock_config *config,
                                        void *user_data,
                                        nodelock_log_fn log,
                                        nodelock_finalize_fn finalize,
                                        nodelock_error **error);

/**
 * Frees a config. The clients made of it live on. NULL is fine.
 */
NODELOCK_API void nodelock_config_free(nodelock_config *config);

/* ==== What a request says beside the license key ==== */

/**
 * Makes details that say nothing.
 *
 * Fails as every call does, with NODELOCK_INVALID_INPUT for NULL.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_details_new(nodelock_details **details,
                                     nodelock_error **error);

/**
 * Adds something for the vendor to see, such as a name for the machine: `name` is at most 64 bytes on one line,
 * `value` at most 1,024. The call that they are given to refuses longer ones, and more than 64 pairs.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_details_add(nodelock_details *details,
                                     const char *name,
                                     const char *value,
                                     nodelock_error **error);

/**
 * Has a request take the place of a seat, if no seat is free: `seat` is the name of one that a refusal listed
 * (nodelock_error_seat_handle()), such as `7KX2M9`. The license must allow it, and the device of that seat must have
 * been silent for seven days; it is told when it speaks up.
 *
 * NODELOCK_MALFORMED, NODELOCK_UNREADABLE_CODE: `seat` is no name.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_details_replace(nodelock_details *details,
                                         const char *seat,
                                         nodelock_error **error);

/**
 * Frees details. NULL is fine.
 */
NODELOCK_API void nodelock_details_free(nodelock_details *details);

/* ==== The client ==== */

/**
 * Makes a client on these settings. Nothing is read or written yet.
 *
 * NODELOCK_INVALID_INPUT: a setting is out of its range, or there is no root. NODELOCK_UNSUPPORTED: the user has no
 * home directory, or there is an authority and this build has no HTTP of its own and was given no transport.
 * NODELOCK_TLS_UNTRUSTED: only given certificates are to be trusted, and none was given.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_new(const nodelock_config *config,
                                    nodelock_client **client,
                                    nodelock_error **error);

/**
 * Whether the application may run, and what the license says. Reads only, takes no lock and needs no network; fast
 * enough to be called often: a store that has not changed is noticed by one look at its file. What is wrong with a
 * license, or with the store, is a verdict and no failure.
 *
 * NODELOCK_ACCESS_DENIED, NODELOCK_IO: the store cannot be read at all.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_check(const nodelock_client *client,
                                      nodelock_license **license,
                                      nodelock_error **error);

/**
 * Records what a check only sees: that time has passed, so that a clock set back is noticed, and that the machine has
 * changed, from when on the grace period counts. Call it once in each run of the application, when
 * nodelock_license_should_observe() says so. Stores in `wrote` whether it wrote, which it does at most once an hour.
 *
 * Fails with the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_observe(const nodelock_client *client,
                                        bool *wrote,
                                        nodelock_error **error);

/**
 * Asks for a seat: makes the device's key if it has none, and keeps the request until it is answered or cancelled.
 * Hand the request to the authority. Typing errors in `license_key` are mended; it may be NULL where the vendor
 * assigns licenses by hand. `details` may be NULL. Where they name a seat to replace, cancel the request that waits
 * for a seat first. Asking again shows the same request: with the same license key and seat, and nothing else to tell
 * the vendor.
 *
 * A license that has ended is set aside, and what nodelock_config_set_replace() says gives way too.
 *
 * NODELOCK_ALREADY_ACTIVE: something else is there, which nodelock_error_already() names. NODELOCK_UNREADABLE_CODE,
 * NODELOCK_WRONG_TYPE: not a license key. NODELOCK_TOO_MANY_OUTSTANDING, NODELOCK_INVALID_INPUT, NODELOCK_NO_RANDOM,
 * and the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_begin(const nodelock_client *client,
                                      const char *license_key,
                                      const nodelock_details *details,
                                      nodelock_request **request,
                                      nodelock_error **error);

/**
 * The pending request, to hand it over again. NODELOCK_OK and NULL if none is pending. What is shown is made durable
 * first, so this opens the store like a call that writes.
 *
 * Fails with the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_pending(const nodelock_client *client,
                                        nodelock_request **request,
                                        nodelock_error **error);

/**
 * Takes the pending request back. The authority may have granted it, so this gives a seat up: hand the proof over, or
 * let the next request carry it.
 *
 * NODELOCK_NOT_PENDING, and the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_cancel(const nodelock_client *client,
                                       nodelock_proof **proof,
                                       nodelock_error **error);

/**
 * Asks for a new seat in place of the one whose record is damaged or gone. The authority frees the old seat and grants
 * the new one in one step, without counting a deactivation. Hand the request to the authority like any other.
 *
 * NODELOCK_ALREADY_ACTIVE: there is nothing to recover from. NODELOCK_CORRUPT: the device's key is damaged or gone
 * too. And the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_recover_offline(const nodelock_client *client,
                                                nodelock_request **request,
                                                nodelock_error **error);

/**
 * Installs a license, and the receipts that came with it, from a file in any form: bytes, text, base64url. Then
 * checks. A renewal replaces the active license; the one that is installed is accepted again and changes nothing.
 *
 * The codes of a message, NODELOCK_NOT_PENDING, NODELOCK_UNKNOWN_SEAT, and the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_install(const nodelock_client *client,
                                        const uint8_t *data,
                                        size_t size,
                                        nodelock_license **license,
                                        nodelock_error **error);

/**
 * Takes in whatever the authority sent, from a file in any form: a license, receipts, a revocation. Then checks.
 *
 * Fails as nodelock_client_install() does.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_accept(const nodelock_client *client,
                                       const uint8_t *data,
                                       size_t size,
                                       nodelock_license **license,
                                       nodelock_error **error);

/**
 * Takes in a receipt, from a file in any form: the seat is no longer outstanding. The same receipt again changes
 * nothing.
 *
 * The codes of a message, NODELOCK_UNKNOWN_SEAT, and the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_accept_receipt(const nodelock_client *client,
                                               const uint8_t *data,
                                               size_t size,
                                               nodelock_receipt **receipt,
                                               nodelock_error **error);

/**
 * Takes in a revocation, from a file in any form: the license of that seat ends.
 *
 * The codes of a message, NODELOCK_UNKNOWN_SEAT, and the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_accept_revocation(const nodelock_client *client,
                                                  const uint8_t *data,
                                                  size_t size,
                                                  nodelock_revocation **revocation,
                                                  nodelock_error **error);

/**
 * Gives the seat up without a network. When this returns NODELOCK_OK, the license is gone from this machine, durably;
 * the proof frees the seat: as a file, as a QR code, or as 25 symbols over the phone. `reason` is one of
 * NODELOCK_REASON_OTHER, NODELOCK_REASON_MOVED, NODELOCK_REASON_RETIRED, NODELOCK_REASON_REINSTALLED. A wrong clock,
 * changed hardware or an expired license do not stop it.
 *
 * NODELOCK_NOT_ACTIVE. NODELOCK_DEACTIVATION_NOT_ALLOWED: while still active, the license has no deactivation left.
 * NODELOCK_INVALID_INPUT, NODELOCK_TOO_MANY_OUTSTANDING, and the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_deactivate_offline(const nodelock_client *client,
                                                   uint32_t reason,
                                                   nodelock_proof **proof,
                                                   nodelock_error **error);

/**
 * Asks for a renewal of the license without a network: hand the request to the authority, and give its answer to
 * nodelock_client_accept(), which takes in a license and the revocation of a seat that the vendor released. Until then
 * the store only notes what was asked and when. Each call makes another request: hand in the latest, since the
 * authority refuses one that a later one has followed, and only the answer to the latest sets a wrong clock right. A
 * license that has expired or is not usable for another reason will do.
 *
 * NODELOCK_NOT_ACTIVE, NODELOCK_NO_RANDOM, and the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_check_in_offline(const nodelock_client *client,
                                                 nodelock_request **request,
                                                 nodelock_error **error);

/**
 * The seats that were given up and whose receipts have not come, oldest first: the same proofs and codes as when they
 * were given up. Never NULL after NODELOCK_OK; there may be none in it. What is shown is made durable first, so this
 * opens the store like a call that writes.
 *
 * Fails with the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_outstanding(const nodelock_client *client,
                                            nodelock_proofs **proofs,
                                            nodelock_error **error);

/**
 * What is found on this machine, and how it compares with the one that the license was issued for: for support. Probes
 * the machine; holds no value that was found.
 *
 * NODELOCK_ACCESS_DENIED, NODELOCK_IO: the store cannot be read at all.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_fingerprint(const nodelock_client *client,
                                            nodelock_fingerprint **fingerprint,
                                            nodelock_error **error);

/**
 * Whether a call on the client ended with NODELOCK_INTERNAL, so that every other one will. From any thread. False for
 * NULL.
 */
NODELOCK_API
bool nodelock_client_is_poisoned(const nodelock_client *client);

/**
 * Frees a client, once every call on it has returned, and changes nothing in the store. NULL is fine.
 */
NODELOCK_API void nodelock_client_free(nodelock_client *client);

/* ==== What a check found ==== */

/**
 * The verdict: one of NODELOCK_VERDICT_*. NODELOCK_INVALID_INPUT for NULL.
 */
NODELOCK_API nodelock_status nodelock_license_verdict(const nodelock_license *license);

/**
 * Whether the application may run: the verdict is NODELOCK_VERDICT_ACTIVE or NODELOCK_VERDICT_GRACE. False for NULL.
 */
NODELOCK_API
bool nodelock_license_is_usable(const nodelock_license *license);

/**
 * The verdict in English, such as `expired at 2027-01-31T00:00:00Z`. Lent until the license is freed. NULL for NULL.
 */
NODELOCK_API
const char *nodelock_license_verdict_text(const nodelock_license *license);

/**
 * The time that belongs to the verdict, in seconds since 1970: until when NODELOCK_VERDICT_GRACE lasts, when
 * NODELOCK_VERDICT_NOT_YET_VALID becomes valid, since when NODELOCK_VERDICT_EXPIRED or NODELOCK_VERDICT_LEASE_ENDED
 * hold, until when a version must have been released for NODELOCK_VERDICT_VERSION_NOT_COVERED. False, and nothing is
 * stored, for any other verdict.
 */
NODELOCK_API
bool nodelock_license_verdict_time(const nodelock_license *license,
                                   uint64_t *seconds);

/**
 * How many seconds the clock was set back, for NODELOCK_VERDICT_CLOCK_SET_BACK; 0 for any other verdict.
 */
NODELOCK_API uint64_t nodelock_license_set_back(const nodelock_license *license);

/**
 * By how many seconds the clock is ahead, or if negative behind, where the authority's latest answer shows that it is
 * by more than 26 hours; 0 if it is right or nothing is known. With or without a verdict about time.
 */
NODELOCK_API
int64_t nodelock_license_clock_error(const nodelock_license *license);

/**
 * Why the machine is the wrong one, for NODELOCK_VERDICT_WRONG_MACHINE: one of NODELOCK_MACHINE_*. For
 * NODELOCK_VERDICT_GRACE, NODELOCK_MACHINE_HIDDEN if too little of the machine can be seen: then no renewal is needed,
 * and none is given. NODELOCK_MACHINE_FITS otherwise.
 */
NODELOCK_API
uint32_t nodelock_license_machine_reason(const nodelock_license *license);

/**
 * What is wrong with the store, for NODELOCK_VERDICT_DAMAGED: NODELOCK_CORRUPT (recover), NODELOCK_UNSUPPORTED_VERSION
 * (update the application), NODELOCK_UNTRUSTED_SIGNER or NODELOCK_WRONG_PRODUCT (set up for another vendor or
 * product), or another status of a message. NODELOCK_OK for any other verdict.
 */
NODELOCK_API
nodelock_status nodelock_license_damage(const nodelock_license *license);

/**
 * Why the vendor released the seat, in the vendor's words, which may be empty, for NODELOCK_VERDICT_REVOKED. NULL for
 * any other verdict. Lent until the license is freed.
 */
NODELOCK_API
const char *nodelock_license_revocation_reason(const nodelock_license *license);

/**
 * Whether the license is usable and has a feature of that name that has not expired. False for NULL and for what is
 * not UTF-8. Fast enough to be asked again and again: it looks into memory only.
 */
NODELOCK_API
bool nodelock_license_has_feature(const nodelock_license *license,
                                  const char *name);

/**
 * The limit of a feature, NODELOCK_UNLIMITED if it has none. False, and nothing is stored, where
 * nodelock_license_has_feature() is false.
 */
NODELOCK_API
bool nodelock_license_feature_limit(const nodelock_license *license,
                                    const char *name,
                                    uint64_t *limit);

/**
 * How many features the license lists, usable or not.
 */
NODELOCK_API size_t nodelock_license_feature_count(const nodelock_license *license);

/**
 * The name of a feature, by its place from 0 on: they are in ascending order. Whether it can be used says
 * nodelock_license_has_feature(). Lent until the license is freed. NULL beyond the last.
 */
NODELOCK_API const char *nodelock_license_feature_name(const nodelock_license *license, size_t index);

/**
 * When a feature, by its place, is no longer there, in seconds since 1970. False, and nothing is stored, if never or
 * beyond the last.
 */
NODELOCK_API
bool nodelock_license_feature_expires(const nodelock_license *license,
                                      size_t index,
                                      uint64_t *seconds);

/**
 * The vendor's metadata of that name, the first if there are several. Lent until the license is freed. NULL if there
 * is none.
 */
NODELOCK_API
const char *nodelock_license_metadata(const nodelock_license *license,
                                      const char *name);

/**
 * How many entries the vendor's metadata has.
 */
NODELOCK_API size_t nodelock_license_metadata_count(const nodelock_license *license);

/**
 * The name of an entry of the metadata, by its place from 0 on. Lent until the license is freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_license_metadata_name(const nodelock_license *license,
                                           size_t index);

/**
 * The value of an entry of the metadata, by its place from 0 on. Lent until the license is freed. NULL beyond the
 * last.
 */
NODELOCK_API
const char *nodelock_license_metadata_value(const nodelock_license *license,
                                            size_t index);

/**
 * Whether there is a verified license, usable or not. Without one, what follows is NULL, 0 or false.
 */
NODELOCK_API bool nodelock_license_is_present(const nodelock_license *license);

/**
 * The product. Lent until the license is freed.
 */
NODELOCK_API const char *nodelock_license_product(const nodelock_license *license);

/**
 * Who licensed the product. Lent until the license is freed.
 */
NODELOCK_API const char *nodelock_license_licensee(const nodelock_license *license);

/**
 * The edition of the product; may be empty. Lent until the license is freed.
 */
NODELOCK_API const char *nodelock_license_edition(const nodelock_license *license);

/**
 * The vendor's name for the license: 16 hex digits. Every seat of it bears it. Lent until the license is freed.
 */
NODELOCK_API
const char *nodelock_license_id(const nodelock_license *license);

/**
 * The seat, such as `7KX2M9`: for support. Lent until the license is freed.
 */
NODELOCK_API const char *nodelock_license_seat(const nodelock_license *license);

/**
 * The device's public key: 43 characters of base64url. Lent until the license is freed.
 */
NODELOCK_API const char *nodelock_license_device_key(const nodelock_license *license);

/**
 * After a license was taken in from a text: a readable header of that text which says something else than the license
 * does, as the license has it, such as `Licensee: Jane Doe`, by its place from 0 on. The license counts all the same;
 * tell people, who may have read the header. Lent until the license is freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_license_changed_header(const nodelock_license *license,
                                            size_t index);

/**
 * The signed license as a text file. Lent until the license is freed.
 */
NODELOCK_API const char *nodelock_license_text(const nodelock_license *license);

/**
 * The signed license as bytes, and how many they are if `size` is not NULL. Lent until the license is freed. NULL
 * without a license.
 */
NODELOCK_API
const uint8_t *nodelock_license_data(const nodelock_license *license,
                                     size_t *size);

/**
 * When the authority signed the license, in seconds since 1970. False, and nothing is stored, without a license.
 */
NODELOCK_API
bool nodelock_license_issued(const nodelock_license *license,
                             uint64_t *seconds);

/**
 * The first second at which the license is valid. False, and nothing is stored, without a license.
 */
NODELOCK_API bool nodelock_license_starts(const nodelock_license *license, uint64_t *seconds);

/**
 * The first second at which the license is no longer valid. False, and nothing is stored, if it is perpetual.
 */
NODELOCK_API bool nodelock_license_expires(const nodelock_license *license, uint64_t *seconds);

/**
 * The first second at which this copy of the license must have been renewed. False, and nothing is stored, if never.
 */
NODELOCK_API
bool nodelock_license_lease_until(const nodelock_license *license,
                                  uint64_t *seconds);

/**
 * From when on the license should be renewed. False, and nothing is stored, if never.
 */
NODELOCK_API bool nodelock_license_renew_after(const nodelock_license *license, uint64_t *seconds);

/**
 * Maintenance: versions of the application released later are not covered. False, and nothing is stored, if all are.
 */
NODELOCK_API
bool nodelock_license_updates_until(const nodelock_license *license,
                                    uint64_t *seconds);

/**
 * How many more deactivations the license had when it was issued. False, and nothing is stored, if there is no limit.
 */
NODELOCK_API
bool nodelock_license_deactivations_left(const nodelock_license *license,
                                         uint32_t *count);

/**
 * Counts the licenses issued for this seat, from 1 on: a renewal has a higher one.
 */
NODELOCK_API uint32_t nodelock_license_revision(const nodelock_license *license);

/**
 * The time that the verdict was made at, in seconds since 1970: never less than any time seen before. With or without
 * a license.
 */
NODELOCK_API
uint64_t nodelock_license_time(const nodelock_license *license);

/**
 * Whether the license asks to be renewed by now.
 */
NODELOCK_API bool nodelock_license_renewal_due(const nodelock_license *license);

/**
 * Whether the authority has just answered nodelock_client_start(): what was due is done. What it said is in the
 * verdict. False for what another call gave out.
 */
NODELOCK_API
bool nodelock_license_is_renewed(const nodelock_license *license);

/**
 * Whether nodelock_client_observe() has something to record. Look once in each run of the application.
 */
NODELOCK_API bool nodelock_license_should_observe(const nodelock_license *license);

/**
 * Whether the store survives a power cut at any moment. False where its file system cannot sync a directory, as some
 * shared folders and old file servers cannot: a cut may then undo what was announced, such as a deactivation. With or
 * without a license.
 */
NODELOCK_API
bool nodelock_license_power_cuts_covered(const nodelock_license *license);

/**
 * The seat of the activation request that waits for its license; nodelock_client_pending() shows the request. With or
 * without a license. Lent until the license is freed. NULL if none is pending.
 */
NODELOCK_API
const char *nodelock_license_pending_seat(const nodelock_license *license);

/**
 * How many seats were given up here whose receipts have not come; nodelock_client_outstanding() shows them.
 */
NODELOCK_API size_t nodelock_license_outstanding(const nodelock_license *license);

/**
 * Frees a license, which changes nothing in the store. NULL is fine.
 */
NODELOCK_API void nodelock_license_free(nodelock_license *license);

/* ==== Requests for a seat ==== */

/**
 * The seat it asks for, or the one that it is to renew, such as `7KX2M9`. Lent until the request is freed. NULL for
 * NULL.
 */
NODELOCK_API
const char *nodelock_request_seat(const nodelock_request *request);

/**
 * As a text file with readable headers, for mail and forms. Lent until the request is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_request_text(const nodelock_request *request);

/**
 * As one line of base64url, for links and fields. Lent until the request is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_request_base64url(const nodelock_request *request);

/**
 * As one line of base32, which a QR code stores most compactly. Lent until the request is freed. NULL for NULL.
 */
NODELOCK_API
const char *nodelock_request_base32(const nodelock_request *request);

/**
 * As bytes, and how many they are if `size` is not NULL. Lent until the request is freed. NULL for NULL.
 */
NODELOCK_API const uint8_t *nodelock_request_data(const nodelock_request *request, size_t *size);

/**
 * As a QR code of `link` followed by the request in base32. With a link that ends in a number sign, the phone that
 * scans it lands on the vendor's page, and what it carries reaches no server log. The link may be empty.
 *
 * NODELOCK_TOO_LARGE: more than a QR code holds. NODELOCK_UNSUPPORTED: this build has no QR codes.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_request_qr(const nodelock_request *request,
                                    const char *link,
                                    nodelock_qr **qr,
                                    nodelock_error **error);

/**
 * How many seats given up it carries along: the authority frees those and answers the request in one step. A check-in
 * carries none.
 */
NODELOCK_API
size_t nodelock_request_release_count(const nodelock_request *request);

/**
 * Whether it asks for a seat in place of one whose record was lost. See nodelock_client_recover_offline().
 */
NODELOCK_API bool nodelock_request_is_recovery(const nodelock_request *request);

/**
 * Frees a request, which does not take it back. NULL is fine.
 */
NODELOCK_API void nodelock_request_free(nodelock_request *request);

/* ==== Seats given up ==== */

/**
 * The code to read over the phone: 25 symbols in five groups, `17KX2-M928T-5CY4T-QKFFW-EZFWM`. Who has it can free the
 * seat, so it belongs on the screen and not into a log. Lent until the proof is freed. NULL for NULL.
 */
NODELOCK_API
const char *nodelock_proof_code(const nodelock_proof *proof);

/**
 * The seat that was given up, such as `7KX2M9`. Lent until the proof is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_proof_seat(const nodelock_proof *proof);

/**
 * When it was given up by the local clock, in seconds since 1970. 0 for NULL.
 */
NODELOCK_API uint64_t nodelock_proof_time(const nodelock_proof *proof);

/**
 * Why it was given up: one of NODELOCK_REASON_*.
 */
NODELOCK_API uint32_t nodelock_proof_reason(const nodelock_proof *proof);

/**
 * NODELOCK_OK, or why no tombstone could be left, in the result of the call that gave the seat up: a warning. The seat
 * is given up all the same, but a copy of the store from before may go unnoticed by nodelock_client_check() until its
 * lease ends. Any later change of the store tries again. NODELOCK_OK for NULL.
 */
NODELOCK_API
nodelock_status nodelock_proof_tombstone(const nodelock_proof *proof);

/**
 * As a text file with readable headers, for mail and forms. Lent until the proof is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_proof_text(const nodelock_proof *proof);

/**
 * As one line of base64url, for links and fields. Lent until the proof is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_proof_base64url(const nodelock_proof *proof);

/**
 * As one line of base32, which a QR code stores most compactly. Lent until the proof is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_proof_base32(const nodelock_proof *proof);

/**
 * As bytes, and how many they are if `size` is not NULL. Lent until the proof is freed. NULL for NULL.
 */
NODELOCK_API const uint8_t *nodelock_proof_data(const nodelock_proof *proof, size_t *size);

/**
 * As a QR code of `link` followed by the proof in base32; see nodelock_request_qr().
 *
 * NODELOCK_TOO_LARGE: more than a QR code holds. NODELOCK_UNSUPPORTED: this build has no QR codes.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_proof_qr(const nodelock_proof *proof,
                                  const char *link,
                                  nodelock_qr **qr,
                                  nodelock_error **error);

/**
 * Frees a proof that belongs to the caller, not one that was lent. NULL is fine.
 */
NODELOCK_API void nodelock_proof_free(nodelock_proof *proof);

/**
 * How many there are. 0 for NULL.
 */
NODELOCK_API size_t nodelock_proofs_count(const nodelock_proofs *proofs);

/**
 * One of them, by its place from 0 on. Lent until all of them are freed. NULL beyond the last.
 */
NODELOCK_API const nodelock_proof *nodelock_proofs_get(const nodelock_proofs *proofs, size_t index);

/**
 * Frees all of them. NULL is fine.
 */
NODELOCK_API void nodelock_proofs_free(nodelock_proofs *proofs);

/* ==== QR codes ==== */

/**
 * How many squares a row has, and how many rows there are, without the light border of four squares that belongs
 * around it. 0 for NULL.
 */
NODELOCK_API
size_t nodelock_qr_width(const nodelock_qr *qr);

/**
 * The squares, row by row from the top left, a byte for each: 1 is dark, 0 is light. Their number is the square of the
 * width; it is stored in `count` if that is not NULL. Lent until the QR code is freed. NULL for NULL.
 */
NODELOCK_API
const uint8_t *nodelock_qr_squares(const nodelock_qr *qr,
                                   size_t *count);

/**
 * As an SVG image, black on white with its border. Lent until the QR code is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_qr_svg(const nodelock_qr *qr);

/**
 * In block characters for a terminal that writes light on dark, with its border. Lent until the QR code is freed. NULL
 * for NULL.
 */
NODELOCK_API
const char *nodelock_qr_terminal(const nodelock_qr *qr);

/**
 * Frees a QR code. NULL is fine.
 */
NODELOCK_API void nodelock_qr_free(nodelock_qr *qr);

/* ==== Receipts ==== */

/**
 * Where the seat went: NODELOCK_OUTCOME_RETURNED or NODELOCK_OUTCOME_HELD. 0 for NULL.
 */
NODELOCK_API uint32_t nodelock_receipt_outcome(const nodelock_receipt *receipt);

/**
 * The seat, such as `7KX2M9`. Lent until the receipt is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_receipt_seat(const nodelock_receipt *receipt);

/**
 * When the authority signed it, in seconds since 1970. 0 for NULL.
 */
NODELOCK_API uint64_t nodelock_receipt_time(const nodelock_receipt *receipt);

/**
 * How many more deactivations the license has. False, and nothing is stored, if there is no limit.
 */
NODELOCK_API bool nodelock_receipt_deactivations_left(const nodelock_receipt *receipt, uint32_t *count);

/**
 * As a text file with readable headers, to keep. Lent until the receipt is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_receipt_text(const nodelock_receipt *receipt);

/**
 * Frees a receipt that belongs to the caller, not one that was lent. NULL is fine.
 */
NODELOCK_API void nodelock_receipt_free(nodelock_receipt *receipt);

/**
 * How many there are. 0 for NULL.
 */
NODELOCK_API size_t nodelock_receipts_count(const nodelock_receipts *receipts);

/**
 * One of them, by its place from 0 on. Lent until all of them are freed. NULL beyond the last.
 */
NODELOCK_API const nodelock_receipt *nodelock_receipts_get(const nodelock_receipts *receipts, size_t index);

/**
 * Frees all of them. NULL is fine.
 */
NODELOCK_API void nodelock_receipts_free(nodelock_receipts *receipts);

/* ==== Revocations ==== */

/**
 * The seat, such as `7KX2M9`. Lent until the revocation is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_revocation_seat(const nodelock_revocation *revocation);

/**
 * Why, in the vendor's words; may be empty. Lent until the revocation is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_revocation_reason(const nodelock_revocation *revocation);

/**
 * When the authority signed it, in seconds since 1970. 0 for NULL.
 */
NODELOCK_API uint64_t nodelock_revocation_time(const nodelock_revocation *revocation);

/**
 * Frees a revocation, which does not undo it. NULL is fine.
 */
NODELOCK_API void nodelock_revocation_free(nodelock_revocation *revocation);

/* ==== How an online call is limited, followed and cancelled ==== */

/**
 * Makes one that limits nothing.
 *
 * Fails as every call does, with NODELOCK_INVALID_INPUT for NULL.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_call_new(nodelock_call **call,
                                  nodelock_error **error);

/**
 * How long a call may take in all, with every exchange and attempt, in milliseconds: then it fails with
 * NODELOCK_TIMED_OUT. Without it, what nodelock_config_set_patience() says is all there is.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_call_set_timeout(nodelock_call *call,
                                          uint64_t milliseconds,
                                          nodelock_error **error);

/**
 * Has `progress` told what a call is doing, from the thread that makes the call, with no lock held. `finalize` may be
 * NULL; see nodelock_finalize_fn for when it is called, also if this fails.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_call_set_progress(nodelock_call *call,
                                           void *user_data,
                                           nodelock_progress_fn progress,
                                           nodelock_finalize_fn finalize,
                                           nodelock_error **error);

/**
 * Asks every call that was given this to return NODELOCK_CANCELLED, at once or soon. What was done until then stays
 * done. It stays used: a later call returns at once. From any thread. NULL is fine.
 */
NODELOCK_API
void nodelock_call_cancel(const nodelock_call *call);

/**
 * Whether it was cancelled. From any thread. False for NULL.
 */
NODELOCK_API bool nodelock_call_is_cancelled(const nodelock_call *call);

/**
 * Frees it, once the calls that it was given to have returned. NULL is fine.
 */
NODELOCK_API void nodelock_call_free(nodelock_call *call);

/* ==== At each start ==== */

/**
 * All that an application does when it starts: nodelock_client_check(), nodelock_client_observe() where that has
 * something to record, and what is due with the authority: the license's renewal, a request that waits for its answer,
 * seats that were given up. It waits for the network `limit` milliseconds at most, for all exchanges together; 3000
 * suits most. With 0 it uses none.
 *
 * What fails on the way to the authority fails no start: a usable license stays usable. `warning` is then why the
 * renewal did not come, or why the store could not record that time has passed; NULL if all is well. It belongs to the
 * caller, to be shown or logged and freed. `warning` itself may be NULL, and so may `call`.
 * nodelock_license_is_renewed() and nodelock_license_renewal_due() say what became of the renewal.
 *
 * A later start asks again. Starts that follow within a pause do not: a minute after the first failure, twice as long
 * after each further one, an hour at most, and a minute at most while the license is not usable. A start that was
 * cancelled is no failure: the next one asks at once. An application that runs for days calls it once a day, too.
 * Nothing is sent that nodelock_client_check_in() would not send, and nothing goes on when it has returned.
 *
 * Fails as nodelock_client_check() does.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_start(const nodelock_client *client,
                                      uint64_t limit,
                                      const nodelock_call *call,
                                      nodelock_license **license,
                                      nodelock_error **warning,
                                      nodelock_error **error);

/* ==== Online calls ==== */

/**
 * Takes a seat: nodelock_client_begin(), unless the same request is pending already, then sends it, installs the
 * answer and checks. `license_key` may be NULL as there, `details` and `call` too. Where the details name a seat to
 * replace, a request that waits for a seat of the same license is taken back first. Without a license key it asks with
 * the deployment key, if one was set (nodelock_config_set_deployment_key()), and for a trial otherwise.
 *
 * When the authority refuses for good, the request is taken back and nothing is pending any more:
 * NODELOCK_UNKNOWN_LICENSE, NODELOCK_LICENSE_ENDED and others. When it cannot be reached, or with
 * NODELOCK_NO_FREE_SEAT, the request stays pending: call again, or carry it by hand. nodelock_error_seat_count() and
 * its neighbors say what seats there are then; another call may name one of them to replace, also when the one that
 * was named may not be. Fails too as nodelock_client_begin() and nodelock_client_install() do, with the codes of the
 * way to the authority, and with NODELOCK_UNSUPPORTED when the client was set up without an authority.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_activate(const nodelock_client *client,
                                         const char *license_key,
                                         const nodelock_details *details,
                                         const nodelock_call *call,
                                         nodelock_license **license,
                                         nodelock_error **error);

/**
 * Gives the seat up: asks the authority first whether it may, then nodelock_client_deactivate_offline(), then sends
 * the proof and takes in the receipt. `call` may be NULL.
 *
 * Fails while the license is still active when the authority cannot be reached, or says
 * NODELOCK_DEACTIVATION_NOT_ALLOWED. When it fails after the license is gone, nodelock_error_proof() is what was given
 * up: show its code, or call nodelock_client_hand_in() later. Otherwise as nodelock_client_deactivate_offline(), with
 * NODELOCK_NO_RANDOM and with the codes of the way to the authority.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_deactivate(const nodelock_client *client,
                                           uint32_t reason,
                                           const nodelock_call *call,
                                           nodelock_receipt **receipt,
                                           nodelock_error **error);

/**
 * Renews the license, and with it the machine's fingerprint and the time, or learns that the vendor released the seat,
 * which ends the license. What is outstanding is handed in first. Then checks. `call` may be NULL.
 *
 * NODELOCK_NOT_ACTIVE, NODELOCK_NO_RANDOM, what the authority says, the codes of the way to it, and the codes of the
 * store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_check_in(const nodelock_client *client,
                                         const nodelock_call *call,
                                         nodelock_license **license,
                                         nodelock_error **error);

/**
 * Sends what was given up and has no receipt, oldest first, all of it even if some is refused, and takes in the
 * receipts. Never NULL after NODELOCK_OK; there are none in it if nothing was outstanding. `call` may be NULL.
 *
 * Fails with the first failure: what the authority says, the codes of the way to it, the codes of the store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_hand_in(const nodelock_client *client,
                                        const nodelock_call *call,
                                        nodelock_receipts **receipts,
                                        nodelock_error **error);

/**
 * Takes a new seat in place of the one whose record is damaged or gone: nodelock_client_recover_offline(), then sends
 * the request, installs the answer and checks. `call` may be NULL.
 *
 * NODELOCK_ALREADY_ACTIVE: there is nothing to recover from. NODELOCK_UNKNOWN_SEAT: the authority knows no seat of
 * this device. Otherwise as nodelock_client_activate().
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_client_recover(const nodelock_client *client,
                                        const nodelock_call *call,
                                        nodelock_license **license,
                                        nodelock_error **error);

/* ==== The host's own HTTP ==== */

/**
 * The whole address. NULL for NULL.
 */
NODELOCK_API const char *nodelock_post_url(const nodelock_post *post);

/**
 * The bytes to post, of type `application/json`, and how many they are if `size` is not NULL. NULL for NULL.
 */
NODELOCK_API const uint8_t *nodelock_post_data(const nodelock_post *post, size_t *size);

/**
 * What the library calls itself: the `User-Agent`. NULL for NULL.
 */
NODELOCK_API const char *nodelock_post_user_agent(const nodelock_post *post);

/**
 * The header `Authorization`; NULL for no such header, and for NULL. Send it as it is, to this address and to no other
 * one: it is a secret. Without it a deployment key (nodelock_config_set_deployment_key()) does nothing.
 */
NODELOCK_API
const char *nodelock_post_authorization(const nodelock_post *post);

/**
 * How many bytes of an answer are looked at: no need to read on beyond that.
 */
NODELOCK_API size_t nodelock_post_limit(const nodelock_post *post);

/**
 * How long the whole exchange may take, in milliseconds: rounded up, so that it is never 0, which many HTTP libraries
 * take as no limit. 0 for NULL.
 */
NODELOCK_API
uint64_t nodelock_post_timeout(const nodelock_post *post);

/**
 * Whether the call was cancelled from another thread. Look now and then while waiting.
 */
NODELOCK_API bool nodelock_post_is_cancelled(const nodelock_post *post);

/**
 * Gives back what was answered: the HTTP status, and the body, which is copied. NULL is fine for an empty one.
 *
 * NODELOCK_BAD_REPLY: longer than nodelock_post_limit(); what was given back before does not count any more.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_answer_set(nodelock_answer *answer,
                                    uint32_t http_status,
                                    const uint8_t *data,
                                    size_t size,
                                    nodelock_error **error);

/**
 * Gives back how many seconds a `Retry-After` header asks for. Call it after nodelock_answer_set().
 *
 * NODELOCK_INVALID_INPUT: there is no answer yet.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_answer_set_retry_after(nodelock_answer *answer,
                                                uint64_t seconds,
                                                nodelock_error **error);

/* ==== What is found on a machine ==== */

/**
 * The name of a component, one of NODELOCK_COMPONENT_*, such as `os_id`. Lives as long as the library is loaded. NULL
 * for any other number.
 */
NODELOCK_API
const char *nodelock_component_name(uint32_t component);

/**
 * Whether signs of a virtual machine were seen. They can be forged: for the application to know, no protection.
 */
NODELOCK_API
bool nodelock_fingerprint_is_virtual_machine(const nodelock_fingerprint *fingerprint);

/**
 * Whether signs of a container were seen.
 */
NODELOCK_API bool nodelock_fingerprint_is_container(const nodelock_fingerprint *fingerprint);

/**
 * How many signs of a virtual machine or a container were seen.
 */
NODELOCK_API size_t nodelock_fingerprint_sign_count(const nodelock_fingerprint *fingerprint);

/**
 * A sign in words, by its place from 0 on. Lent until the fingerprint is freed. NULL beyond the last.
 */
NODELOCK_API const char *nodelock_fingerprint_sign(const nodelock_fingerprint *fingerprint, size_t index);

/**
 * Whether the machine has something that is unique to its hardware. If not, a license asks for renewal sooner.
 */
NODELOCK_API
bool nodelock_fingerprint_is_bindable(const nodelock_fingerprint *fingerprint);

/**
 * Whether a component, one of NODELOCK_COMPONENT_*, was found.
 */
NODELOCK_API bool nodelock_fingerprint_found(const nodelock_fingerprint *fingerprint, uint32_t component);

/**
 * How a component, one of NODELOCK_COMPONENT_*, compares with the license's: NODELOCK_MATCH_NONE,
 * NODELOCK_MATCH_AGREES or NODELOCK_MATCH_DIFFERS. What it adds to the score is stored in `weight` if that is not
 * NULL.
 */
NODELOCK_API
uint32_t nodelock_fingerprint_compare(const nodelock_fingerprint *fingerprint,
                                      uint32_t component,
                                      int32_t *weight);

/**
 * How the machine compares with the license's as a whole: NODELOCK_MATCH_NONE without a license,
 * NODELOCK_MATCH_AGREES, NODELOCK_MATCH_GRACE or NODELOCK_MATCH_DIFFERS. The score is stored in `score` if that is not
 * NULL.
 */
NODELOCK_API
uint32_t nodelock_fingerprint_outcome(const nodelock_fingerprint *fingerprint,
                                      int32_t *score);

/**
 * How many tags the machine sends to the authority: three bytes of a keyed hash for each value that was found.
 */
NODELOCK_API
size_t nodelock_fingerprint_tag_count(const nodelock_fingerprint *fingerprint);

/**
 * The three bytes of a tag, by its place from 0 on. Its component is stored in `component` if that is not NULL. Lent
 * until the fingerprint is freed. NULL beyond the last.
 */
NODELOCK_API
const uint8_t *nodelock_fingerprint_tag(const nodelock_fingerprint *fingerprint,
                                        size_t index,
                                        uint32_t *component);

/**
 * All of it in English, a line for each component, for support. Lent until the fingerprint is freed. NULL for NULL.
 */
NODELOCK_API
const char *nodelock_fingerprint_report(const nodelock_fingerprint *fingerprint);

/**
 * Frees a fingerprint. NULL is fine.
 */
NODELOCK_API void nodelock_fingerprint_free(nodelock_fingerprint *fingerprint);

/**
 * A stable identity of this machine for an application, as text: 32 hexadecimal digits, for applications that want no
 * more than that. It differs between applications, is the same for every user, changes when the operating system is
 * installed anew, and is copied along with a disk image.
 *
 * NODELOCK_UNSUPPORTED: the machine has nothing to make it of, as most containers. NODELOCK_INVALID_INPUT: an empty
 * name.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_machine_id(const char *application,
                                    nodelock_bytes **id,
                                    nodelock_error **error);

/* ==== Codes that people type ==== */

/**
 * Looks at a text field while somebody types a license key or a deactivation code into it.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_check_typing(const char *typed,
                                      nodelock_typing **typing,
                                      nodelock_error **error);

/**
 * The symbols so far, unreadable ones included; 25 make a code.
 */
NODELOCK_API size_t nodelock_typing_symbols(const nodelock_typing *typing);

/**
 * Whether this is a code, of any kind, without any typing error.
 */
NODELOCK_API bool nodelock_typing_is_complete(const nodelock_typing *typing);

/**
 * How many characters cannot be read.
 */
NODELOCK_API size_t nodelock_typing_unreadable_count(const nodelock_typing *typing);

/**
 * Where an unreadable character is among the characters of the text, from 0 on: Unicode scalar values, not bytes.
 * False, and nothing is stored, beyond the last.
 */
NODELOCK_API
bool nodelock_typing_unreadable(const nodelock_typing *typing,
                                size_t index,
                                size_t *place);

/**
 * Frees a typing. NULL is fine.
 */
NODELOCK_API void nodelock_typing_free(nodelock_typing *typing);

/**
 * Reads a license key as somebody typed it, with its typing errors mended. nodelock_client_begin() and
 * nodelock_client_activate() do so by themselves; this is for showing what was mended.
 *
 * NODELOCK_TOO_LARGE: over 256 bytes. NODELOCK_WRONG_TYPE: a deactivation code. NODELOCK_UNSUPPORTED_VERSION: a code
 * of a kind that this version does not know. NODELOCK_SEVERAL_MESSAGES: several license keys.
 * NODELOCK_UNREADABLE_CODE: everything else.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_license_key_read(const char *typed,
                                          nodelock_readings **readings,
                                          nodelock_error **error);

/**
 * Reads a deactivation code as somebody typed it, with its typing errors mended.
 *
 * Fails as nodelock_license_key_read() does; NODELOCK_WRONG_TYPE is for a license key.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_deactivation_code_read(const char *typed,
                                                nodelock_readings **readings,
                                                nodelock_error **error);

/**
 * How many codes it may be.
 */
NODELOCK_API size_t nodelock_readings_count(const nodelock_readings *readings);

/**
 * A code as it should have been typed, by its place from 0 on. Lent until the readings are freed. NULL beyond the
 * last.
 */
NODELOCK_API
const char *nodelock_readings_code(const nodelock_readings *readings,
                                   size_t index);

/**
 * The seat that a deactivation code gives up, such as `7KX2M9`, by the place of the code. Lent until the readings are
 * freed. NULL beyond the last, and for a license key.
 */
NODELOCK_API
const char *nodelock_readings_seat(const nodelock_readings *readings,
                                   size_t index);

/**
 * How many typing errors were mended to get to a code.
 */
NODELOCK_API size_t nodelock_readings_correction_count(const nodelock_readings *readings, size_t index);

/**
 * A typing error and how it was mended, in English: `group 2, place 3: 8 was typed, B is meant`. Lent until the
 * readings are freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_readings_correction(const nodelock_readings *readings,
                                         size_t index,
                                         size_t correction);

/**
 * Frees readings. NULL is fine.
 */
NODELOCK_API void nodelock_readings_free(nodelock_readings *readings);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#if defined(NODELOCK_AUTHORITY)

/*
 * The authority's functions: for a vendor's server. Define NODELOCK_AUTHORITY, and use a library that was built with
 * feature `authority`; others do not have these functions.
 *
 * The library decides, and the server keeps the records: it looks up what a decision asks for, stores what the decision
 * says, and sends its reply. No rule is left to it. Six tables are enough: licenses (by id and by the hash of their
 * key), seats (by name, with the license and whether the seat is taken and counted), evidence (by seat), check-ins,
 * attempts and counts (by name). A seat is kept for ever, so that no old message is ever news again.
 *
 *     activation file       nodelock_activation_read(), nodelock_decide_activation()
 *     deactivation file     nodelock_release_read(), nodelock_decide_release()
 *     code by phone         nodelock_decide_code()
 *     check-in              nodelock_decide_check_in()
 *     preflight             nodelock_decide_preflight()
 *     by a customer         nodelock_decide_customer_release()
 *     by the vendor         nodelock_decide_renewal(), nodelock_decide_forced_release(), nodelock_decide_return()
 *
 * Each decision goes the same way:
 *
 *  1. Call the function with new records. While the outcome is NODELOCK_DECISION_NEEDS, answer every query
 *     (nodelock_decision_query_count(), nodelock_records_answer()), do the verifications (nodelock_records_verify()),
 *     and call it again.
 *  2. Do that once without a transaction, so that no verification is done while one is open. Then open a transaction
 *     that keeps other writers out, forget the records (nodelock_records_keep_facts()), and do it again. If a
 *     verification is missing now, which is rare, roll back and begin at 1.
 *  3. Store every change (nodelock_decision_change_count()), sign (nodelock_decision_reply()), commit, and only then
 *     send.
 *  4. After NODELOCK_DECISION_ATTEMPTED is committed, do the verifications, forget the records, and begin at 1.
 *
 * Every act is idempotent: a message that comes again has the same answer and changes nothing. When a function returns
 * another status than NODELOCK_OK, nothing is decided and there is nothing to store. Beside the codes that its comment
 * names, a decision may return NODELOCK_NO_RANDOM. The functions have no state, so they may be called from any number of
 * threads and processes.
 */

/**
 * The license of a key. The value is nodelock_license_key_hash() of the key. Found: that license, or nothing.
 */
#define NODELOCK_QUERY_LICENSE_OF_KEY 1

/**
 * A license. The value is its id. Found: that license, or nothing.
 */
#define NODELOCK_QUERY_LICENSE 2

/**
 * Every seat of a name, whatever its license, device and state: mostly one. The value is the name, such as `7KX2M9`.
 * Found: these seats.
 */
#define NODELOCK_QUERY_SEATS_OF_HANDLE 3

/**
 * Every seat of a device that is taken (nodelock_decision_change_is_taken()), lapsed or not, whatever its license. The
 * value is the device key. Found: these seats; if there are more than 128, those that were granted last.
 */
#define NODELOCK_QUERY_TAKEN_SEATS_OF 4

/**
 * The evidence that is kept under a name. The value is the name, such as `7KX2M9`. Found: all of it, oldest first.
 */
#define NODELOCK_QUERY_EVIDENCE_OF 5

/**
 * A check-in that was answered before. The value is the name under which NODELOCK_CHANGE_CHECK_IN stored it. Found:
 * that record, or nothing.
 */
#define NODELOCK_QUERY_CHECK_IN 6

/**
 * The attempts at a seat. The value is the seat and its device key, such as `7KX2M9:…`. Found: that record, or
 * nothing.
 */
#define NODELOCK_QUERY_ATTEMPTS 7

/**
 * How often something happened to a license within a year. The value is the name under which NODELOCK_CHANGE_COUNT
 * stored it: the license's id, a slash, and what is counted, such as `0123456789abcdef/replaced`. Found: that record,
 * or nothing.
 */
#define NODELOCK_QUERY_COUNT 8

/**
 * The seats of a license that count as taken, whose use ends first (nodelock_decision_change_ends()). The value is the
 * license's id, a slash, the last end in seconds since 1970, a slash, and how many seats at most. Found: these seats,
 * the first to end first.
 */
#define NODELOCK_QUERY_SEATS_BY_END 9

/**
 * The seats of a license that are taken and not lapsed, and have a hardware tag (nodelock_decision_change_tag()). The
 * value is the license's id, a slash, and the tag, such as `3/0a1b2c`. Found: these seats, at most 32, those first
 * that were heard of least lately.
 */
#define NODELOCK_QUERY_SEATS_WITH_TAG 10

/**
 * The seat that a machine has: of the seats with that nodelock_decision_change_machine() the one that is taken, lapsed
 * or not. The value is that text. Found: this seat, or nothing.
 */
#define NODELOCK_QUERY_SEAT_OF_MACHINE 11

/**
 * What the database notes of its service. The value is `history`. Found: that record, or nothing.
 */
#define NODELOCK_QUERY_HISTORY 12

/**
 * A page that was noted. The value is the page, 16 hex digits. Found: that record, or nothing.
 */
#define NODELOCK_QUERY_PAGE 13

/**
 * The trials (nodelock_decision_change_is_trial()) of the product of a license, of whatever license, that have or had
 * a hardware tag, taken or not. The value is as for NODELOCK_QUERY_SEATS_WITH_TAG. Found: these seats, at most 32,
 * those first that were granted last.
 */
#define NODELOCK_QUERY_TRIALS_WITH_TAG 14

/**
 * The requests under a name that wait for approval, or were approved or refused. The value is the name, such as
 * `7KX2M9`. Found: the records of NODELOCK_CHANGE_APPROVAL whose name begins with it.
 */
#define NODELOCK_QUERY_APPROVALS_OF 15

/**
 * A new seat was granted; its license is sent.
 */
#define NODELOCK_DECISION_GRANTED 1

/**
 * The same message again; the same license is sent.
 */
#define NODELOCK_DECISION_REPEATED 2

/**
 * The seat went back to the pool, now or before; its receipt is sent.
 */
#define NODELOCK_DECISION_RETURNED 3

/**
 * No deactivation was left, so the seat is kept for its device; its receipt is sent.
 */
#define NODELOCK_DECISION_HELD 4

/**
 * The license was renewed; the new one is sent.
 */
#define NODELOCK_DECISION_RENEWED 5

/**
 * The seat is over; its revocation is sent, which ends what a device may still have.
 */
#define NODELOCK_DECISION_REVOKED 6

/**
 * Nothing is decided: answer the queries, do the verifications, and call the function again.
 */
#define NODELOCK_DECISION_NEEDS 7

/**
 * The request is refused for good. Seats that came along are free all the same; their receipts are sent. Or the
 * license of a check-in is an alarm.
 */
#define NODELOCK_DECISION_REFUSED 8

/**
 * Nobody has asked for that seat yet; what was handed over is kept until its request arrives. Nothing is sent.
 */
#define NODELOCK_DECISION_KEPT 9

/**
 * The vendor returned a held seat to the pool. Nothing is sent, because there is nobody to tell.
 */
#define NODELOCK_DECISION_RETURNED_BY_VENDOR 10

/**
 * The attempt is counted and the code not looked at yet: store, commit, do the verifications, and call the function
 * again.
 */
#define NODELOCK_DECISION_ATTEMPTED 11

/**
 * A preflight is answered. Nothing is stored and nothing is sent.
 */
#define NODELOCK_DECISION_PREFLIGHT 12

/**
 * The service of the database is noted. Nothing is sent. Copy the page outside once this is stored.
 */
#define NODELOCK_DECISION_NOTED 13

/**
 * The vendor reset an allowance of a license, or granted extra ones. Nothing is sent.
 */
#define NODELOCK_DECISION_ALLOWED 14

/**
 * The vendor let the trial of a seat's machine last longer. Nothing is sent: its device hears of it when it checks in.
 */
#define NODELOCK_DECISION_EXTENDED 15

/**
 * The vendor approved a request, or refused it. Nothing is sent: its device hears of it when it asks again.
 */
#define NODELOCK_DECISION_RULED 16

/**
 * A seat is new. There is none of that name; if there is, storing it must fail and the transaction with it. Seats are
 * kept for ever, except that a `cancelled` one may go when its `requested` is one of the dates of nodelock_outdated().
 */
#define NODELOCK_CHANGE_INSERT_SEAT 1

/**
 * A seat takes the place of the one of that name.
 */
#define NODELOCK_CHANGE_UPDATE_SEAT 2

/**
 * Evidence is kept, beside what is kept under that name already.
 */
#define NODELOCK_CHANGE_KEEP_EVIDENCE 3

/**
 * That evidence, which is kept under that name, goes.
 */
#define NODELOCK_CHANGE_FORGET_EVIDENCE 4

/**
 * A check-in was answered. Check-ins of that seat below nodelock_decision_change_forget_below() may go.
 */
#define NODELOCK_CHANGE_CHECK_IN 5

/**
 * Attempts take the place of those of that name.
 */
#define NODELOCK_CHANGE_ATTEMPTS 6

/**
 * A count takes the place of the one of that name.
 */
#define NODELOCK_CHANGE_COUNT 7

/**
 * What the database notes of its service takes the place of what it noted before.
 */
#define NODELOCK_CHANGE_HISTORY 8

/**
 * A page is in service. There is none of that name; if there is, storing it must fail and the transaction with it.
 * Pages are kept for ever.
 */
#define NODELOCK_CHANGE_PAGE 9

/**
 * A license that the database has lost, on the terms that a device's license says. It comes before its seats. The
 * record is the terms, as nodelock_terms_check() has them. The hash of its key is lost, so give it another key.
 */
#define NODELOCK_CHANGE_LICENSE 10

/**
 * What of a license's allowances counts no more, and what was granted beyond its terms. It takes the place of what was
 * stored under that license's id before, and is a part of the license when that is looked up
 * (nodelock_records_answer()).
 */
#define NODELOCK_CHANGE_ALLOWANCES 11

/**
 * What the device of a seat says of its machine now, for people: `[["computer", "desk"]]`, in place of what it said
 * before in its request (nodelock_activation_metadata_count()) or a check-in. No query asks for it, and it may be
 * passed over.
 */
#define NODELOCK_CHANGE_DESCRIPTION 12

/**
 * A request that waits for approval, or was approved or refused, takes the place of the one of that name, which is
 * that of the seat that it asks for. It may go once there is a seat of that name, and when it is old.
 */
#define NODELOCK_CHANGE_APPROVAL 13

/**
 * The requests of a device for seats of a license go, whatever was said of them. The name is the device key, and
 * nodelock_decision_change_license() the license. A vendor that suspends or ends a license deletes all requests of it.
 */
#define NODELOCK_CHANGE_FORGET_APPROVALS 14

/**
 * An activation file that was read: a request, which is verified, with the seats given up that came along, which are
 * not. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_activation nodelock_activation;

/**
 * What a rule came to. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_decision nodelock_decision;

/**
 * A key that signs what devices believe. Belongs to the caller; may be used from any number of threads.
 */
typedef struct nodelock_issuer nodelock_issuer;

/**
 * A private key: a root's, which certifies issuers, or an issuer's, which signs licenses. Belongs to the caller; may
 * be used from any number of threads. Wiped when freed.
 */
typedef struct nodelock_key nodelock_key;

/**
 * What a decision is made from. Belongs to the caller; for one thread at a time.
 */
typedef struct nodelock_records nodelock_records;

/**
 * A proof that a device hands over, read and not verified yet: that takes the seat. Belongs to the caller; may be read
 * from any number of threads.
 */
typedef struct nodelock_release nodelock_release;

/**
 * The signed messages that answer a device. Belongs to the caller; may be read from any number of threads.
 */
typedef struct nodelock_reply nodelock_reply;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ==== What was sold ==== */

/**
 * Checks that licenses can be issued on these terms, so that an error shows when they are sold and not when a customer
 * activates.
 *
 * Terms are what was sold, as JSON. `id` (16 hex digits, nodelock_license_id_generate()), `product` and `seats` must
 * be there; the others are shown with their defaults:
 *
 * ```json
 * {
 *   "id": "0123456789abcdef", "product": "Example Editor", "seats": 1,
 *   "licensee": "", "edition": "",
 *   "features": [{"name": "export", "limit": null, "expires": null}],
 *   "metadata": [["name", "value"]],
 *   "starts": 0, "expires": null, "trial_days": null, "updates_until": null,
 *   "lease_days": 90, "unbindable_lease_days": 14, "margin_days": 14,
 *   "seat_list": "dates", "reinstalls": null, "one_seat_per_machine": false, "virtual_reinstalls": false,
 *   "replace": null, "deactivations": null, "activations": null, "period_days": null,
 *   "approval": "none", "suspended": false,
 *   "policy": {"weights": [], "accept": 16, "grace": 8, "grace_days": 14}
 * }
 * ```
 *
 * (By default there are no features and no metadata.) `null` is without limit or end. With `trial_days` a machine may
 * use it for so many days, from its first trial of the product on. `lease_days` is how many days a device may go
 * without a renewal, `unbindable_lease_days` the same for a machine that has nothing unique to its hardware,
 * `margin_days` how many days a seat counts beyond the end of its use, at least 3. `deactivations` and `activations`
 * are how many there may be, for the whole life of the license or, with `period_days`, in each period of so many days
 * from `starts` on. With `approval` `required` each activation waits for nodelock_decide_approval(). A vendor that
 * suspends a license sets `suspended`. A member of another name is an error.
 *
 * NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_terms_check(const char *terms,
                                     nodelock_error **error);

/**
 * How far an allowance of a license is used at `now`: `license` is the record that nodelock_records_answer() takes,
 * `allowance` is `activations` or `deactivations`. `*used` are those that were used up in the period, `*left` those
 * that are left: 4294967295 without a limit. Each of them may be NULL.
 *
 * NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_license_allowance(const char *license,
                                           const char *allowance,
                                           uint64_t now,
                                           uint32_t *used,
                                           uint32_t *left,
                                           nodelock_error **error);

/* ==== Keys ==== */

/**
 * Makes a new private key.
 *
 * NODELOCK_NO_RANDOM.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_key_generate(nodelock_key **key,
                                      nodelock_error **error);

/**
 * Reads a private key from its 64 bytes.
 *
 * NODELOCK_MALFORMED, NODELOCK_WEAK_KEY.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_key_read(const uint8_t *data,
                                  size_t size,
                                  nodelock_key **key,
                                  nodelock_error **error);

/**
 * The 64 bytes to keep, and their number if `size` is not NULL. A secret: keep them where only the server can read
 * them, a root's offline. Lent until the key is freed. NULL for NULL.
 */
NODELOCK_API
const uint8_t *nodelock_key_data(const nodelock_key *key,
                                 size_t *size);

/**
 * The public half: 43 characters of base64url. A root's is what applications embed. Lent until the key is freed. NULL
 * for NULL.
 */
NODELOCK_API
const char *nodelock_key_public(const nodelock_key *key);

/**
 * Frees a key and wipes it. NULL is fine.
 */
NODELOCK_API void nodelock_key_free(nodelock_key *key);

/**
 * Makes the certificate with which an issuer key may sign, as a text file. `terms` is JSON, and each member must be
 * there:
 *
 * ```json
 * {
 *   "issuer": "nodelock_key_public() of the issuer", "name": "Example Ltd", "serial": 1,
 *   "not_before": 1800000000, "not_after": 1831536000,
 *   "longest_lease_days": 400, "endless": true
 * }
 * ```
 *
 * `name` is for people, `serial` the vendor's number for the certificate. Licenses issued before its end stay valid.
 * `longest_lease_days` is how many days after its signature a license may end, `endless` whether the issuer may sign
 * others too. After the vendor's database was restored to an earlier copy, no seat lapses for that long.
 *
 * NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE; NODELOCK_MALFORMED, NODELOCK_WEAK_KEY: not a public key.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_certificate_issue(const nodelock_key *root,
                                           const char *terms,
                                           nodelock_bytes **certificate,
                                           nodelock_error **error);

/**
 * A new license key to sell, as text: `2…`, 25 symbols in five groups. It is as good as the license: keep
 * nodelock_license_key_hash() of it.
 *
 * NODELOCK_NO_RANDOM.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_license_key_generate(nodelock_bytes **license_key,
                                              nodelock_error **error);

/**
 * What finds a license without holding its key, as text: 64 hex digits, the same for every way to type the key. Store
 * it when a license is sold; NODELOCK_QUERY_LICENSE_OF_KEY asks for it.
 *
 * NODELOCK_INVALID_INPUT: the key is empty.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_license_key_hash(const char *license_key,
                                          nodelock_bytes **hash,
                                          nodelock_error **error);

/**
 * The end of a license key, for people who look for one: too little to guess the rest from.
 *
 * NODELOCK_INVALID_INPUT: the key is empty.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_license_key_hint(const char *license_key,
                                          nodelock_bytes **hint,
                                          nodelock_error **error);

/**
 * A new name for a license, as text: 16 hex digits.
 *
 * NODELOCK_NO_RANDOM.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_license_id_generate(nodelock_bytes **id,
                                             nodelock_error **error);

/* ==== Who signs ==== */

/**
 * Makes an issuer of a key and its certificate in any form, which the public key `root` must have signed. Without a
 * certificate, `certificate` NULL and `size` 0, the key is a root that signs itself, and `root` may be NULL: the
 * simplest set-up, with nothing to fall back on when the key is stolen.
 *
 * NODELOCK_INVALID_INPUT: the certificate is another key's. The codes of a message.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_issuer_new(const nodelock_key *key,
                                    const uint8_t *certificate,
                                    size_t size,
                                    const char *root,
                                    nodelock_issuer **issuer,
                                    nodelock_error **error);

/**
 * Whether an issuer may sign at `now`, in seconds since 1970: for a server that says whether it is ready. A root
 * always may.
 *
 * NODELOCK_CERTIFICATE_EXPIRED: its certificate has ended, or is not valid yet.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_issuer_check(const nodelock_issuer *issuer,
                                      uint64_t now,
                                      nodelock_error **error);

/**
 * Frees an issuer and wipes its key. NULL is fine.
 */
NODELOCK_API void nodelock_issuer_free(nodelock_issuer *issuer);

/* ==== Activation files ==== */

/**
 * Reads an activation file in any form: bytes, text, base64url, base32 behind a link.
 *
 * The codes of a message.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_activation_read(const uint8_t *data,
                                         size_t size,
                                         nodelock_activation **activation,
                                         nodelock_error **error);

/**
 * Has the request take the place of a seat, if no seat is free: the choice of a customer who hands the file in by hand
 * and was told of the seats that there are (nodelock_decision_seats()). `seat` is the seat's name, such as `7KX2M9`. A
 * request that names a seat itself stays with that.
 *
 * NODELOCK_MALFORMED, NODELOCK_UNREADABLE_CODE: `seat` is no name.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_activation_replace(nodelock_activation *activation,
                                            const char *seat,
                                            nodelock_error **error);

/**
 * The seat it asks for, such as `7KX2M9`. Two devices may draw the same name, so a database knows a seat by this and
 * the device key. Lent until the activation is freed. NULL for NULL.
 */
NODELOCK_API
const char *nodelock_activation_seat(const nodelock_activation *activation);

/**
 * The device's public key: 43 characters of base64url. Lent until the activation is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_activation_device_key(const nodelock_activation *activation);

/**
 * The product. Lent until the activation is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_activation_product(const nodelock_activation *activation);

/**
 * The license key as it was typed; may be empty. A secret. Lent until the activation is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_activation_license_key(const nodelock_activation *activation);

/**
 * The version of the application; may be empty. Lent until the activation is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_activation_application(const nodelock_activation *activation);

/**
 * How many entries the application's metadata and the device's description have together.
 */
NODELOCK_API size_t nodelock_activation_metadata_count(const nodelock_activation *activation);

/**
 * The name of an entry, by its place from 0 on. Lent until the activation is freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_activation_metadata_name(const nodelock_activation *activation,
                                              size_t index);

/**
 * The value of an entry, by its place from 0 on. Lent until the activation is freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_activation_metadata_value(const nodelock_activation *activation,
                                               size_t index);

/**
 * Whether the device says that its store was lost, and asks for a seat in place of what it held. False for a request
 * with a license key, which recovers nothing.
 */
NODELOCK_API
bool nodelock_activation_is_recovery(const nodelock_activation *activation);

/**
 * How many seats given up came along.
 */
NODELOCK_API size_t nodelock_activation_release_count(const nodelock_activation *activation);

/**
 * A seat given up that came along, by its place from 0 on, for nodelock_decide_release(). nodelock_decide_activation()
 * frees them all; this is for when that is not stored, because the license cannot be signed.
 *
 * NODELOCK_INVALID_INPUT: beyond the last.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_activation_release(const nodelock_activation *activation,
                                            size_t index,
                                            nodelock_release **release,
                                            nodelock_error **error);

/**
 * Frees an activation. NULL is fine.
 */
NODELOCK_API void nodelock_activation_free(nodelock_activation *activation);

/* ==== Deactivation files ==== */

/**
 * Reads a deactivation file in any form: bytes, text, base64url, base32 behind a link.
 *
 * The codes of a message.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_release_read(const uint8_t *data,
                                      size_t size,
                                      nodelock_release **release,
                                      nodelock_error **error);

/**
 * The seat that it claims to give up, such as `7KX2M9`. Nothing is verified. Lent until the release is freed. NULL for
 * NULL.
 */
NODELOCK_API
const char *nodelock_release_seat(const nodelock_release *release);

/**
 * Whether the request came along, as it does when it was cancelled before a license came.
 */
NODELOCK_API bool nodelock_release_has_request(const nodelock_release *release);

/**
 * Frees a release. NULL is fine.
 */
NODELOCK_API void nodelock_release_free(nodelock_release *release);

/* ==== What a decision is made from ==== */

/**
 * A new page, as text: 16 hex digits. What is signed in one minute of service is signed under one page, which
 * nodelock_decide_note() notes first.
 *
 * NODELOCK_NO_RANDOM.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_page_generate(nodelock_bytes **page,
                                       nodelock_error **error);

/**
 * Makes records that hold nothing yet. What is decided from them is signed under `page`, which is noted already but
 * for nodelock_decide_note(). `issuer` is one that signs for the vendor now: it says how long a lease may be, and by
 * which root the vendor's own messages are known. It may be freed before the records are.
 *
 * NODELOCK_INVALID_INPUT: no page.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_records_new(const nodelock_issuer *issuer,
                                     const char *page,
                                     nodelock_records **records,
                                     nodelock_error **error);

/**
 * Answers a query: `kind` is nodelock_decision_query_kind(), one of NODELOCK_QUERY_*, `value`
 * nodelock_decision_query_value(), and `found` has `count` texts. To find nothing is an answer too, `count` 0. What is
 * found are the records as they were stored:
 *
 * - a license: `{"terms": {…}, "taken": 1, "deactivated": 0, "activated": 1, "allowances": null}`, with the terms of
 *   nodelock_terms_check(), how many of its seats are taken (nodelock_decision_change_is_taken()) and not lapsed
 *   (nodelock_decision_change_is_lapsed()), how many used up a deactivation (nodelock_decision_change_is_counted())
 *   and an activation (nodelock_decision_change_is_activation()), and what NODELOCK_CHANGE_ALLOWANCES stored under its
 *   id, or `null`;
 * - seats, evidence, check-ins, requests that wait, attempts and counts: nodelock_decision_change_record().
 *
 * NODELOCK_INVALID_INPUT: no such kind or value, a record that cannot be read, or one that was not asked for.
 * NODELOCK_TOO_LARGE: a record of more than 1 MiB. NODELOCK_CORRUPT: evidence that cannot be read. NODELOCK_MALFORMED,
 * NODELOCK_WEAK_KEY, NODELOCK_UNREADABLE_CODE: the value is no key or no name. Nothing is taken then.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_records_answer(nodelock_records *records,
                                        uint32_t kind,
                                        const char *value,
                                        const char *const *found,
                                        size_t count,
                                        nodelock_error **error);

/**
 * Does the verifications that a decision asks for (nodelock_decision_has_verifications()) and adds what they come
 * to, which stays true for ever. A signature takes some 50 microseconds and a code
 * (nodelock_decision_has_slow_verifications()) some 20 to 100 milliseconds, so do it while no transaction is open.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_records_verify(nodelock_records *records,
                                        const nodelock_decision *decision,
                                        nodelock_error **error);

/**
 * Forgets every record and keeps what the verifications came to: for the next transaction, which must look
 * everything up anew.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_records_keep_facts(nodelock_records *records,
                                            nodelock_error **error);

/**
 * Frees records. NULL is fine.
 */
NODELOCK_API void nodelock_records_free(nodelock_records *records);

/* ==== Decisions ==== */

/**
 * Answers an activation file: frees the seats that came along, then grants the request a seat. `license` is the id of
 * the license that the vendor assigned to a request without a license key; NULL for none.
 *
 * NODELOCK_DECISION_GRANTED; NODELOCK_DECISION_REPEATED: the same request again, which fetches the license that it was
 * granted and never a renewed one; or NODELOCK_DECISION_REFUSED, to be stored and sent like any other, because the
 * seats that came along are free all the same. nodelock_decision_refusal() says why: NODELOCK_UNKNOWN_LICENSE,
 * NODELOCK_WRONG_PRODUCT, NODELOCK_LICENSE_ENDED, NODELOCK_NO_FREE_SEAT, NODELOCK_NO_ACTIVATION_LEFT;
 * NODELOCK_APPROVAL_WANTED: it waits for nodelock_decide_approval(); NODELOCK_REQUEST_REFUSED: that refused it;
 * NODELOCK_WRONG_REQUEST: another request under the same name; NODELOCK_CROWDED_HANDLE: too many other devices asked
 * under that handle before; NODELOCK_OUTDATED: it is more than five years old; NODELOCK_REQUEST_CANCELLED,
 * NODELOCK_GIVEN_UP, NODELOCK_REVOKED: the life of that seat is over; for a recovery NODELOCK_UNKNOWN_SEAT,
 * NODELOCK_OUTDATED, NODELOCK_WRONG_MACHINE.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_activation(const nodelock_activation *activation,
                                           const char *license,
                                           const nodelock_records *records,
                                           uint64_t now,
                                           nodelock_decision **decision,
                                           nodelock_error **error);

/**
 * Gives a seat up on its device's proof. No rule refuses a genuine proof, because its device has lost the license
 * already; coming again it changes nothing and has the same receipt.
 *
 * NODELOCK_DECISION_RETURNED or NODELOCK_DECISION_HELD; NODELOCK_DECISION_KEPT: nobody has asked for that seat yet,
 * and the proof is kept until its request arrives. NODELOCK_BAD_SIGNATURE: another device signed it.
 * NODELOCK_WRONG_REQUEST: this device signed it for another activation. NODELOCK_TOO_MANY_ATTEMPTS: too much is kept
 * under that name.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_release(const nodelock_release *release,
                                        const nodelock_records *records,
                                        uint64_t now,
                                        nodelock_decision **decision,
                                        nodelock_error **error);

/**
 * Gives a seat up on a code that somebody read over the phone, typing errors included. The attempt is counted before
 * the code is looked at, so this takes two decisions: the first is NODELOCK_DECISION_ATTEMPTED. Store and commit it,
 * do its verifications with nodelock_records_verify(), and begin again with nodelock_records_keep_facts().
 *
 * NODELOCK_DECISION_RETURNED or NODELOCK_DECISION_HELD; NODELOCK_DECISION_KEPT as for nodelock_decide_release().
 * NODELOCK_WRONG_CODE; NODELOCK_TOO_MANY_ATTEMPTS: every seat that it may be about had too many within a day. What
 * cannot be read counts as no attempt; it fails as nodelock_deactivation_code_read() does.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_code(const char *typed,
                                     const nodelock_records *records,
                                     uint64_t now,
                                     nodelock_decision **decision,
                                     nodelock_error **error);

/**
 * Answers a check-in or a check-in file, in any form. The same check-in again has the same license. A seat that the
 * vendor's database has lost, because it was restored to an earlier copy, is entered again from the license in the
 * file; an event `healed` says so.
 *
 * NODELOCK_DECISION_RENEWED, NODELOCK_DECISION_REPEATED, or NODELOCK_DECISION_REVOKED: the seat is over, and only the
 * revocation ends what a copy of the device's store still has. NODELOCK_DECISION_REFUSED, to be stored like any other:
 * the license was signed with the vendor's key and never issued, as an event `strange-license` says;
 * nodelock_decision_refusal() is NODELOCK_UNKNOWN_SEAT. NODELOCK_LICENSE_WANTED: the database does not know the seat
 * or its latest license; the device is to send the whole file. NODELOCK_UNKNOWN_SEAT: the license is not one of the
 * device that signed the check-in. NODELOCK_WRONG_MACHINE: the machine has changed too much. NODELOCK_LICENSE_ENDED.
 * NODELOCK_OUTDATED: another check-in followed this one. The codes of a message.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_check_in(const uint8_t *data,
                                         size_t size,
                                         const nodelock_records *records,
                                         uint64_t now,
                                         nodelock_decision **decision,
                                         nodelock_error **error);

/**
 * Answers a preflight, in any form: a device's question whether its seat may be given up. There is nothing to store or
 * to sign.
 *
 * NODELOCK_DECISION_PREFLIGHT; nodelock_decision_is_allowed() is the answer. NODELOCK_UNKNOWN_SEAT: the
 * device that signed it has no such seat. The codes of a message.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_preflight(const uint8_t *data,
                                          size_t size,
                                          const nodelock_records *records,
                                          uint64_t now,
                                          nodelock_decision **decision,
                                          nodelock_error **error);

/**
 * A new license for an active seat, as a file for a device that does not check in. `seat` is the seat and its device
 * key, as nodelock_decision_change_name() has them.
 *
 * NODELOCK_DECISION_RENEWED. NODELOCK_UNKNOWN_SEAT, NODELOCK_LICENSE_ENDED, NODELOCK_GIVEN_UP, NODELOCK_REVOKED.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_renewal(const char *seat,
                                        const nodelock_records *records,
                                        uint64_t now,
                                        nodelock_decision **decision,
                                        nodelock_error **error);

/**
 * Releases the seat of a machine that is dead, lost or unwilling. `seat` is as for nodelock_decide_renewal(), `notice`
 * a line for the customer, which may be NULL. The device hears of it when it next checks in, or by the file of the
 * reply. Until then the license there runs to the end of its lease, so the seat may be in use twice for that long.
 *
 * NODELOCK_DECISION_REVOKED, the same again for a seat that was released before; NODELOCK_DECISION_RETURNED_BY_VENDOR
 * for a seat that was held. NODELOCK_UNKNOWN_SEAT. NODELOCK_GIVEN_UP: there is nothing to release.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_forced_release(const char *seat,
                                               const char *notice,
                                               const nodelock_records *records,
                                               uint64_t now,
                                               nodelock_decision **decision,
                                               nodelock_error **error);

/**
 * Takes the release of a seat back, while its device has not heard of it and a seat is free. `seat` is as for
 * nodelock_decide_renewal(). A revocation that was carried to the device by hand is not known here: what was handed
 * over is not to be taken back.
 *
 * NODELOCK_DECISION_RENEWED, and NODELOCK_DECISION_REPEATED for the same again. NODELOCK_UNKNOWN_SEAT,
 * NODELOCK_LICENSE_ENDED, NODELOCK_NO_FREE_SEAT. NODELOCK_GIVEN_UP: the vendor did not release it, its device was told
 * so or gave it back, its use is over, or another installation has the seat of its machine.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_unrelease(const char *seat,
                                          const nodelock_records *records,
                                          uint64_t now,
                                          nodelock_decision **decision,
                                          nodelock_error **error);

/**
 * Releases a seat on the word of a customer who has the license key, without a request that takes its place. `license`
 * is the license's id, `seat` the seat's name without a device key, such as `7KX2M9`. Its device must have been silent
 * for a week, and the license must allow one more. Coming again it changes nothing and has the same revocation.
 *
 * NODELOCK_DECISION_REVOKED; NODELOCK_DECISION_RETURNED_BY_VENDOR for a held seat, which nobody is told of.
 * NODELOCK_UNKNOWN_LICENSE, NODELOCK_UNKNOWN_SEAT: not of this license. NODELOCK_DEACTIVATION_NOT_ALLOWED: beyond
 * these limits.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_customer_release(const char *license,
                                                 const char *seat,
                                                 const nodelock_records *records,
                                                 uint64_t now,
                                                 nodelock_decision **decision,
                                                 nodelock_error **error);

/**
 * Lets the trial of a seat's machine last until `until`, in seconds since 1970. It counts for every trial that the
 * machine has or had. `seat` is as for nodelock_decide_renewal(). The same again changes nothing.
 *
 * NODELOCK_DECISION_EXTENDED. NODELOCK_UNKNOWN_SEAT. NODELOCK_INVALID_INPUT: the seat is no trial, or its trial ends
 * later.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_trial(const char *seat,
                                      uint64_t until,
                                      const nodelock_records *records,
                                      uint64_t now,
                                      nodelock_decision **decision,
                                      nodelock_error **error);

/**
 * Returns a held seat to the pool. `seat` is as for nodelock_decide_renewal().
 *
 * NODELOCK_DECISION_RETURNED_BY_VENDOR. NODELOCK_UNKNOWN_SEAT, NODELOCK_NOT_HELD.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_return(const char *seat,
                                       const nodelock_records *records,
                                       uint64_t now,
                                       nodelock_decision **decision,
                                       nodelock_error **error);

/**
 * Approves the request for a seat, or refuses it. `seat` is the name under which NODELOCK_CHANGE_APPROVAL stored it.
 * With `refusal` NULL it is approved: the same request gets its license when it comes again, if a seat is free then.
 * Otherwise its device hears that it was refused, with that text, which may be empty, has 200 bytes at most, and no
 * word of 20 or more letters and digits: it may be a license key. An approval is taken back by a refusal until the
 * seat is granted. The same again changes nothing.
 *
 * NODELOCK_DECISION_RULED. NODELOCK_UNKNOWN_SEAT: no such request waits. NODELOCK_REQUEST_REFUSED: it was refused
 * before. NODELOCK_INVALID_INPUT: the text.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_approval(const char *seat,
                                         const char *refusal,
                                         const nodelock_records *records,
                                         uint64_t now,
                                         nodelock_decision **decision,
                                         nodelock_error **error);

/**
 * Resets an allowance of a license, or grants extra ones until its next period. `allow` is JSON:
 *
 * ```json
 * {"license": "0123456789abcdef", "allowance": "activations", "extra": null, "reason": ""}
 * ```
 *
 * `allowance` is `activations` or `deactivations`. With `extra` null, as by default, what was used up counts no more;
 * otherwise so many extra ones take the place of those that were granted before. `reason` is a line for the vendor's
 * audit. No seat changes by it, and the same again changes nothing.
 *
 * NODELOCK_DECISION_ALLOWED. NODELOCK_UNKNOWN_LICENSE. NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE: not such a record,
 * or the reason.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_allowance(const char *allow,
                                          const nodelock_records *records,
                                          uint64_t now,
                                          nodelock_decision **decision,
                                          nodelock_error **error);

/**
 * Notes that the vendor's database is in service, under the page of the records, which must be new: at the start, in
 * each minute while it serves, and when it stops. Store the decision, copy the page to a place outside of the
 * database, and sign under it from then on. So a database that was restored to an earlier copy is found out.
 *
 * `note` is JSON; each member may be left out:
 *
 * ```json
 * {"outside": "0123456789abcdef", "trusted": false, "vouched": false, "stopping": false, "since_last": 60}
 * ```
 *
 * `outside` is the page that was copied to that place last, read from there; `null` is none. `trusted` says that no
 * backup of the database reaches the place, `vouched` that a person says the database was not restored, `stopping`
 * that the service stops with this. `since_last` is how many seconds ago this process noted something, by a clock that
 * nobody sets; `null` at its start.
 *
 * NODELOCK_DECISION_NOTED. An event `restored` says that a part of the database's history is missing, or may be: seats
 * that counted when it began lapse later. NODELOCK_INVALID_INPUT, NODELOCK_TOO_LARGE: not such a note.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decide_note(const char *note,
                                     const nodelock_records *records,
                                     uint64_t now,
                                     nodelock_decision **decision,
                                     nodelock_error **error);

/**
 * The dates of requests that are outdated at `now`, in seconds since 1970: those from `*from` on and before `*before`.
 * A database may forget the `cancelled` seats that were `requested` then, and no other seats: without its seat an
 * outdated request is refused. False, and nothing is stored, while there are no such dates.
 */
NODELOCK_API
bool nodelock_outdated(uint64_t now,
                       uint64_t *from,
                       uint64_t *before);

/* ==== What a decision says ==== */

/**
 * What it came to: one of NODELOCK_DECISION_*. 0 for NULL.
 */
NODELOCK_API uint32_t nodelock_decision_outcome(const nodelock_decision *decision);

/**
 * Why a request was refused: NODELOCK_DECISION_REFUSED. NODELOCK_OK for every other outcome and for NULL.
 */
NODELOCK_API nodelock_status nodelock_decision_refusal(const nodelock_decision *decision);

/**
 * The same in words, with the value or the bound that it was refused for: for a log, or for the `detail` of the
 * answer. Holds no key and no code. Lent until the decision is freed. NULL for every other outcome and for NULL.
 */
NODELOCK_API
const char *nodelock_decision_refusal_text(const nodelock_decision *decision);

/**
 * What a request that is refused for want of a seat (NODELOCK_NO_FREE_SEAT) is told of the seats that there are, for a
 * person who waits or chooses one to replace:
 * `{"next_lapse": 1790000000, "seats": [{"seat": "7KX2M9", "label": "", "last_contact": 1780000000,
 * "lapses": 1790000000, "replaceable": true}]}`.
 * What never lapses has null. With these members in its answer, as the reference authority has them, a device lists
 * the seats (nodelock_error_seat_count()). Lent until the decision is freed. NULL for every other outcome and for
 * NULL. A check-in that is refused so has them in its error.
 */
NODELOCK_API
const char *nodelock_decision_seats(const nodelock_decision *decision);

/**
 * When the trial of the machine ended whose request is refused for that (NODELOCK_TRIAL_USED), in seconds since 1970.
 * As `trial_ended` in the answer, a device reads it (nodelock_error_trial_ended()). 0 for every other outcome, for a
 * machine that has had no trial, and for NULL. A check-in that is refused so has it in its error.
 */
NODELOCK_API
uint64_t nodelock_decision_trial_ended(const nodelock_decision *decision);

/**
 * What to answer a preflight: whether the seat would return to the pool. False for every other outcome.
 */
NODELOCK_API bool nodelock_decision_is_allowed(const nodelock_decision *decision);

/**
 * How many deactivations the license has left, after a seat was given up and for a preflight. False, and nothing is
 * stored, for a license without a limit and for every other outcome.
 */
NODELOCK_API
bool nodelock_decision_deactivations_left(const nodelock_decision *decision,
                                          uint32_t *left);

/**
 * How many queries there are to answer with nodelock_records_answer(). None unless the outcome is
 * NODELOCK_DECISION_NEEDS.
 */
NODELOCK_API size_t nodelock_decision_query_count(const nodelock_decision *decision);

/**
 * What a query asks for, by its place from 0 on: one of NODELOCK_QUERY_*. 0 beyond the last.
 */
NODELOCK_API uint32_t nodelock_decision_query_kind(const nodelock_decision *decision, size_t index);

/**
 * What a query asks about, by its place from 0 on. Lent until the decision is freed. NULL beyond the last.
 */
NODELOCK_API const char *nodelock_decision_query_value(const nodelock_decision *decision, size_t index);

/**
 * Whether there are verifications to do with nodelock_records_verify(): before the function is called again, and for
 * NODELOCK_DECISION_ATTEMPTED after what is to be stored is committed.
 */
NODELOCK_API
bool nodelock_decision_has_verifications(const nodelock_decision *decision);

/**
 * Whether some of the verifications take 20 to 100 milliseconds each.
 */
NODELOCK_API bool nodelock_decision_has_slow_verifications(const nodelock_decision *decision);

/**
 * How many changes there are to store, all in one transaction with what was looked up. None when nothing changed.
 */
NODELOCK_API
size_t nodelock_decision_change_count(const nodelock_decision *decision);

/**
 * What changes, by its place from 0 on: one of NODELOCK_CHANGE_*. 0 beyond the last.
 *
 * Later versions of the library add kinds. A decision with one that you do not know is not stored whole, so let the
 * transaction fail and send nothing. Of those here, NODELOCK_CHANGE_DESCRIPTION alone may be passed over.
 */
NODELOCK_API
uint32_t nodelock_decision_change_kind(const nodelock_decision *decision,
                                       size_t index);

/**
 * What a change is stored under, by its place from 0 on. Lent until the decision is freed. NULL beyond the last.
 *
 * - a seat and attempts: the seat, a colon and its device key, such as `7KX2M9:…`;
 * - evidence: the seat that it is about, such as `7KX2M9`;
 * - a check-in: a seat as above, a slash and 64 hex digits;
 * - a count: the license's id, a slash and what is counted, as the query has it; a license and its allowances: its id;
 *   a page: 16 hex digits; the history: `history`.
 */
NODELOCK_API
const char *nodelock_decision_change_name(const nodelock_decision *decision,
                                          size_t index);

/**
 * The record to store, by its place from 0 on: give it to nodelock_records_answer() as it is. Lent until the decision
 * is freed. NULL beyond the last.
 *
 * - a seat: JSON. `seat`, `device_key`, `license`, `state` (`active`, `held`, `replaced`, `returned`, `cancelled`,
 *   `revoked`), `revision`, `granted`, `issued`, `changed`, `copies` (how many check-ins came from another copy of its
 *   store) and `notice` are for people, the rest is the library's;
 * - evidence: one line of base64url, a secret: there may be a code in it;
 * - a check-in: a number;
 * - attempts: JSON, `count` since `since`;
 * - the history, a page, a license, its allowances: JSON.
 */
NODELOCK_API
const char *nodelock_decision_change_record(const nodelock_decision *decision,
                                            size_t index);

/**
 * The license of a seat or of a request that waits for approval, by its place among the changes. Lent until the
 * decision is freed. NULL for a request that was cancelled under an unknown license key, for every other change, and
 * beyond the last.
 */
NODELOCK_API
const char *nodelock_decision_change_license(const nodelock_decision *decision,
                                             size_t index);

/**
 * Whether a device holds a seat, or gave it up and has it held, by its place among the changes. `taken` of a license
 * is the number of such seats that are not lapsed. False for every other change.
 */
NODELOCK_API
bool nodelock_decision_change_is_taken(const nodelock_decision *decision,
                                       size_t index);

/**
 * Whether a seat that is taken counts no longer, by its place among the changes, because its use ended too long ago.
 * False for every other change.
 */
NODELOCK_API
bool nodelock_decision_change_is_lapsed(const nodelock_decision *decision,
                                        size_t index);

/**
 * When the use of a seat ends, by its place among the changes, in seconds since 1970: what NODELOCK_QUERY_SEATS_BY_END
 * finds it by. 253402300799, the end of the year 9999, for one that never ends; 0 for every other change.
 */
NODELOCK_API
uint64_t nodelock_decision_change_ends(const nodelock_decision *decision,
                                       size_t index);

/**
 * What the seats of one machine have in common that took each other's place, by the place of a seat among the changes:
 * 64 hex digits, which NODELOCK_QUERY_SEAT_OF_MACHINE finds it by. Lent until the decision is freed. NULL for every
 * other change and beyond the last.
 */
NODELOCK_API
const char *nodelock_decision_change_machine(const nodelock_decision *decision,
                                             size_t index);

/**
 * How many hardware tags a seat has, by its place among the changes: NODELOCK_QUERY_SEATS_WITH_TAG finds it by each of
 * them. They change when it is renewed. 0 for every other change.
 */
NODELOCK_API
size_t nodelock_decision_change_tag_count(const nodelock_decision *decision,
                                          size_t index);

/**
 * A hardware tag of a seat, such as `3/0a1b2c`, by the seat's place among the changes and its own from 0 on. Lent
 * until the decision is freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_decision_change_tag(const nodelock_decision *decision,
                                         size_t index,
                                         size_t tag);

/**
 * Whether giving a seat up used up a deactivation, by its place among the changes: `deactivated` of a license is the
 * number of such seats. False for every other change.
 */
NODELOCK_API
bool nodelock_decision_change_is_counted(const nodelock_decision *decision,
                                         size_t index);

/**
 * Whether the grant of a seat used up an activation, by its place among the changes: `activated` of a license is the
 * number of such seats. False for every other change.
 */
NODELOCK_API
bool nodelock_decision_change_is_activation(const nodelock_decision *decision,
                                            size_t index);

/**
 * Whether a seat is a trial, by its place among the changes: NODELOCK_QUERY_TRIALS_WITH_TAG finds it by its tags for
 * ever. False for every other change.
 */
NODELOCK_API
bool nodelock_decision_change_is_trial(const nodelock_decision *decision,
                                       size_t index);

/**
 * For NODELOCK_CHANGE_CHECK_IN: check-ins of the same seat whose record is a number below this are of no use any more.
 * 0 for every other change.
 */
NODELOCK_API
uint32_t nodelock_decision_change_forget_below(const nodelock_decision *decision,
                                               size_t index);

/**
 * How many events there are, for an audit or a log. What is refused, and what came again, has none.
 */
NODELOCK_API size_t nodelock_decision_event_count(const nodelock_decision *decision);

/**
 * The stable name of an event, by its place from 0 on, such as `granted` or `copy-suspected`. Lent until the decision
 * is freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_decision_event_name(const nodelock_decision *decision,
                                         size_t index);

/**
 * The seat of an event and its device key, such as `7KX2M9:…`. Lent until the decision is freed. NULL if nobody has
 * asked for that seat yet, and beyond the last.
 */
NODELOCK_API
const char *nodelock_decision_event_seat(const nodelock_decision *decision,
                                         size_t index);

/**
 * More about an event, in English for the vendor; may be empty. Lent until the decision is freed. NULL beyond the
 * last.
 */
NODELOCK_API
const char *nodelock_decision_event_detail(const nodelock_decision *decision,
                                           size_t index);

/**
 * Frees a decision. NULL is fine.
 */
NODELOCK_API void nodelock_decision_free(nodelock_decision *decision);

/* ==== What is sent ==== */

/**
 * Signs what a decision sends. The same decision may be signed again: by another issuer, or after this one failed. A
 * decision that sends nothing has a reply without messages.
 *
 * NODELOCK_CERTIFICATE_EXPIRED: the issuer must not sign at `now`; sign with another. Without another:
 *
 * - NODELOCK_DECISION_RETURNED and NODELOCK_DECISION_HELD are stored all the same, because the device has lost its
 *   license already. Answer 202 over HTTP, without a receipt. The device keeps its proof and gets the receipt when it
 *   hands that in again.
 * - Everything else is not stored. Of an activation, free what came along: nodelock_activation_release().
 *
 * NODELOCK_INVALID_INPUT: the decision is NODELOCK_DECISION_NEEDS, so there is none yet, or the terms of the license
 * are out of bounds. NODELOCK_LEASE_TOO_LONG: the license would end later than the issuer's certificate allows.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_decision_reply(const nodelock_decision *decision,
                                        const nodelock_issuer *issuer,
                                        uint64_t now,
                                        nodelock_reply **reply,
                                        nodelock_error **error);

/**
 * All messages as one text file, the license first. Lent until the reply is freed. NULL without a message.
 */
NODELOCK_API const char *nodelock_reply_text(const nodelock_reply *reply);

/**
 * All messages as one binary file, and its size if `size` is not NULL. Lent until the reply is freed. NULL without a
 * message.
 */
NODELOCK_API
const uint8_t *nodelock_reply_data(const nodelock_reply *reply,
                                   size_t *size);

/**
 * The license as one line of base64url, as online answers hold it. Lent until the reply is freed. NULL without one.
 */
NODELOCK_API
const char *nodelock_reply_license(const nodelock_reply *reply);

/**
 * How many receipts there are: one for each seat that was given up.
 */
NODELOCK_API size_t nodelock_reply_receipt_count(const nodelock_reply *reply);

/**
 * A receipt as one line of base64url, by its place from 0 on. Lent until the reply is freed. NULL beyond the last.
 */
NODELOCK_API
const char *nodelock_reply_receipt(const nodelock_reply *reply,
                                   size_t index);

/**
 * The revocation as one line of base64url. Lent until the reply is freed. NULL without one.
 */
NODELOCK_API const char *nodelock_reply_revocation(const nodelock_reply *reply);

/**
 * Frees a reply. NULL is fine.
 */
NODELOCK_API void nodelock_reply_free(nodelock_reply *reply);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
#endif  /* NODELOCK_AUTHORITY */

#if defined(NODELOCK_TESTING)

/*
 * For an application's own tests: a vendor in memory, a clock to set, machines to choose. Define NODELOCK_TESTING, and
 * use a library that was built with feature `testing`; others do not have these functions. A library that is released
 * is built without it.
 *
 *     nodelock_test_authority *authority = NULL;
 *     nodelock_bytes *key = NULL;
 *
 *     nodelock_test_authority_new("Example Editor", &authority, NULL);
 *     nodelock_test_authority_sell(authority, NULL, &key, NULL);
 *     nodelock_config_set_test_authority(config, authority, NULL);
 *     nodelock_config_set_test_machine(config, "desk", NODELOCK_TEST_MACHINE_SAME, NULL);
 *     nodelock_config_set_store_in_memory(config, NULL);
 *
 * Clients made of that config activate, renew and give back as over a network, and are refused what an authority
 * refuses. nodelock_test_authority_advance() ends leases, nodelock_test_authority_fail() breaks the network, and
 * nodelock_test_authority_answer() is for files that are carried by hand. `docs/guides/testing.md` has a test for each
 * verdict, in Rust.
 */

/**
 * No fault: calls arrive and are answered.
 */
#define NODELOCK_TEST_FAULT_NONE 0

/**
 * Nobody can be reached: NODELOCK_UNREACHABLE. Nothing arrives.
 */
#define NODELOCK_TEST_FAULT_DOWN 1

/**
 * Nothing arrives and nothing is said, until the time of the exchange is up or it is cancelled.
 */
#define NODELOCK_TEST_FAULT_SILENT 2

/**
 * Nothing arrives: NODELOCK_TIMED_OUT at once, for a test that need not wait.
 */
#define NODELOCK_TEST_FAULT_TIMED_OUT 3

/**
 * The authority decides and stores, and its answer gets lost: NODELOCK_UNREACHABLE.
 */
#define NODELOCK_TEST_FAULT_ANSWER_LOST 4

/**
 * The same, and half of the answer comes as if it were all of it: NODELOCK_BAD_REPLY.
 */
#define NODELOCK_TEST_FAULT_ANSWER_CUT 5

/**
 * Something else answers: NODELOCK_BAD_REPLY.
 */
#define NODELOCK_TEST_FAULT_STRANGER 6

/**
 * The authority has no time: NODELOCK_SERVER_BUSY.
 */
#define NODELOCK_TEST_FAULT_BUSY 7

/**
 * The authority fails: NODELOCK_SERVER_FAILED.
 */
#define NODELOCK_TEST_FAULT_FAILED 8

/**
 * The server's certificate is from nobody who is trusted: NODELOCK_TLS_UNTRUSTED.
 */
#define NODELOCK_TEST_FAULT_TLS_UNTRUSTED 9

/**
 * The server's certificate is for another host: NODELOCK_TLS_WRONG_HOST.
 */
#define NODELOCK_TEST_FAULT_TLS_WRONG_HOST 10

/**
 * The server's certificate has expired: NODELOCK_TLS_EXPIRED.
 */
#define NODELOCK_TEST_FAULT_TLS_EXPIRED 11

/**
 * A physical computer. The same name is the same computer.
 */
#define NODELOCK_TEST_MACHINE_SAME 0

/**
 * The same with another network card. It still matches.
 */
#define NODELOCK_TEST_MACHINE_CHANGED_A_LITTLE 1

/**
 * The same with its system installed anew and another network card: it gets the days of grace.
 */
#define NODELOCK_TEST_MACHINE_CHANGED_MUCH 2

/**
 * With another disk, too: another machine, as far as can be told.
 */
#define NODELOCK_TEST_MACHINE_CHANGED_TOO_MUCH 3

/**
 * The same from inside a sandbox that shows no more than model and processor.
 */
#define NODELOCK_TEST_MACHINE_HIDDEN 4

/**
 * A virtual machine of that name.
 */
#define NODELOCK_TEST_MACHINE_VIRTUAL 5

/**
 * A vendor in memory that answers the online calls of any number of clients, by the rules that an authority has, with
 * a clock of its own. Belongs to the caller; may be used from any number of threads at a time. Clients that were set
 * up for it go on when it is freed.
 */
typedef struct nodelock_test_authority nodelock_test_authority;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ==== A vendor in memory ==== */

/**
 * A vendor of a product, whose name is 1 to 64 bytes on one line. Its keys are the same in every run, and its clock
 * stands at 1,800,000,000 until it is moved.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_new(const char *product,
                                            nodelock_test_authority **authority,
                                            nodelock_error **error);

/**
 * The root key that its licenses are trusted by. Lent until the authority is freed. NULL for NULL.
 */
NODELOCK_API const char *nodelock_test_authority_root(const nodelock_test_authority *authority);

/**
 * Sells a license and returns its key, as text. `other_terms` are the terms that differ from the defaults, as a JSON
 * object with members as nodelock_terms_check() has them: `{"seats": 2, "expires": 1800086400}`. By default it has one
 * seat, starts now, never expires and has a lease of 90 days. NULL is fine. `id` and `product` cannot be named.
 *
 * NODELOCK_INVALID_INPUT: no such members, or terms that cannot be. Nothing is sold then.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_sell(const nodelock_test_authority *authority,
                                             const char *other_terms,
                                             nodelock_bytes **license_key,
                                             nodelock_error **error);

/**
 * Makes a deployment key that so many machines may take a seat of a license with
 * (nodelock_config_set_deployment_key()), as text. No clock ends it.
 *
 * NODELOCK_UNKNOWN_LICENSE.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_new_deployment_key(const nodelock_test_authority *authority,
                                                           const char *license_key,
                                                           uint32_t most,
                                                           nodelock_bytes **deployment_key,
                                                           nodelock_error **error);

/**
 * Revokes a deployment key: the next request with it is refused. The seats that were taken with it stay.
 *
 * NODELOCK_DEPLOYMENT_KEY_REFUSED: nobody has that one.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_revoke_deployment_key(const nodelock_test_authority *authority,
                                                              const char *deployment_key,
                                                              nodelock_error **error);

/**
 * Changes the terms of a license by the members of a JSON object, such as `{"suspended": true}`. What devices hold
 * says so after their next renewal.
 *
 * NODELOCK_UNKNOWN_LICENSE. NODELOCK_INVALID_INPUT as for a sale: the terms stay what they were.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_change_terms(const nodelock_test_authority *authority,
                                                     const char *license_key,
                                                     const char *members,
                                                     nodelock_error **error);

/**
 * How many seats of a license are taken. 0 for NULL and for a key that nobody was sold.
 */
NODELOCK_API
uint32_t nodelock_test_authority_taken(const nodelock_test_authority *authority,
                                       const char *license_key);

/**
 * Releases the seat of a device that is lost, by its name (nodelock_license_seat()). The device hears of it, and of
 * the notice, when it next checks in.
 *
 * NODELOCK_UNREADABLE_CODE, NODELOCK_TOO_LARGE: not a seat's name. NODELOCK_UNKNOWN_SEAT, NODELOCK_GIVEN_UP.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_release(const nodelock_test_authority *authority,
                                                const char *seat,
                                                const char *notice,
                                                nodelock_error **error);

/**
 * What the clock of the authority and of its clients shows: seconds since 1970. 0 for NULL.
 */
NODELOCK_API uint64_t nodelock_test_authority_now(const nodelock_test_authority *authority);

/**
 * Sets that clock. It stands still until it is set again or moved on.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_set_time(const nodelock_test_authority *authority,
                                                 uint64_t time,
                                                 nodelock_error **error);

/**
 * Lets that many seconds pass, up to the end of the year 9999. A day has 86,400.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_advance(const nodelock_test_authority *authority,
                                                uint64_t seconds,
                                                nodelock_error **error);

/**
 * Lets every exchange meet a fault from now on: one of NODELOCK_TEST_FAULT_*. NODELOCK_TEST_FAULT_NONE ends that.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_fail(const nodelock_test_authority *authority,
                                             uint32_t fault,
                                             nodelock_error **error);

/**
 * Lets the next exchange meet a fault, or the one after those that are waiting to be met. With
 * NODELOCK_TEST_FAULT_NONE that exchange meets none, whatever nodelock_test_authority_fail() says. A call may be
 * several exchanges: a deactivation asks whether it may, then sends its proof.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_fail_next(const nodelock_test_authority *authority,
                                                  uint32_t fault,
                                                  nodelock_error **error);

/**
 * Answers a file that is carried to the authority by hand, in any form: an activation file, a check-in file, or a
 * deactivation proof. The answer is a file for nodelock_client_accept().
 *
 * What the authority refuses, and the codes of a message.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_answer(const nodelock_test_authority *authority,
                                               const uint8_t *data,
                                               size_t size,
                                               nodelock_bytes **answer,
                                               nodelock_error **error);

/**
 * Redeems a deactivation code as somebody typed it. The receipt is a file for nodelock_client_accept().
 *
 * NODELOCK_UNREADABLE_CODE, NODELOCK_WRONG_CODE, NODELOCK_UNKNOWN_SEAT, NODELOCK_TOO_MANY_ATTEMPTS.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_test_authority_redeem_code(const nodelock_test_authority *authority,
                                                    const char *typed,
                                                    nodelock_bytes **receipt,
                                                    nodelock_error **error);

/**
 * Frees an authority. NULL is fine.
 */
NODELOCK_API void nodelock_test_authority_free(nodelock_test_authority *authority);

/**
 * Sets clients up for an authority in memory: they trust its root, go by its clock, and send to it what they would
 * send over a network. Roots, an authority, a transport, a clock and a proxy that are set beside it are passed
 * over, so that an application sets up what it always does; without `online`, too. Each exchange is tried once, unless
 * nodelock_config_set_patience() says otherwise, so that a fault is what the application gets to see.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_test_authority(nodelock_config *config,
                                                   const nodelock_test_authority *authority,
                                                   nodelock_error **error);

/**
 * Has clients believe that they are on the machine of that name: `kind` is one of NODELOCK_TEST_MACHINE_*. Components
 * that are set beside it are passed over. A client looks at its machine once, so for a changed one make a new client
 * over the same store.
 */
NODELOCK_API
NODELOCK_MUST_USE
nodelock_status nodelock_config_set_test_machine(nodelock_config *config,
                                                 const char *name,
                                                 uint32_t kind,
                                                 nodelock_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
#endif  /* NODELOCK_TESTING */

#endif  /* NODELOCK_H */
