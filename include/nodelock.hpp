// nodelock.hpp: the C interface for C++17. Everything it does not wrap is a call on get().
//
// Failures are exceptions of type nodelock::error; what is wrong with a license is none, but a verdict. Objects are moved and not
// copied, and free themselves. What returns a view lends it for as long as the object lives; text goes in as std::string_view,
// and text with a NUL inside is refused. Callbacks are std::function: what they throw is not let out into the library. Threads,
// times and the meaning of everything are in nodelock.h.

#ifndef NODELOCK_HPP
#define NODELOCK_HPP
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nodelock.h"

namespace nodelock {
namespace detail {

template <auto Free> struct deleter {
    template <class T> void operator()(T *object) const noexcept { Free(object); }
};
template <class T, auto Free> using owned = std::unique_ptr<T, deleter<Free>>;

inline std::string_view view(const char *text) { return text != nullptr ? std::string_view(text) : std::string_view(); }

// Ends with a NUL, which a view need not. One with a NUL inside would end there.
struct text {
    explicit text(std::string_view view) : own(view) {
        if (view.find('\0') != view.npos) throw std::invalid_argument("nodelock: text with a NUL inside");
    }
    operator const char *() const noexcept { return own.c_str(); }
    std::string own;
};

// The same of a text that need not be there; NULL then.
struct optional_text {
    explicit optional_text(std::optional<std::string_view> view) { if (view) own.emplace(*view); }
    operator const char *() const noexcept { return own ? static_cast<const char *>(*own) : nullptr; }
    std::optional<text> own;
};

inline const std::uint8_t *data(std::string_view bytes) { return reinterpret_cast<const std::uint8_t *>(bytes.data()); }
// A negative time is none, and not a very long one.
inline std::uint64_t number(std::chrono::milliseconds time) noexcept { return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0; }

template <class Function> void finalize(void *user_data) { delete static_cast<Function *>(user_data); }

// Runs a callback, and lets nothing out that it throws.
template <class Function, class Result, class... Arguments> Result run(void *user_data, Result otherwise, Arguments... arguments) {
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Function, Arguments...>>)
            (*static_cast<Function *>(user_data))(arguments...);
        else
            return (*static_cast<Function *>(user_data))(arguments...);
    } catch (...) {
    }
    return otherwise;
}
} // namespace detail

// A seat that the authority told of when none was free. Times are seconds since 1970; `lapses` is 0 for never.
struct listed_seat { std::string handle, label; std::uint64_t last_contact, lapses; bool replaceable; };

// What went wrong. The message holds no key, no code and no hardware identifier.
class error : public std::runtime_error {
    nodelock_status number;
    std::uint32_t met;
    std::uint64_t lapse, trial;
    std::string code, help;
    std::vector<listed_seat> listed;
public:
    explicit error(const nodelock_error *cause)
        : runtime_error(std::string(detail::view(nodelock_error_message(cause)))), number(nodelock_error_status(cause)), met(nodelock_error_already(cause)), lapse(nodelock_error_next_lapse(cause)), trial(nodelock_error_trial_ended(cause)), help(detail::view(nodelock_error_advice(cause))) {
        if (const nodelock_proof *proof = nodelock_error_proof(cause)) code = nodelock_proof_code(proof);
        for (std::size_t i = 0; i < nodelock_error_seat_count(cause); i++)
            listed.push_back({nodelock_error_seat_handle(cause, i), nodelock_error_seat_label(cause, i), nodelock_error_seat_last_contact(cause, i), nodelock_error_seat_lapses(cause, i), nodelock_error_seat_is_replaceable(cause, i)});
    }
    [[nodiscard]] nodelock_status status() const noexcept { return number; }
    [[nodiscard]] std::string_view kind() const noexcept { return detail::view(nodelock_status_name(number)); }
    // What a person can do about it, in words that fit every application; may be empty.
    [[nodiscard]] const std::string &advice() const noexcept { return help; }
    [[nodiscard]] std::uint32_t already() const noexcept { return met; }
    // The code of what client::deactivate gave up before it failed: show it, or call client::hand_in later. Empty if nothing was.
    [[nodiscard]] const std::string &deactivation_code() const noexcept { return code; }
    // With NODELOCK_NO_FREE_SEAT: the seats that there are, for details::replace, and when the next one lapses; with NODELOCK_TRIAL_USED: when the trial ended. 0 for never.
    [[nodiscard]] const std::vector<listed_seat> &seats() const noexcept { return listed; }
    [[nodiscard]] std::uint64_t next_lapse() const noexcept { return lapse; } [[nodiscard]] std::uint64_t trial_ended() const noexcept { return trial; }
};

namespace detail {
// Calls a function whose last argument is the error, and throws that.
template <class Function, class... Arguments> void call(Function function, Arguments... arguments) {
    nodelock_error *cause = nullptr;
    if (function(arguments..., &cause) != NODELOCK_OK) {
        owned<nodelock_error, nodelock_error_free> owner(cause);
        throw error(cause);
    }
}

// The same for one with a result, which may be null.
template <class Object, class Function, class... Arguments> Object make(Function function, Arguments... arguments) {
    typename Object::pointer result = nullptr;
    call(function, arguments..., &result);
    return Object(result);
}

template <class T, auto Free> class object {
    owned<T, Free> own;
public:
    using pointer = T *;
    object() = default;
    explicit object(T *raw) noexcept : own(raw) {}
    [[nodiscard]] T *get() const noexcept { return own.get(); }
    explicit operator bool() const noexcept { return own != nullptr; }
};

// Calls a function whose last argument is the place for a number that may not be there.
template <class Function, class... Arguments> std::optional<std::uint64_t> number(Function function, const Arguments &...arguments) {
    std::uint64_t number = 0;
    return function(arguments..., &number) ? std::optional(number) : std::nullopt;
}
} // namespace detail

// What a check found.
class license : public detail::object<nodelock_license, nodelock_license_free> {
public:
    using object::object;
    [[nodiscard]] nodelock_status verdict() const noexcept { return nodelock_license_verdict(get()); }
    [[nodiscard]] bool is_usable() const noexcept { return nodelock_license_is_usable(get()); }
    [[nodiscard]] std::string_view verdict_text() const noexcept { return detail::view(nodelock_license_verdict_text(get())); }
    [[nodiscard]] bool has_feature(std::string_view name) const { return nodelock_license_has_feature(get(), detail::text(name)); }
    // NODELOCK_UNLIMITED for a feature without one; none without the feature.
    [[nodiscard]] std::optional<std::uint64_t> feature_limit(std::string_view name) const { return detail::number(nodelock_license_feature_limit, get(), detail::text(name)); }
    [[nodiscard]] std::string_view metadata(std::string_view name) const { return detail::view(nodelock_license_metadata(get(), detail::text(name))); }
    [[nodiscard]] std::string_view licensee() const noexcept { return detail::view(nodelock_license_licensee(get())); }
    [[nodiscard]] std::string_view edition() const noexcept { return detail::view(nodelock_license_edition(get())); }
    [[nodiscard]] std::string_view seat() const noexcept { return detail::view(nodelock_license_seat(get())); }
    [[nodiscard]] std::optional<std::uint64_t> expires() const { return detail::number(nodelock_license_expires, get()); }
    [[nodiscard]] std::optional<std::uint64_t> lease_until() const { return detail::number(nodelock_license_lease_until, get()); }
    [[nodiscard]] std::optional<std::uint64_t> verdict_time() const { return detail::number(nodelock_license_verdict_time, get()); }
    [[nodiscard]] std::uint64_t set_back() const noexcept { return nodelock_license_set_back(get()); }
    [[nodiscard]] std::int64_t clock_error() const noexcept { return nodelock_license_clock_error(get()); }
    [[nodiscard]] std::uint32_t machine_reason() const noexcept { return nodelock_license_machine_reason(get()); }
    // NODELOCK_OK unless the verdict is NODELOCK_VERDICT_DAMAGED.
    [[nodiscard]] nodelock_status damage() const noexcept { return nodelock_license_damage(get()); }
    [[nodiscard]] std::string_view revocation_reason() const noexcept { return detail::view(nodelock_license_revocation_reason(get())); }
    [[nodiscard]] std::optional<std::uint64_t> updates_until() const { return detail::number(nodelock_license_updates_until, get()); }
    [[nodiscard]] bool renewal_due() const noexcept { return nodelock_license_renewal_due(get()); }
    [[nodiscard]] bool is_renewed() const noexcept { return nodelock_license_is_renewed(get()); }
    [[nodiscard]] bool should_observe() const noexcept { return nodelock_license_should_observe(get()); }
    [[nodiscard]] bool power_cuts_covered() const noexcept { return nodelock_license_power_cuts_covered(get()); }
    [[nodiscard]] bool is_pending() const noexcept { return nodelock_license_pending_seat(get()) != nullptr; }
    [[nodiscard]] std::size_t outstanding() const noexcept { return nodelock_license_outstanding(get()); }
};

// What a start found. `warning` is what keeps nobody from working: why a renewal did not come, or time could not be recorded.
struct started { license found; std::optional<error> warning; };

class qr : public detail::object<nodelock_qr, nodelock_qr_free> {
public:
    using object::object;
    [[nodiscard]] std::size_t width() const noexcept { return nodelock_qr_width(get()); }
    // Row by row, 1 is dark; without the light border of four that belongs around.
    [[nodiscard]] const std::uint8_t *squares() const noexcept { return nodelock_qr_squares(get(), nullptr); }
    [[nodiscard]] std::string_view svg() const noexcept { return detail::view(nodelock_qr_svg(get())); }
    [[nodiscard]] std::string_view terminal() const noexcept { return detail::view(nodelock_qr_terminal(get())); }
};

// What a request says beside the license key: names with values for the vendor to see, and the seat that it may replace.
class details : public detail::object<nodelock_details, nodelock_details_free> {
public:
    details() : object(detail::make<object>(nodelock_details_new)) {}
    details(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) : details() { for (const auto &[name, value] : pairs) add(name, value); }
    details &add(std::string_view name, std::string_view value) { return detail::call(nodelock_details_add, get(), detail::text(name), detail::text(value)), *this; }
    details &replace(std::string_view seat) { return detail::call(nodelock_details_replace, get(), detail::text(seat)), *this; }
};

// A request for a seat, to hand to the authority.
class request : public detail::object<nodelock_request, nodelock_request_free> {
public:
    using object::object;
    [[nodiscard]] std::string_view text() const noexcept { return detail::view(nodelock_request_text(get())); }
    [[nodiscard]] std::string_view base64url() const noexcept { return detail::view(nodelock_request_base64url(get())); }
    [[nodiscard]] std::string_view seat() const noexcept { return detail::view(nodelock_request_seat(get())); }
    [[nodiscard]] nodelock::qr qr(std::string_view link) const { return detail::make<nodelock::qr>(nodelock_request_qr, get(), detail::text(link)); }
};

// A seat given up, to hand to the authority.
class proof : public detail::object<nodelock_proof, nodelock_proof_free> {
public:
    using object::object;
    [[nodiscard]] std::string_view code() const noexcept { return detail::view(nodelock_proof_code(get())); }
    [[nodiscard]] std::string_view text() const noexcept { return detail::view(nodelock_proof_text(get())); }
    [[nodiscard]] std::string_view base64url() const noexcept { return detail::view(nodelock_proof_base64url(get())); }
    [[nodiscard]] std::string_view seat() const noexcept { return detail::view(nodelock_proof_seat(get())); }
    [[nodiscard]] nodelock::qr qr(std::string_view link) const { return detail::make<nodelock::qr>(nodelock_proof_qr, get(), detail::text(link)); }
};

class proofs : public detail::object<nodelock_proofs, nodelock_proofs_free> {
public:
    using object::object;
    [[nodiscard]] std::size_t size() const noexcept { return nodelock_proofs_count(get()); }
    [[nodiscard]] std::string_view code(std::size_t index) const noexcept { return detail::view(nodelock_proof_code(nodelock_proofs_get(get(), index))); }
};

class receipt : public detail::object<nodelock_receipt, nodelock_receipt_free> {
public:
    using object::object;
    [[nodiscard]] bool is_returned() const noexcept { return nodelock_receipt_outcome(get()) == NODELOCK_OUTCOME_RETURNED; }
    [[nodiscard]] std::string_view text() const noexcept { return detail::view(nodelock_receipt_text(get())); }
};

// Limits, follows and cancels online calls. cancel() is for any thread.
class call : public detail::object<nodelock_call, nodelock_call_free> {
public:
    using progress_function = std::function<void(std::uint32_t event, std::uint32_t attempt, std::chrono::milliseconds pause)>;

    call() : object(detail::make<object>(nodelock_call_new)) {}
    call &timeout(std::chrono::milliseconds time) { return detail::call(nodelock_call_set_timeout, get(), detail::number(time)), *this; }
    call &progress(progress_function function) {
        auto own = std::make_unique<progress_function>(std::move(function));
        nodelock_progress_fn run = [](void *user_data, std::uint32_t event, std::uint32_t attempt, std::uint64_t pause) {
            detail::run<progress_function>(user_data, 0, event, attempt, std::chrono::milliseconds(pause));
        };
        return detail::call(nodelock_call_set_progress, get(), static_cast<void *>(own.release()), run, detail::finalize<progress_function>), *this;
    }
    void cancel() const noexcept { nodelock_call_cancel(get()); }
};

// The settings of clients.
class config : public detail::object<nodelock_config, nodelock_config_free> {
public:
    using transport_function = std::function<std::uint32_t(const nodelock_post *post, nodelock_answer *answer)>;
    using log_function = std::function<void(std::uint32_t event, std::string_view call, std::uint32_t attempt, std::uint32_t status, std::string_view message)>;
    using clock_function = std::function<std::uint64_t()>;

    explicit config(std::string_view product) : object(detail::make<object>(nodelock_config_new, detail::text(product))) {}
    config &root(std::string_view key) { return set(nodelock_config_add_root, detail::text(key)); }
    config &store(std::string_view directory) { return set(nodelock_config_set_store_directory, detail::text(directory), nullptr); }
    config &store(std::string_view directory, std::string_view tombstones) { return set(nodelock_config_set_store_directory, detail::text(directory), detail::text(tombstones)); }
    config &store_in_memory() { return set(nodelock_config_set_store_in_memory); }
    config &application_version(std::string_view version) { return set(nodelock_config_set_application_version, detail::text(version)); }
    // When this version was released, in seconds since 1970: what a license's maintenance date is compared with.
    config &released(std::uint64_t seconds) { return set(nodelock_config_set_released, seconds); }
    config &license_keys(std::uint32_t form) { return set(nodelock_config_set_license_keys, form); }
    config &deny_key(std::string_view key) { return set(nodelock_config_deny_key, detail::text(key)); }
    // It may never change.
    config &salt(std::string_view salt) { return set(nodelock_config_set_salt, detail::text(salt)); }
    // `how` is one of NODELOCK_HOST_ID_*.
    config &host_id(std::string_view id, std::uint32_t how) { return set(nodelock_config_set_host_id, detail::text(id), how); }
    config &proxy(std::string_view url) { return set(nodelock_config_set_proxy, detail::text(url)); }
    config &no_proxy() { return set(nodelock_config_set_no_proxy); }
    config &trust_certificates(std::string_view pem) { return set(nodelock_config_trust_certificates, detail::data(pem), pem.size()); }
    config &describe_machine(bool describe) { return set(nodelock_config_set_describe_machine, describe); }
    config &replace(std::uint32_t what) { return set(nodelock_config_set_replace, what); }
    config &authority(std::string_view url) { return set(nodelock_config_set_authority, detail::text(url)); }
    config &plain_http(bool allowed) { return set(nodelock_config_set_plain_http, allowed); }
    // For activations without a license key, by machines that nobody sits at.
    config &deployment_key(std::string_view key) { return set(nodelock_config_set_deployment_key, detail::text(key)); }
    config &patience(std::chrono::milliseconds time, std::uint32_t attempts) { return set(nodelock_config_set_patience, detail::number(time), attempts); }
    // What it throws counts as NODELOCK_UNREACHABLE.
    config &transport(transport_function function) {
        nodelock_transport_fn run = [](void *user_data, const nodelock_post *post, nodelock_answer *answer) -> std::uint32_t {
            return detail::run<transport_function, std::uint32_t>(user_data, NODELOCK_UNREACHABLE, post, answer);
        };
        return callback(nodelock_config_set_transport, run, std::move(function));
    }
    config &log(log_function function) {
        nodelock_log_fn run = [](void *user_data, std::uint32_t event, const char *call, std::uint32_t attempt, std::uint32_t status, const char *message) {
            detail::run<log_function>(user_data, 0, event, call, attempt, status, message);
        };
        return callback(nodelock_config_set_log, run, std::move(function));
    }
    // For tests. What it throws counts as 1970.
    config &clock(clock_function function) {
        nodelock_clock_fn run = [](void *user_data) { return detail::run<clock_function, std::uint64_t>(user_data, 0); };
        return callback(nodelock_config_set_clock, run, std::move(function));
    }

private:
    template <class Function, class... Arguments> config &set(Function function, const Arguments &...arguments) {
        return detail::call(function, get(), arguments...), *this;
    }
    // The library frees the function, also when it does not take it.
    template <class Set, class Run, class Function> config &callback(Set set, Run run, Function function) {
        auto own = std::make_unique<Function>(std::move(function));
        return detail::call(set, get(), static_cast<void *>(own.release()), run, detail::finalize<Function>), *this;
    }
};

// One product's licensing on this machine; for any number of threads.
class client : public detail::object<nodelock_client, nodelock_client_free> {
public:
    explicit client(const config &settings) : object(detail::make<object>(nodelock_client_new, settings.get())) {}
    [[nodiscard]] license check() const { return detail::make<license>(nodelock_client_check, get()); }
    bool observe() const { bool wrote = false; return detail::call(nodelock_client_observe, get(), &wrote), wrote; }
    [[nodiscard]] request begin(std::optional<std::string_view> license_key, const details &about = {}) const { return detail::make<request>(nodelock_client_begin, get(), detail::optional_text(license_key), about.get()); }
    // False in a condition if none is pending.
    [[nodiscard]] request pending() const { return detail::make<request>(nodelock_client_pending, get()); }
    [[nodiscard]] request check_in_offline() const { return detail::make<request>(nodelock_client_check_in_offline, get()); }
    [[nodiscard]] request recover_offline() const { return detail::make<request>(nodelock_client_recover_offline, get()); }
    [[nodiscard]] proof cancel() const { return detail::make<proof>(nodelock_client_cancel, get()); }
    license install(std::string_view file) const { return detail::make<license>(nodelock_client_install, get(), detail::data(file), file.size()); }
    license accept(std::string_view file) const { return detail::make<license>(nodelock_client_accept, get(), detail::data(file), file.size()); }
    receipt accept_receipt(std::string_view file) const { return detail::make<receipt>(nodelock_client_accept_receipt, get(), detail::data(file), file.size()); }
    [[nodiscard]] proof deactivate_offline(std::uint32_t reason) const { return detail::make<proof>(nodelock_client_deactivate_offline, get(), reason); }
    [[nodiscard]] proofs outstanding() const { return detail::make<proofs>(nodelock_client_outstanding, get()); }

    // At each start, and once a day in an application that runs for days: checks, records, and renews what is due, within `limit`.
    [[nodiscard]] started start(std::chrono::milliseconds limit, const call *how = nullptr) const {
        nodelock_error *warning = nullptr;
        license found = detail::make<license>([&](nodelock_license **license, nodelock_error **cause) { return nodelock_client_start(get(), detail::number(limit), raw(how), license, &warning, cause); });
        detail::owned<nodelock_error, nodelock_error_free> owner(warning);
        return {std::move(found), warning != nullptr ? std::optional<error>(std::in_place, warning) : std::nullopt};
    }

    // Online; `how` may be null, and must live until the call returns.
    license activate(std::optional<std::string_view> license_key, const call *how = nullptr, const details &about = {}) const { return detail::make<license>(nodelock_client_activate, get(), detail::optional_text(license_key), about.get(), raw(how)); }
    receipt deactivate(std::uint32_t reason, const call *how = nullptr) const { return detail::make<receipt>(nodelock_client_deactivate, get(), reason, raw(how)); }
    license check_in(const call *how = nullptr) const { return detail::make<license>(nodelock_client_check_in, get(), raw(how)); }
    license recover(const call *how = nullptr) const { return detail::make<license>(nodelock_client_recover, get(), raw(how)); }
    // Returns how many receipts came.
    std::size_t hand_in(const call *how = nullptr) const { return nodelock_receipts_count(detail::make<detail::object<nodelock_receipts, nodelock_receipts_free>>(nodelock_client_hand_in, get(), raw(how)).get()); }

private:
    static const nodelock_call *raw(const call *how) noexcept { return how != nullptr ? how->get() : nullptr; }
};

} // namespace nodelock
#endif
