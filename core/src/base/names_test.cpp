#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <resilience/base/config_error.hpp>
#include <resilience/base/names.hpp>
#include <string>
#include <thread>
#include <vector>

using namespace resilience;

namespace names_test {

TEST(Names, the_same_text_is_stored_once) {
    const std::string_view first = intern_name("names_test.once");
    std::string same = "names_test.";
    same += "once";
    const std::string_view second = intern_name(same);
    EXPECT_EQ(first, "names_test.once");
    EXPECT_EQ(first.data(), second.data());
    EXPECT_NE(static_cast<const void*>(second.data()), same.data());
}

TEST(Names, any_utf8_from_1_to_128_bytes_is_a_name) {
    for (const std::string& name : {std::string("a"), std::string(128, 'x'), std::string("gr\xc3\xbc\xc3\x9f"),
                                    std::string("two\nlines"), std::string("\"; DROP TABLE--")}) {
        EXPECT_EQ(intern_name(name), name);
    }
}

TEST(Names, what_is_not_a_name_is_refused_with_the_reason) {
    struct Row {
        std::string name;
        std::string reason;
    };
    const std::vector<Row> rows{
        {"", "is empty"},
        {std::string(129, 'x'), "has 129 bytes"},
        {std::string("a\0b", 3), "NUL"},
        {"bad\xff", "not valid UTF-8 at byte 3"},
        {"cut\xc3", "not valid UTF-8 at byte 3"},
        {std::string(127, 'x') + "\xc3\xbc", "has 129 bytes"},
    };
    for (const auto& [name, reason] : rows) {
        try {
            static_cast<void>(intern_name(name));
            ADD_FAILURE() << "accepted; expected: " << reason;
        } catch (const ConfigError& error) {
            ASSERT_EQ(error.problems().size(), 1U) << error.what();
            EXPECT_EQ(error.problems()[0].field, "name");
            EXPECT_NE(error.problems()[0].message.find(reason), std::string::npos) << error.what();
            EXPECT_EQ(std::string_view(error.what()).find('\0'), std::string_view::npos);
        }
    }
}

TEST(Names, threads_that_intern_the_same_names_get_the_same_views) {
    constexpr std::size_t threads = 4;
    constexpr std::size_t names = 200;
    std::vector<std::vector<std::string_view>> seen(threads);
    std::atomic<bool> go{false};
    {
        std::vector<std::jthread> workers;
        for (std::size_t worker = 0; worker < threads; ++worker) {
            workers.emplace_back([&, worker] {
                while (!go.load()) std::this_thread::yield();
                for (std::size_t index = 0; index < names; ++index) {
                    seen[worker].push_back(intern_name("names_test.shared." + std::to_string(index)));
                }
            });
        }
        go = true;
    }
    for (std::size_t index = 0; index < names; ++index) {
        EXPECT_EQ(seen[0][index], "names_test.shared." + std::to_string(index));
        for (const auto& of_worker : seen) EXPECT_EQ(of_worker[index].data(), seen[0][index].data());
    }
}

// In a process of its own: the table is one for the process and never forgets.
[[noreturn]] void fill_the_table() {
    std::size_t accepted = 0;
    bool refused = false;
    while (!refused && accepted <= 70'000) {
        try {
            static_cast<void>(intern_name("filler " + std::to_string(accepted)));
            ++accepted;
        } catch (const ConfigError&) {
            refused = true;
        }
    }
    const bool known_still_found = intern_name("filler 0") == "filler 0";
    std::_Exit(refused && known_still_found && accepted > 65'000 && accepted <= 65'536 ? 0 : 1);
}

TEST(NamesDeathTest, the_65537th_name_is_refused_and_known_ones_are_still_found) {
    EXPECT_EXIT(fill_the_table(), ::testing::ExitedWithCode(0), "");
}

}  // namespace names_test
