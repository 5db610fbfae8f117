// The wrapper for C++ over a life cycle: moves, exceptions, verdicts, callbacks that throw, cancellation.

#define NODELOCK_AUTHORITY
#include "nodelock.hpp"

#include <atomic>
#include <thread>
#include <type_traits>

#include "support.h"

static_assert(!std::is_copy_constructible_v<nodelock::client> && std::is_nothrow_move_constructible_v<nodelock::client>);
static_assert(!std::is_copy_assignable_v<nodelock::license> && std::is_nothrow_move_assignable_v<nodelock::license>);

template <class Act> static nodelock_status failure(Act act) {
    try {
        act();
    } catch (const nodelock::error &error) {
        CHECK(error.kind() == nodelock_status_name(error.status()) && error.what()[0] != '\0');
        return error.status();
    }
    return NODELOCK_OK;
}

template <class Act> static bool refused(Act act) {
    try {
        act();
    } catch (const std::invalid_argument &) {
        return true;
    }
    return false;
}

static nodelock::config settings(vendor &vendor) {
    nodelock::config config(PRODUCT);
    config.root(vendor.root).store_in_memory().clock([&vendor] { return vendor.now; });
    config.authority("https://licenses.example.com").patience(std::chrono::seconds(5), 1).application_version("1.0");
    return config;
}

static void life_cycle(vendor &vendor) {
    unsigned lines = 0;
    nodelock::config config = settings(vendor);
    config.transport([&vendor](const nodelock_post *post, nodelock_answer *answer) { return vendor_transport(&vendor, post, answer); });
    config.log([&lines](std::uint32_t, std::string_view call, std::uint32_t, std::uint32_t, std::string_view) {
        CHECK(call.substr(0, 16) == "nodelock_client_");
        lines++;
        throw 1; // Not the library's business.
    });
    nodelock::client first(config);
    nodelock::client client = std::move(first);
    CHECK(!first && client);

    CHECK(client.check().verdict() == NODELOCK_VERDICT_UNLICENSED && !client.pending());
    const std::string cut("Jürgens\0Rechner", 16);
    CHECK(refused([&] { (void)client.begin(vendor.license_key, {{"computer", cut}}); }));
    CHECK(refused([&] { client.activate(vendor.license_key, nullptr, {{cut, "computer"}}); }) && !client.pending());
    nodelock::request request = client.begin(vendor.license_key, {{"computer", "Jürgens Rechner"}});
    CHECK(client.check().is_pending() && client.pending().text() == request.text() && request.seat().size() == 6);
    CHECK(request.qr("https://example.com/#").width() > 20);
    CHECK(failure([&] { (void)client.begin(std::nullopt); }) == NODELOCK_ALREADY_ACTIVE);
    nodelock::license license = client.activate(vendor.license_key);
    CHECK(nodelock_license_clock_error(license.get()) == 0);
    try {
        (void)client.begin(vendor.license_key);
        CHECK(false);
    } catch (const nodelock::error &error) {
        CHECK(error.already() == NODELOCK_ALREADY_VALID);
    }
    CHECK(failure([&] { config.replace(4); }) == NODELOCK_INVALID_INPUT);
    CHECK(nodelock::client(config.replace(NODELOCK_REPLACE_LICENSE)).check().is_usable());
    config.replace(0);
    CHECK(license.is_usable() && license.has_feature("export") && !license.has_feature("import") && license.edition() == "pro");
    CHECK(license.feature_limit("projects") == 10u && !license.feature_limit("import") && license.metadata("order") == "4711");
    CHECK(license.lease_until() == START + 90 * DAY && !license.expires() && !license.verdict_time());
    // A view need not end with a NUL, and one inside is no end.
    CHECK(license.has_feature(std::string_view("exporting", 6)));
    CHECK(refused([&] { (void)license.has_feature(std::string_view("export\0x", 8)); }));
    const nodelock::started started = client.start(std::chrono::seconds(3));
    CHECK(!client.observe() && started.found.is_usable() && !started.found.is_renewed() && !started.warning);
    CHECK(client.check_in().is_usable() && client.check_in_offline().seat() == request.seat());

    vendor.good = 1;
    vendor.failures = 1;
    vendor.failure = NODELOCK_UNREACHABLE;
    try {
        (void)client.deactivate(NODELOCK_REASON_MOVED);
        std::abort();
    } catch (const nodelock::error &error) {
        CHECK(error.status() == NODELOCK_UNREACHABLE && error.deactivation_code() == client.outstanding().code(0));
    }
    CHECK(client.outstanding().size() == 1 && client.hand_in() == 1 && client.outstanding().size() == 0);
    CHECK(failure([&] { (void)client.deactivate_offline(NODELOCK_REASON_MOVED); }) == NODELOCK_NOT_ACTIVE);
    CHECK(client.activate(vendor.license_key).is_usable());
    nodelock::config elsewhere = settings(vendor);
    elsewhere.transport([&vendor](const nodelock_post *post, nodelock_answer *answer) { return vendor_transport(&vendor, post, answer); });
    CHECK(nodelock_config_add_test_component(elsewhere.get(), NODELOCK_COMPONENT_DISK_SERIAL, "another 2718281", nullptr) == NODELOCK_OK);
    nodelock::client other(elsewhere);
    try {
        (void)other.activate(vendor.license_key, nullptr, nodelock::details({{"computer", "another"}}).replace("7KX2M9"));
        CHECK(false);
    } catch (const nodelock::error &error) {
        CHECK(error.status() == NODELOCK_NO_FREE_SEAT && error.seats().size() == 1 && error.next_lapse() > START && error.trial_ended() == 0);
        CHECK(error.seats()[0].handle == client.check().seat() && !error.seats()[0].replaceable);
    }
    (void)other.cancel();
    CHECK(client.deactivate(NODELOCK_REASON_RETIRED).is_returned());
    CHECK(failure([&] { client.install("no license"); }) == NODELOCK_MALFORMED);
    CHECK(lines > 10 && vendor_taken(&vendor) == 0);
}

// What an application may set besides, and what goes with a verdict. The transport needs no proxy.
static void settings_and_verdicts(vendor &vendor) {
    nodelock::config config = settings(vendor);
    config.transport([&vendor](const nodelock_post *post, nodelock_answer *answer) { return vendor_transport(&vendor, post, answer); });
    config.released(START).host_id("dongle 17", NODELOCK_HOST_ID_JOIN).proxy("http://127.0.0.1:9").no_proxy();
    const nodelock::client client(config);
    const nodelock::license active = client.activate(vendor.license_key);
    CHECK(active.damage() == NODELOCK_OK && active.machine_reason() == NODELOCK_MACHINE_FITS && active.set_back() == 0);
    CHECK(active.revocation_reason().empty() && active.clock_error() == 0 && !active.updates_until());
    const std::uint64_t now = vendor.now;
    vendor.now = now - 30 * DAY;
    const nodelock::license early = client.check();
    CHECK(early.verdict() == NODELOCK_VERDICT_CLOCK_SET_BACK && early.set_back() == 30 * DAY);
    vendor.now = now;
    // With another salt the machine is another one.
    const nodelock::license other = nodelock::client(config.salt("of another wrapper")).check();
    CHECK(other.verdict() == NODELOCK_VERDICT_WRONG_MACHINE && other.machine_reason() == NODELOCK_MACHINE_FINGERPRINT);
    const nodelock::license denied = nodelock::client(config.deny_key(vendor.root)).check();
    CHECK(denied.verdict() == NODELOCK_VERDICT_DAMAGED && denied.damage() == NODELOCK_UNTRUSTED_SIGNER);
    (void)client.deactivate(NODELOCK_REASON_MOVED);

    CHECK(failure([&] { config.deny_key("no key"); }) == NODELOCK_MALFORMED);
    CHECK(failure([&] { config.license_keys(2); }) == NODELOCK_INVALID_INPUT);
    CHECK(failure([&] { config.trust_certificates("no certificate"); }) == NODELOCK_INVALID_INPUT);
    CHECK(failure([&] { (void)nodelock::client(config.host_id("x", NODELOCK_HOST_ID_REPLACE)); }) == NODELOCK_INVALID_INPUT);
}

static void throwing(vendor &vendor) {
    nodelock::config config = settings(vendor);
    config.transport([](const nodelock_post *, nodelock_answer *) -> std::uint32_t { throw std::runtime_error("no network"); });
    nodelock::client client(config);
    unsigned told = 0;
    nodelock::call call;
    call.timeout(std::chrono::seconds(60)).progress([&told](std::uint32_t, std::uint32_t, std::chrono::milliseconds) {
        told++;
        throw 1;
    });
    CHECK(failure([&] { client.activate(vendor.license_key, &call); }) == NODELOCK_UNREACHABLE && told == 1);
    nodelock::config unattended = settings(vendor);
    bool brought = false;
    unattended.deployment_key("nld_secret").transport([&brought](const nodelock_post *post, nodelock_answer *) -> std::uint32_t {
        brought = std::string_view(nodelock_post_authorization(post)) == "Bearer nld_secret";
        return NODELOCK_UNREACHABLE;
    });
    nodelock::client runner(unattended);
    CHECK(failure([&] { runner.activate(std::nullopt); }) == NODELOCK_UNREACHABLE && brought);
    (void)runner.cancel();
    // A negative time is none, and not a very long one.
    call.timeout(std::chrono::milliseconds(-1));
    CHECK(failure([&] { client.activate(vendor.license_key, &call); }) == NODELOCK_TIMED_OUT);
    (void)client.cancel();
}

// A worker does what blocks; another thread changes its mind.
static void cancelled(vendor &vendor) {
    std::atomic<bool> waiting(false);
    nodelock::config config = settings(vendor);
    config.transport([&waiting](const nodelock_post *post, nodelock_answer *) -> std::uint32_t {
        waiting = true;
        while (!nodelock_post_is_cancelled(post))
            std::this_thread::yield();
        return NODELOCK_CANCELLED;
    });
    nodelock::client client(config);
    nodelock::call call;
    nodelock_status status = NODELOCK_OK;
    std::thread worker([&] { status = failure([&] { client.activate(vendor.license_key, &call); }); });
    while (!waiting)
        std::this_thread::yield();
    call.cancel();
    worker.join();
    CHECK(status == NODELOCK_CANCELLED);
}

int main() {
    vendor vendor;
    vendor_open(&vendor, 1, "");
    life_cycle(vendor);
    settings_and_verdicts(vendor);
    throwing(vendor);
    cancelled(vendor);
    CHECK(failure([] { nodelock::config("Example").root("no key"); }) == NODELOCK_MALFORMED);
    CHECK(failure([] { nodelock::client(nodelock::config("Example")); }) == NODELOCK_INVALID_INPUT);
    vendor_close(&vendor);
}
