// The licensing of an application with windows, in C++17: online calls in a thread of their own, progress and results back on the
// GUI thread, a button that cancels.
//
//     cargo rustc --profile capi --lib --features capi,online,qr --crate-type cdylib
//     g++ -std=c++17 -pthread -Iinclude examples/cpp/main.cpp -o window -Ltarget/capi -lnodelock -Wl,-rpath,"$PWD/target/capi"
//     NODELOCK_ROOT=... NODELOCK_AUTHORITY=http://127.0.0.1:8420 ./window
//
// The window is made of lines: every line that is typed is a click (`activate KEY`, `replace KEY SEAT`, `deactivate`,
// `deactivate-offline`, `cancel`, `ping`, `quit`), every line that is printed is something that the window shows. Only event_loop is different with a real toolkit.

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <nodelock.hpp>

namespace {

using namespace std::chrono_literals;

constexpr auto product = "Example Editor";

// Stands in for the toolkit's. post() is for any thread: QMetaObject::invokeMethod with a queued connection, g_idle_add,
// PostMessage, dispatch_async on the main queue, wxEvtHandler::CallAfter.
class event_loop {
    std::mutex mutex;
    std::condition_variable arrived;
    std::deque<std::function<void()>> events;
    bool over = false;

public:
    void post(std::function<void()> event) {
        std::lock_guard lock(mutex);
        events.push_back(std::move(event));
        arrived.notify_one();
    }

    void quit() { over = true; }

    void run() {
        while (!over) {
            std::unique_lock lock(mutex);
            arrived.wait(lock, [this] { return !events.empty(); });
            auto event = std::move(events.front());
            events.pop_front();
            lock.unlock();
            event();
        }
    }
};

// One online call at a time, away from the GUI thread. All of this is for the GUI thread, and so is what it calls back. When it is
// destroyed, with its window, it cancels and waits, which takes no longer than a moment; nothing is called back after that.
class worker {
    event_loop &loop;
    std::thread thread;
    std::shared_ptr<nodelock::call> running;
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);

    // Has `event` run on the GUI thread, unless this is gone by then.
    void post(std::function<void()> event) {
        loop.post([still = std::weak_ptr(alive), event = std::move(event)] {
            if (!still.expired())
                event();
        });
    }

public:
    explicit worker(event_loop &events) : loop(events) {}
    worker(const worker &) = delete;
    worker &operator=(const worker &) = delete;
    ~worker() {
        cancel();
        if (thread.joinable())
            thread.join();
    }

    [[nodiscard]] bool is_busy() const { return running != nullptr; }

    // Whatever was done until then stays done: the same call later goes on from there.
    void cancel() {
        if (running)
            running->cancel();
    }

    template <class Result>
    void start(std::function<Result(const nodelock::call &)> job, std::function<void(std::string)> progress,
               std::function<void(std::future<Result>)> done) {
        running = std::make_shared<nodelock::call>();
        running->timeout(60s).progress([this, progress](std::uint32_t event, std::uint32_t attempt, std::chrono::milliseconds pause) {
            if (event == NODELOCK_EVENT_SENDING)
                post([=] { progress("asking the authority, attempt " + std::to_string(attempt)); });
            else if (event == NODELOCK_EVENT_WAITING)
                post([=] { progress("trying again in " + std::to_string(pause.count()) + " ms"); });
        });
        thread = std::thread([this, call = running, job = std::move(job), done = std::move(done)] {
            // An exception goes to the GUI thread inside of the future.
            std::packaged_task<Result()> task([&] { return job(*call); });
            auto result = std::make_shared<std::future<Result>>(task.get_future());
            task();
            post([this, result, done] {
                thread.join();
                running.reset();
                done(std::move(*result));
            });
        });
    }
};

class window {
    event_loop &loop;
    nodelock::client client;
    worker online;

    void show(const std::string &text) { std::cout << text << std::endl; }

    void show(const nodelock::license &license) {
        show("license: " + std::string(license.verdict_text()));
        if (license.is_usable())
            show("licensed to " + std::string(license.licensee()) + ", seat " + std::string(license.seat()));
        show(std::string("export: ") + (license.has_feature("export") ? "enabled" : "disabled"));
    }

    void show(const nodelock::receipt &receipt) {
        show(receipt.is_returned() ? "the seat is returned" : "the seat is held for this machine");
    }

    void show(const nodelock::error &error) {
        if (error.status() == NODELOCK_CANCELLED)
            show("cancelled");
        else
            show("failed: " + std::string(error.kind()) + ": " + error.what());
        // A deactivation that fails when the license is gone already has lost nothing.
        if (!error.deactivation_code().empty())
            show("code: " + error.deactivation_code());
        // When no seat is free, the user waits for the next one or chooses one to replace.
        for (const auto &seat : error.seats())
            show("seat " + seat.handle + ": last heard of on " + day(seat.last_contact) +
                 (seat.lapses != 0 ? ", free on " + day(seat.lapses) : "") + (seat.label.empty() ? "" : " " + seat.label) +
                 (seat.replaceable ? " [replace]" : ""));
        if (error.next_lapse() != 0)
            show("the next seat is free on " + day(error.next_lapse()));
    }

    static std::string day(std::uint64_t seconds) {
        char text[16] = "?";
        const auto time = static_cast<std::time_t>(seconds);
        if (const auto *date = std::gmtime(&time))
            std::strftime(text, sizeof text, "%Y-%m-%d", date);
        return text;
    }

    // A click on something that goes online.
    template <class Job> void start(Job job) {
        using result = std::invoke_result_t<Job, const nodelock::call &>;
        if (online.is_busy())
            return show("busy");
        show("working");
        online.start<result>(
            std::move(job), [this](const std::string &text) { show(text); },
            [this](std::future<result> outcome) {
                try {
                    show(outcome.get());
                } catch (const nodelock::error &error) {
                    show(error);
                } catch (const std::exception &error) {
                    // Such as a NUL in what was typed, which the wrapper refuses.
                    show("failed: " + std::string(error.what()));
                }
                show("ready");
            });
    }

public:
    window(event_loop &events, const nodelock::config &config) : loop(events), client(config), online(events) {
        // It reads one file, and asks the authority only when something is due: for 3 seconds at most, or the window waits.
        const auto [license, warning] = client.start(3s);
        show(license);
        // Neither a network that is down nor a disk that is full keeps anybody from working.
        if (warning)
            show(*warning);
        show("ready");
    }

    void clicked(const std::string &line) {
        const auto space = line.find(' ');
        const auto button = line.substr(0, space);
        const auto field = space == std::string::npos ? std::string() : line.substr(space + 1);
        if (button == "activate")
            start([this, field](const nodelock::call &call) { return client.activate(field, &call); });
        else if (button == "replace")
            start([this, field](const nodelock::call &call) {
                const auto end = field.find(' ');
                const auto seat = end == std::string::npos ? std::string() : field.substr(end + 1);
                return client.activate(field.substr(0, end), &call, nodelock::details().replace(seat));
            });
        else if (button == "deactivate")
            start([this](const nodelock::call &call) { return client.deactivate(NODELOCK_REASON_MOVED, &call); });
        else if (button == "deactivate-offline")
            deactivate_offline();
        else if (button == "cancel")
            online.cancel();
        else if (button == "ping")
            show("still here");
        else if (button == "quit")
            loop.quit();
        else
            show("no such button");
    }

private:
    // Writes one file and needs no network, so it may run here. From then on the code is all that frees the seat.
    void deactivate_offline() {
        try {
            show("code: " + std::string(client.deactivate_offline(NODELOCK_REASON_MOVED).code()));
        } catch (const nodelock::error &error) {
            show(error);
        }
    }
};

std::optional<std::string> environment(const char *name) {
    const char *value = std::getenv(name);
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

// An application has its root key, its authority's address and its version compiled in.
nodelock::config settings() {
    nodelock::config config(product);
    // Whoever types another license key means that one: a request for the key before it is taken back.
    config.application_version("1.0.0").replace(NODELOCK_REPLACE_REQUEST);
    if (const auto root = environment("NODELOCK_ROOT"))
        config.root(*root);
    if (const auto authority = environment("NODELOCK_AUTHORITY"))
        config.authority(*authority);
    if (const auto store = environment("NODELOCK_STORE"))
        config.store(*store);
    return config;
}

} // namespace

int main() {
    event_loop loop;
    std::thread mouse;
    try {
        window main_window(loop, settings());
        mouse = std::thread([&] {
            for (std::string line = "ping"; line != "quit";) {
                if (!std::getline(std::cin, line))
                    line = "quit";
                loop.post([&main_window, line] { main_window.clicked(line); });
            }
        });
        loop.run();
    } catch (const std::exception &error) {
        std::cerr << product << ": " << error.what() << std::endl;
        if (mouse.joinable())
            mouse.detach();
        return EXIT_FAILURE;
    }
    mouse.join();
}
