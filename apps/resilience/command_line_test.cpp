#include "command_line.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace resilience::program {
namespace command_line_test {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

demo::DemoOptions options_of(const Words& words) {
    const auto command = parse_command_line(words);
    EXPECT_TRUE(command) << command.error();
    return command ? std::get<RunDemo>(*command).options : demo::DemoOptions{};
}

TEST(CommandLine, runs_the_demo_with_its_defaults) {
    const demo::DemoOptions options = options_of({"demo"});
    EXPECT_EQ(options.port, 8080);
    EXPECT_EQ(options.admin_port, 9911);
    EXPECT_EQ(options.speed, 1);
    EXPECT_EQ(options.duration, 0s);
    EXPECT_EQ(options.rate, 200);
    EXPECT_TRUE(options.load);
}

TEST(CommandLine, takes_every_flag_of_the_demo) {
    const auto command = parse_command_line({"demo", "--port", "0", "--admin-port=0", "--script", "a.txt", "--speed",
                                             "2.5", "--duration", "1m30s", "--no-load", "--rate", "2000/s"});
    ASSERT_TRUE(command) << command.error();
    const auto& demo = std::get<RunDemo>(*command);
    EXPECT_EQ(demo.options.port, 0);
    EXPECT_EQ(demo.options.admin_port, 0);
    EXPECT_EQ(demo.options.speed, 2.5);
    EXPECT_EQ(demo.options.duration, 90s);
    EXPECT_EQ(demo.options.rate, 2000);
    EXPECT_FALSE(demo.options.load);
    EXPECT_EQ(demo.script_file, "a.txt");
}

TEST(CommandLine, runs_the_twin_beside_a_load_or_when_it_is_asked_for) {
    EXPECT_TRUE(options_of({"demo"}).unguarded);
    EXPECT_FALSE(options_of({"demo", "--no-load"}).unguarded);
    EXPECT_TRUE(options_of({"demo", "--no-load", "--unguarded"}).unguarded);
    EXPECT_FALSE(options_of({"demo", "--no-unguarded"}).unguarded);
}

struct Refused {
    Words words;
    std::string says;
};

TEST(CommandLine, says_what_is_wrong_and_what_was_probably_meant) {
    const std::vector<Refused> rows{
        {{}, "error: a command is missing"},
        {{"dmeo"}, "error: unknown command 'dmeo'; did you mean 'demo'?"},
        {{"gateway"}, "error: unknown command 'gateway'"},
        {{"help", "demoo"}, "error: unknown command 'demoo'; did you mean 'demo'?"},
        {{"help", "demo", "version"}, "error: help takes one command"},
        {{"--versoin"}, "error: unknown option '--versoin'; did you mean '--version'?"},
        {{"demo", "--prot", "1"}, "error: unknown option '--prot'; did you mean '--port'?"},
        {{"demo", "--durration=1s"}, "error: unknown option '--durration'; did you mean '--duration'?"},
        {{"demo", "now"}, "now"},
        {{"demo", "--port", "x"}, "--port"},
        {{"demo", "--port", "65536"}, "--port"},
        {{"demo", "--port", "-1"}, "--port"},
        {{"demo", "--port"}, "--port"},
        {{"demo", "--port", "80", "--admin-port", "80"}, "error: --port and --admin-port are the same"},
        {{"demo", "--speed", "0"}, "error: --speed is a factor from 0.1 to 100"},
        {{"demo", "--speed", "nan"}, "error: --speed is a factor from 0.1 to 100"},
        {{"demo", "--duration", "100"}, "error: --duration needs a unit; did you mean 100s?"},
        {{"demo", "--rate", "200"}, "error: --rate is 1/s to 20000/s, like 200/s, but is '200'"},
        {{"demo", "--rate", "0/s"}, "error: --rate is 1/s to 20000/s, like 200/s, but is '0/s'"},
        {{"demo", "--unguarded", "--no-unguarded"}, "error: --unguarded and --no-unguarded exclude each other"},
        {{"demo", "--ungarded"}, "error: unknown option '--ungarded'; did you mean '--unguarded'?"},
        {{"version", "demo"}, "error:"},
    };
    for (const auto& [words, says] : rows) {
        std::string typed;
        for (const std::string& word : words) typed += " " + word;
        const auto command = parse_command_line(words);
        ASSERT_FALSE(command) << typed;
        EXPECT_NE(command.error().find(says), std::string::npos) << typed << "\n  says: " << command.error();
    }
}

TEST(CommandLine, lists_all_bad_values_at_once) {
    const auto command = parse_command_line({"demo", "--speed", "0", "--duration", "5", "--rate", "x"});
    ASSERT_FALSE(command);
    for (const char* flag : {"--speed", "--duration", "--rate"}) {
        EXPECT_NE(command.error().find(std::string("error: ") + flag), std::string::npos) << command.error();
    }
}

struct Ran {
    ExitCode code;
    std::string out, err;
};
Ran run(const Words& words) {
    std::ostringstream out, err;
    const ExitCode code = run_program(words, out, err);
    return {code, out.str(), err.str()};
}

TEST(Program, prints_help_with_defaults_exit_codes_and_examples_on_standard_output) {
    for (const Words& words : {Words{"help", "demo"}, Words{"demo", "--help"}, Words{"demo", "-h"}}) {
        const Ran ran = run(words);
        EXPECT_EQ(ran.code, ExitCode::done);
        EXPECT_EQ(ran.err, "");
        for (const char* part : {"--port", "8080", "--admin-port", "9911", "--no-load", "Exit codes:", "Examples:"}) {
            EXPECT_NE(ran.out.find(part), std::string::npos) << part << " is not in\n" << ran.out;
        }
    }
    for (const Words& words : {Words{"help"}, Words{"--help"}}) {
        const Ran ran = run(words);
        EXPECT_EQ(ran.code, ExitCode::done);
        EXPECT_NE(ran.out.find("version"), std::string::npos);
        EXPECT_EQ(ran.out.find("gateway"), std::string::npos);
    }
}

TEST(Program, prints_its_version) {
    for (const Words& words : {Words{"version"}, Words{"--version"}}) {
        const Ran ran = run(words);
        EXPECT_EQ(ran.code, ExitCode::done);
        EXPECT_TRUE(ran.out.starts_with("resilience ")) << ran.out;
        EXPECT_NE(ran.out.find("compiler: "), std::string::npos);
    }
}

TEST(Program, tells_wrong_usage_on_standard_error_with_exit_code_2) {
    const Ran ran = run({"dmeo"});
    EXPECT_EQ(ran.code, ExitCode::wrong_usage);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, "error: unknown command 'dmeo'; did you mean 'demo'?\n`resilience help` lists the commands\n");
}

TEST(Program, tells_a_script_that_cannot_be_read_with_exit_code_3) {
    const Ran missing = run({"demo", "--script", "/does/not/exist.txt"});
    EXPECT_EQ(missing.code, ExitCode::environment);
    EXPECT_EQ(missing.err, "error: cannot read /does/not/exist.txt: No such file or directory\n");
    const Ran folder = run({"demo", "--script", "/tmp"});
    EXPECT_EQ(folder.code, ExitCode::environment);
    EXPECT_NE(folder.err.find("cannot read /tmp"), std::string::npos);
}

TEST(Program, lists_every_bad_line_of_a_script_with_exit_code_2) {
    const std::string file = testing::TempDir() + "bad_script_" + std::to_string(::getpid()) + ".txt";
    std::ofstream(file) << "at=1s say fine\nat=2 say x\n\nat=3s paymnet down for=1s\n";
    const Ran ran = run({"demo", "--script", file});
    std::remove(file.c_str());
    EXPECT_EQ(ran.code, ExitCode::wrong_usage);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, file + ":2: error: 'at' needs a unit; did you mean 2s? (ns, us, ms, s, m, h, d)\n" + file +
                           ":4: error: unknown word 'paymnet'; did you mean 'payment'?\n2 errors\n");
}

}  // namespace command_line_test
}  // namespace resilience::program
