#pragma once

// A real Chromium without a window, for tests: opens a page, evaluates scripts in it, and keeps what went wrong there.
//
// It is driven by the DevTools protocol over two pipes: JSON messages that end with a NUL. What it asks of the network
// is whatever the page makes it ask; its own services are switched off. Every wait ends after a minute with an
// exception.

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <resilience/base/time.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::inline v1::testing_http {

class Browser {
  public:
    using Json = nlohmann::json;

    // Throws when Chromium is not installed or does not start: a test that needs it fails, loudly.
    Browser() {
        std::string pattern = (std::filesystem::temp_directory_path() / "browser-for-tests-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder for the browser");
        profile_ = pattern;
        try {
            start();
            const std::string target = call("Target.createTarget", {{"url", "about:blank"}})["targetId"];
            session_ = call("Target.attachToTarget", {{"targetId", target}, {"flatten", true}})["sessionId"];
            for (const char* domain : {"Page", "Runtime", "Log", "Network"}) call(std::string(domain) + ".enable");
        } catch (...) {
            end();
            throw;
        }
    }
    ~Browser() { end(); }
    Browser(const Browser&) = delete;
    Browser& operator=(const Browser&) = delete;

    void open(const std::string& url) {
        call("Page.navigate", {{"url", url}});
        if (!eventually("document.readyState === 'complete' && location.href === " + Json(url).dump())) {
            throw std::runtime_error("the browser does not open " + url);
        }
    }
    void resize(int width, int height) {
        call("Emulation.setDeviceMetricsOverride",
             {{"width", width}, {"height", height}, {"deviceScaleFactor", 1}, {"mobile", false}});
    }
    void prefer_colors(std::string_view scheme) {  // "light" or "dark"
        const Json wish{{"name", "prefers-color-scheme"}, {"value", scheme}};
        call("Emulation.setEmulatedMedia", {{"features", Json::array({wish})}});
    }

    // The value of an expression in the page.
    Json evaluate(const std::string& expression) {
        const Json answer = call("Runtime.evaluate", {{"expression", expression}, {"returnByValue", true}});
        if (answer.contains("exceptionDetails")) throw std::runtime_error(expression + ": " + answer.dump());
        return answer["result"].value("value", Json());
    }
    // Whether the expression becomes true within `patience`.
    bool eventually(const std::string& expression, Duration patience = std::chrono::seconds{60}) {
        const TimePoint until = Clock::now() + patience;
        do {
            if (evaluate(expression) == true) return true;
            ::poll(nullptr, 0, 20);
        } while (Clock::now() < until);
        return false;
    }

    // Exceptions, console errors, dialogs and whatever the browser itself complained of, one text each.
    [[nodiscard]] const std::vector<std::string>& troubles() const noexcept { return troubles_; }
    // Every address the page has asked for.
    [[nodiscard]] const std::vector<std::string>& requests() const noexcept { return requests_; }

  private:
    static constexpr int patience_ms = 60'000;

    void start() {
        std::array<int, 2> to{}, from{};
        if (::pipe2(to.data(), O_CLOEXEC) != 0 || ::pipe2(from.data(), O_CLOEXEC) != 0) {
            throw std::runtime_error("cannot make pipes for the browser");
        }
        const std::string errors = profile_ / "errors.txt", profile = "--user-data-dir=" + profile_.string();
        const std::array<const char*, 16> words{"chromium",
                                                "--headless=new",
                                                "--no-sandbox",
                                                "--disable-gpu",
                                                "--disable-dev-shm-usage",
                                                "--disable-quic",
                                                "--no-first-run",
                                                "--disable-sync",
                                                "--disable-background-networking",
                                                "--hide-scrollbars",
                                                "--mute-audio",
                                                "--disable-component-update",
                                                profile.c_str(),
                                                "--remote-debugging-pipe",
                                                "about:blank",
                                                nullptr};
        process_ = ::fork();
        if (process_ == 0) {
            ::setpgid(0, 0);
            // The browser reads from 3 and writes to 4, which may be ends of our pipes by chance.
            const int reads = ::fcntl(to[0], F_DUPFD, 10), writes = ::fcntl(from[1], F_DUPFD, 10);
            const int err = ::open(errors.c_str(), O_CREAT | O_WRONLY, 0600);
            ::dup2(err, 1);
            ::dup2(err, 2);
            ::dup2(reads, 3);
            ::dup2(writes, 4);
            ::execvp(words[0], const_cast<char* const*>(words.data()));
            ::_exit(127);
        }
        ::close(to[0]);
        ::close(from[1]);
        to_ = to[1];
        from_ = from[0];
        ::signal(SIGPIPE, SIG_IGN);
    }

    // The browser and all its processes.
    void end() {
        ::close(to_);
        ::close(from_);
        if (process_ > 0) {
            ::kill(-process_, SIGKILL);
            ::waitpid(process_, nullptr, 0);
        }
        std::error_code ignored;
        std::filesystem::remove_all(profile_, ignored);
    }

    Json call(const std::string& method, const Json& parameters = Json::object()) {
        Json message{{"id", ++last_call_}, {"method", method}, {"params", parameters}};
        if (!session_.empty()) message["sessionId"] = session_;
        send(message);
        while (true) {
            Json answer = receive();
            if (answer.value("id", 0) == last_call_) {
                if (answer.contains("error")) throw std::runtime_error(method + ": " + answer["error"].dump());
                return answer["result"];
            }
            if (answer.contains("method")) note(answer["method"], answer["params"]);
        }
    }

    void send(const Json& message) const {
        const std::string text = message.dump() + '\0';
        for (std::size_t sent = 0; sent < text.size();) {
            const ssize_t size = ::write(to_, text.data() + sent, text.size() - sent);
            if (size <= 0) throw std::runtime_error(why_it_ended());
            sent += static_cast<std::size_t>(size);
        }
    }

    Json receive() {
        std::size_t end = 0;
        while ((end = received_.find('\0')) == std::string::npos) {
            pollfd readable{.fd = from_, .events = POLLIN, .revents = 0};
            if (::poll(&readable, 1, patience_ms) == 0)
                throw std::runtime_error("the browser says nothing for a minute");
            std::array<char, 65536> bytes{};
            const ssize_t size = ::read(from_, bytes.data(), bytes.size());
            if (size <= 0) throw std::runtime_error(why_it_ended());
            received_.append(bytes.data(), static_cast<std::size_t>(size));
        }
        const std::string message = received_.substr(0, end);
        received_.erase(0, end + 1);
        return Json::parse(message);
    }

    std::string why_it_ended() const {
        std::ifstream errors(profile_ / "errors.txt");
        return "chromium ended or is not installed (tools/install_packages.sh test): " +
               std::string(std::istreambuf_iterator<char>(errors), {});
    }

    void note(const std::string& event, const Json& what) {
        if (event == "Network.requestWillBeSent") requests_.push_back(what["request"]["url"]);
        const bool complaint = event == "Log.entryAdded" && what["entry"]["level"] == "error";
        const bool console = event == "Runtime.consoleAPICalled" && what["type"] != "log" && what["type"] != "info";
        const bool dialog = event == "Page.javascriptDialogOpening";
        if (complaint || console || dialog || event == "Runtime.exceptionThrown") {
            troubles_.push_back(event + " " + what.dump());
        }
        if (dialog)
            send({{"id", ++last_unasked_},
                  {"method", "Page.handleJavaScriptDialog"},
                  {"params", {{"accept", true}}},
                  {"sessionId", session_}});
    }

    std::filesystem::path profile_;
    pid_t process_ = 0;
    int to_ = -1;
    int from_ = -1;
    int last_call_ = 0;
    int last_unasked_ = 1'000'000;  // ids of messages whose answers nobody reads
    std::string session_;
    std::string received_;
    std::vector<std::string> troubles_;
    std::vector<std::string> requests_;
};

}  // namespace resilience::inline v1::testing_http
