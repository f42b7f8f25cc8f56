#include "command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <ostream>
#include <utility>

#include "demo/run_demo.hpp"
#include "text/duration_input.hpp"
#include "text/suggestion.hpp"
#include "version_text.hpp"

namespace resilience::program {
namespace {

constexpr std::array<std::string_view, 3> commands{"demo", "version", "help"};
constexpr std::array<std::string_view, 10> demo_flags{"--port",         "--admin-port", "--script", "--speed",
                                                      "--duration",     "--no-load",    "--rate",   "--unguarded",
                                                      "--no-unguarded", "--help"};

constexpr const char* exit_codes_text =
    "Exit codes: 0 done; 1 done, and the answer is no; 2 wrong usage; 3 environment (a file that cannot be\n"
    "read, a port that cannot be had); 70 a bug of ours; 130, 143 interrupted.\n";
constexpr const char* program_footer = "\nExamples:\n  resilience demo\n  resilience help demo\n\n";
constexpr const char* demo_footer =
    "\nScript: one event a line, # begins a comment; `for` says how long.\n"
    "  at=0s   say calm\n"
    "  at=15s  payment error=0.8 for=20s        upstreams: payment, inventory, recommendations\n"
    "  at=50s  inventory latency=20x for=15s    faults: error=RATIO, latency=20x or 300ms, hang, down\n"
    "  at=65s  load=5x for=20s\n"
    "By hand:  curl -X POST 'http://127.0.0.1:9911/demo/faults/payment?error=0.8&for=20s'   (DELETE ends it)\n"
    "\nExamples:\n"
    "  resilience demo --duration 100s\n"
    "  resilience demo --script attack.txt --rate 2000/s --port 0\n\n"
    "Ctrl-C and SIGTERM end the demo with its summary: exit code 0; a second one ends it at once: 130, 143.\n";

// What the flags of the demo say, as they were typed.
struct DemoWords {
    std::uint16_t port = 8080;
    std::uint16_t admin_port = 9911;
    std::string script;
    double speed = 1;
    std::string duration = "0s";
    bool no_load = false;
    std::string rate = "200/s";
    bool unguarded = false;
    bool no_unguarded = false;
};

CLI::App* add_demo(CLI::App& app, DemoWords& words) {
    CLI::App* const demo = app.add_subcommand("demo", "A small shop under attack, live in your browser");
    demo->add_option("--port", words.port, "Port of the shop; one in use is replaced by a free one, 0 is any free one")
        ->capture_default_str()
        ->type_name("PORT");
    demo->add_option("--admin-port", words.admin_port, "Port of the dashboard, /stats, /metrics and /demo/faults")
        ->capture_default_str()
        ->type_name("PORT");
    demo->add_option("--script", words.script,
                     "What goes wrong and when; - is standard input. Default: a loop of 100 s")
        ->type_name("FILE");
    demo->add_option("--speed", words.speed, "How fast the script's clock runs, 0.1 to 100")
        ->capture_default_str()
        ->type_name("FACTOR");
    demo->add_option("--duration", words.duration, "End by itself after this long; 0s: never")
        ->capture_default_str()
        ->type_name("TIME");
    demo->add_option("--rate", words.rate,
                     "Calls per second in calm; the shop's limits are sized for it. 1/s to 20000/s")
        ->capture_default_str()
        ->type_name("N/s");
    demo->add_flag("--no-load", words.no_load, "No load of its own: only yours");
    demo->add_flag("--unguarded", words.unguarded,
                   "A twin of the shop without policies, with the same load and faults, for comparison; on unless\n"
                   "--no-load leaves nothing to compare");
    demo->add_flag("--no-unguarded", words.no_unguarded, "No twin");
    demo->footer(std::string(demo_footer) + exit_codes_text);
    return demo;
}

std::optional<double> parse_rate(std::string_view text) {
    if (!text.ends_with("/s")) return std::nullopt;
    double rate = 0;
    const std::string number(text.substr(0, text.size() - 2));
    if (!CLI::detail::lexical_cast(number, rate) || !(rate >= 1 && rate <= 20'000)) return std::nullopt;
    return rate;
}

std::expected<Command, std::string> demo_command(const DemoWords& words) {
    std::string problems;
    const auto add = [&](const std::string& problem) { problems += "error: " + problem + "\n"; };
    RunDemo command;
    demo::DemoOptions& options = command.options;
    options.port = words.port;
    options.admin_port = words.admin_port;
    options.load = !words.no_load;
    options.unguarded = words.unguarded || (!words.no_load && !words.no_unguarded);
    options.speed = words.speed;
    if (!(words.speed >= 0.1 && words.speed <= 100)) add("--speed is a factor from 0.1 to 100");
    if (words.unguarded && words.no_unguarded) add("--unguarded and --no-unguarded exclude each other");
    if (words.port != 0 && words.port == words.admin_port) add("--port and --admin-port are the same");
    if (const auto duration = parse_duration(words.duration)) {
        options.duration = *duration;
    } else {
        add("--duration " + duration.error());
    }
    if (const auto rate = parse_rate(words.rate)) {
        options.rate = *rate;
    } else {
        add("--rate is 1/s to 20000/s, like 200/s, but is '" + words.rate + "'");
    }
    command.script_file = words.script;
    if (!problems.empty()) return std::unexpected(problems);
    return command;
}

std::string unknown(std::string_view what, std::string_view word, std::span<const std::string_view> known) {
    return "error: unknown " + std::string(what) + " '" + std::string(word) + "'" + did_you_mean(word, known) + "\n";
}

// CLI11 names what it did not know; this adds what was probably meant.
std::string told(const CLI::ParseError& error, const std::vector<std::string>& arguments) {
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        const bool in_demo = !arguments.empty() && arguments.front() == "demo";
        for (const std::string& word : arguments) {
            const std::string_view name = std::string_view(word).substr(0, word.find('='));
            const bool is_flag = name.starts_with('-') && name.size() > 1;
            if (in_demo && is_flag && std::ranges::find(demo_flags, name) == demo_flags.end() && name != "-h") {
                return unknown("option", name, demo_flags);
            }
        }
    }
    return std::string("error: ") + error.what() + "\n";
}

constexpr const char* where_help_is = "`resilience help` lists the commands\n";

// "help demo" is "demo --help"; an unknown command is told before CLI11 sees it.
std::expected<std::vector<std::string>, std::string> with_help_as_flag(std::vector<std::string> arguments) {
    if (arguments.empty()) return std::unexpected("error: a command is missing\n" + std::string(where_help_is));
    if (arguments.front() == "help") {
        arguments.erase(arguments.begin());
        if (arguments.size() > 1) return std::unexpected("error: help takes one command\n");
        if (arguments.empty() || arguments.front() == "help") return std::vector<std::string>{"--help"};
        arguments.emplace_back("--help");
    }
    const std::string& first = arguments.front();
    if (first.starts_with('-')) {
        constexpr std::array<std::string_view, 2> flags{"--help", "--version"};
        if (first == "-h" || std::ranges::find(flags, first) != flags.end()) return arguments;
        return std::unexpected(unknown("option", first, flags) + where_help_is);
    }
    if (std::ranges::find(commands, first) == commands.end()) {
        return std::unexpected(unknown("command", first, commands) + where_help_is);
    }
    return arguments;
}

ExitCode run(const Command& command, std::ostream& out, std::ostream& err) {
    if (const auto* show = std::get_if<ShowText>(&command)) {
        out << show->text << std::flush;
        return ExitCode::done;
    }
    RunDemo demo = std::get<RunDemo>(command);
    demo.options.script = demo::default_script();
    if (!demo.script_file.empty()) {
        const ExitCode read = demo::read_script(demo.script_file, demo.options.script, err);
        if (read != ExitCode::done) return read;
    }
    return demo::run_demo(demo.options, out, err);
}

}  // namespace

std::expected<Command, std::string> parse_command_line(const std::vector<std::string>& arguments) {
    auto words = with_help_as_flag(arguments);
    if (!words) return std::unexpected(words.error());
    CLI::App app{"Keeps a service standing when what it calls fails, slows down or is overrun.", "resilience"};
    app.require_subcommand(1);
    app.footer(std::string(program_footer) + exit_codes_text);
    app.set_version_flag("--version", version_text());
    DemoWords demo_words;
    CLI::App* const demo = add_demo(app, demo_words);
    CLI::App* const version = app.add_subcommand("version", "Version, compiler and adapters");
    version->footer(std::string("\nExamples:\n  resilience version\n  resilience --version\n\n") + exit_codes_text);
    app.add_subcommand("help", "Help about a command: `resilience help demo` is `resilience demo --help`");
    try {
        std::vector<std::string> reversed(words->rbegin(), words->rend());  // CLI11 takes them from the back
        app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        return ShowText{(demo->parsed() ? demo : version->parsed() ? version : &app)->help()};
    } catch (const CLI::CallForVersion&) {
        return ShowText{version_text()};
    } catch (const CLI::ParseError& error) {
        return std::unexpected(told(error, *words) +
                               (demo->parsed() ? "`resilience help demo` lists its options\n" : where_help_is));
    }
    if (version->parsed()) return ShowText{version_text()};
    return demo_command(demo_words);
}

ExitCode run_program(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) noexcept {
    try {
        const auto command = parse_command_line(arguments);
        if (command) return run(*command, out, err);
        err << command.error();
        return ExitCode::wrong_usage;
    } catch (const std::exception& error) {
        err << "This is a bug of ours: " << error.what() << "\nPlease report it with the command and this:\n"
            << version_text();
    } catch (...) {
        err << "This is a bug of ours: an exception without a text\n";
    }
    return ExitCode::our_bug;
}

}  // namespace resilience::program
