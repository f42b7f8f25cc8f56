#pragma once

// For tests: runs the real promtool, and reads single series of a scrape.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::inline v1::detail {

struct PromtoolAnswer {
    int exit_code = -1;
    std::string text;  // of both streams
};

// `arguments` go through a shell. A promtool that is not installed is exit code 127 and the shell's own words.
inline PromtoolAnswer run_promtool(const std::string& arguments) {
    const std::string command = "promtool " + arguments + " 2>&1";
    PromtoolAnswer answer;
    FILE* output = ::popen(command.c_str(), "r");
    if (output == nullptr) return answer;
    std::array<char, 4096> part{};
    for (std::size_t read = 0; (read = std::fread(part.data(), 1, part.size(), output)) > 0;) {
        answer.text.append(part.data(), read);
    }
    const int status = ::pclose(output);
    answer.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return answer;
}

// What promtool says about this text as an answer to a scrape.
inline PromtoolAnswer check_metrics(const std::string& scrape) {
    const std::string path = ::testing::TempDir() + "scrape_" + std::to_string(::getpid()) + ".txt";
    std::ofstream(path, std::ios::binary) << scrape;
    PromtoolAnswer answer = run_promtool("check metrics < '" + path + "'");
    std::remove(path.c_str());
    return answer;
}

// For EXPECT_TRUE: exit code 0, and not one word.
inline ::testing::AssertionResult promtool_finds_nothing(const std::string& scrape) {
    const PromtoolAnswer answer = check_metrics(scrape);
    if (answer.exit_code == 127) {
        return ::testing::AssertionFailure()
               << "promtool is not installed (Debian package prometheus): " << answer.text;
    }
    if (answer.exit_code == 0 && answer.text.empty()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "promtool exits " << answer.exit_code << ": " << answer.text;
}

// The value of the series written exactly like this, `name` or `name{label="value"}`; nothing when it is not there.
inline std::optional<double> value_of(std::string_view scrape, std::string_view series) {
    const std::string line_start = '\n' + std::string(series) + ' ';
    const std::string whole = '\n' + std::string(scrape);
    const auto at = whole.find(line_start);
    if (at == std::string::npos) return std::nullopt;
    return std::strtod(whole.c_str() + at + line_start.size(), nullptr);
}

}  // namespace resilience::inline v1::detail
