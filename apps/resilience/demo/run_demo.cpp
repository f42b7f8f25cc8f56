#include "demo/run_demo.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>

#include "text/figures.hpp"

namespace resilience::demo {
namespace {

namespace asio = boost::asio;
using program::ExitCode;

constexpr auto watch_every = std::chrono::seconds{1};

// A thread of a front needs up to ten descriptors with the upstreams' ends, and there are two fronts; the usual soft
// limit of 1,024 would end at 50 customers each.
void allow_descriptors() {
    constexpr rlim_t wanted = 8192;
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);  // refused: fewer customers are served, and the front says so
}

// What ends the demo: a signal, from the moment this exists, or its duration. Gone, signals do what they usually do.
class End {
  public:
    End() {
        signals_.async_wait([this](boost::system::error_code, int) { io_.stop(); });
    }

    // Returns when the end has come, and watches meanwhile.
    void wait(Demo& demo, Duration duration) {
        if (duration > Duration::zero()) {
            duration_.expires_after(duration);
            duration_.async_wait([this](boost::system::error_code) { io_.stop(); });
        }
        watch(demo);
        io_.run();
    }

  private:
    void watch(Demo& demo) {
        tick_.expires_after(watch_every);
        tick_.async_wait([this, &demo](boost::system::error_code) {
            demo.watch();
            watch(demo);
        });
    }

    asio::io_context io_{1};
    asio::signal_set signals_{io_, SIGINT, SIGTERM};
    asio::steady_timer duration_{io_};
    asio::steady_timer tick_{io_};
};

void tell_of_other_port(std::uint16_t asked, std::uint16_t got, std::string_view what, std::string_view flag,
                        std::ostream& err) {
    if (asked == 0 || asked == got) return;
    err << "port " << asked << " is in use: the " << what << " is on " << got << " (" << flag << " chooses)\n";
}

// The whole file, "-" for standard input. Nothing when it cannot be read: errno says why. More than a script may be
// long is not read.
std::optional<std::string> text_of(const std::string& file) {
    constexpr std::size_t most = 2 * 1024 * 1024;
    const bool standard_input = file == "-";
    std::FILE* const opened = standard_input ? stdin : std::fopen(file.c_str(), "re");
    if (opened == nullptr) return std::nullopt;
    std::string text;
    std::array<char, 4096> bytes{};
    std::size_t size = 0;
    while (text.size() < most && (size = std::fread(bytes.data(), 1, bytes.size(), opened)) > 0) {
        text.append(bytes.data(), size);
    }
    const int error = std::ferror(opened) != 0 ? errno : 0;
    if (!standard_input) std::fclose(opened);
    errno = error;
    return error == 0 ? std::optional(std::move(text)) : std::nullopt;
}

}  // namespace

ExitCode run_demo(const DemoOptions& options, std::ostream& out, std::ostream& err) {
    allow_descriptors();
    std::signal(SIGPIPE, SIG_IGN);
    DemoPicture last;
    try {
        std::optional<End> end{std::in_place};
        Demo demo{options, out};
        tell_of_other_port(options.port, demo.port(), "shop", "--port", err);
        tell_of_other_port(options.admin_port, demo.admin_port(), "dashboard", "--admin-port", err);
        end->wait(demo, options.duration);
        end.reset();
        demo.stop();
        last = demo.picture();
    } catch (const std::system_error& error) {
        err << "error: " << error.what() << '\n';
        return ExitCode::environment;
    }
    out << summary_text(last) << std::flush;
    return ExitCode::done;
}

ExitCode read_script(const std::string& file, Script& script, std::ostream& err) {
    const std::optional<std::string> text = text_of(file);
    if (!text) {
        err << "error: cannot read " << file << ": " << std::generic_category().message(errno) << '\n';
        return ExitCode::environment;
    }
    auto parsed = parse_script(*text);
    if (parsed) {
        script = std::move(*parsed);
        return ExitCode::done;
    }
    const auto& problems = parsed.error();
    for (const ScriptProblem& problem : problems) {
        err << file << ':' << problem.line << ": error: " << problem.message << '\n';
    }
    err << program::with_separators(problems.size()) << (problems.size() == 1 ? " error\n" : " errors\n");
    return ExitCode::wrong_usage;
}

}  // namespace resilience::demo
