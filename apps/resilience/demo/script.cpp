#include "demo/script.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "text/duration_input.hpp"
#include "text/figures.hpp"
#include "text/suggestion.hpp"

namespace resilience::demo {
namespace {

constexpr std::size_t most_text = 1024 * 1024;
constexpr std::size_t longest_line = 1000;
constexpr double most_load = 100;
constexpr Duration latest = std::chrono::hours{24};
constexpr std::string_view blanks = " \t\r";

struct Word {
    std::string_view key;
    std::string_view value;  // what follows the first "="
    bool assigned = false;   // there was one
};

// The next word of the line, which it removes.
std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    const std::string_view word = line.substr(0, line.find_first_of(blanks));
    line.remove_prefix(word.size());
    return word;
}

Word split(std::string_view word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) return {word, {}, false};
    return {word.substr(0, equals), word.substr(equals + 1), true};
}

// Reads one line; what is wrong lands in `problems`.
class LineReader {
  public:
    LineReader(std::string_view line, std::vector<std::string>& problems) : rest_(line), problems_(problems) {}

    std::optional<ScriptEvent> read() {
        ScriptEvent event;
        const bool timed = read_moment(event.at);
        if (!timed && rest_.empty()) return std::nullopt;
        const std::string_view subject = take_word(rest_);
        if (subject.empty()) {
            problems_.emplace_back("nothing happens; write an upstream and its fault, load=5x, or say and a text");
            return std::nullopt;
        }
        const bool good = read_what(subject, event);
        return timed && good && problems_.empty() ? std::optional(std::move(event)) : std::nullopt;
    }

  private:
    bool read_moment(Duration& at) {
        std::string_view ahead = rest_;
        const Word word = split(take_word(ahead));
        if (word.key != "at" || !word.assigned) {
            problems_.emplace_back("a line begins with its time, like at=15s");
            if (word.key == "at") rest_ = {};  // "at 15s": what follows is no subject
            return false;
        }
        rest_ = ahead;
        const auto moment = program::parse_duration(word.value);
        if (!moment) {
            problems_.push_back("'at' " + moment.error());
        } else if (*moment > latest) {
            problems_.push_back("'at' is up to 24h, but is " + std::string(word.value));
        } else {
            at = *moment;
            return true;
        }
        return false;
    }

    bool read_what(std::string_view subject, ScriptEvent& event) {
        if (subject == "say") return read_say(event);
        if (const Word word = split(subject); word.key == "load" && word.assigned) return read_load(word.value, event);
        if (const std::optional<UpstreamId> upstream = upstream_of(subject)) return read_fault(*upstream, event);
        constexpr std::array<std::string_view, 5> subjects{"payment", "inventory", "recommendations", "load", "say"};
        problems_.push_back("unknown word " + program::in_quotes(subject) +
                            program::did_you_mean(split(subject).key, subjects));
        return false;
    }

    bool read_say(ScriptEvent& event) {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(blanks), rest_.size()));
        const std::string_view text = rest_.substr(0, rest_.find_last_not_of(blanks) + 1);
        const bool printable = std::ranges::none_of(
            text, [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F; });
        if (text.empty()) problems_.emplace_back("'say' has no text");
        if (!printable) problems_.emplace_back("'say' holds control characters");
        event.what = SayEvent{std::string(text)};
        return !text.empty() && printable;
    }

    bool read_load(std::string_view value, ScriptEvent& event) {
        LoadEvent load;
        const std::optional<double> factor = parse_factor(value, 0, most_load);
        if (!factor)
            problems_.push_back("'load' is a factor from 0x to 100x, like load=5x, but is " +
                                program::in_quotes(value));
        load.factor = factor.value_or(1);
        FaultReader reader;
        bool period = false;
        for (std::string_view word = take_word(rest_); !word.empty(); word = take_word(rest_)) {
            const Word part = split(word);
            if (part.assigned && reader.take_period(part.key, part.value)) {
                period = true;
            } else {
                unknown(word, std::array<std::string_view, 1>{"for"});
            }
        }
        if (!period) problems_.emplace_back("'for' is missing: say how long, like for=20s");
        problems_.insert(problems_.end(), reader.problems().begin(), reader.problems().end());
        load.period = reader.period();
        event.what = load;
        return true;
    }

    bool read_fault(UpstreamId upstream, ScriptEvent& event) {
        FaultReader reader;
        std::vector<std::string_view> seen;
        bool all_known = true;
        for (std::string_view word = take_word(rest_); !word.empty(); word = take_word(rest_)) {
            const Word part = split(word);
            if (std::ranges::find(seen, part.key) != seen.end()) {
                problems_.push_back(program::in_quotes(part.key) + " stands twice");
                continue;
            }
            seen.push_back(part.key);
            if (reader.take(part.key, part.value) || reader.take_period(part.key, part.value)) continue;
            unknown(word, fault_words);
            all_known = false;
        }
        if (all_known) reader.finish();
        problems_.insert(problems_.end(), reader.problems().begin(), reader.problems().end());
        event.what = FaultEvent{upstream, reader.fault(), reader.period()};
        return true;
    }

    void unknown(std::string_view word, std::span<const std::string_view> known) {
        problems_.push_back("unknown word " + program::in_quotes(word) + program::did_you_mean(split(word).key, known));
    }

    std::string_view rest_;
    std::vector<std::string>& problems_;
};

void read_line(std::string_view line, std::size_t number, Script& script, std::vector<ScriptProblem>& problems) {
    if (line.size() > longest_line) {
        problems.push_back({number, "the line is longer than 1,000 bytes"});
        return;
    }
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(blanks) == std::string_view::npos) return;
    std::vector<std::string> found;
    if (auto event = LineReader{line, found}.read()) {
        event->line = number;
        script.events.push_back(std::move(*event));
    }
    for (std::string& message : found) problems.push_back({number, std::move(message)});
}

}  // namespace

std::expected<Script, std::vector<ScriptProblem>> parse_script(std::string_view text) {
    Script script;
    std::vector<ScriptProblem> problems;
    if (text.size() > most_text)
        return std::unexpected(std::vector{ScriptProblem{1, "the script is longer than 1 MiB"}});
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        read_line(text.substr(0, end), number, script, problems);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (!problems.empty()) return std::unexpected(std::move(problems));
    std::ranges::sort(script.events, {}, [](const ScriptEvent& event) { return std::pair(event.at, event.line); });
    return script;
}

Script default_script() {
    constexpr std::string_view text =
        "at=0s   say calm\n"
        "at=15s  payment error=0.8 for=20s\n"
        "at=35s  say recovery\n"
        "at=50s  inventory latency=20x for=15s\n"
        "at=65s  load=5x for=20s\n"
        "at=85s  say calm\n";
    Script script = parse_script(text).value();
    script.loop = std::chrono::seconds{100};
    return script;
}

}  // namespace resilience::demo
