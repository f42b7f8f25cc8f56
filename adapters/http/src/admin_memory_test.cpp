// What the admin server does when memory runs out on its thread.

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>

#include "admin_server_fixture.hpp"

namespace admin_memory_test {

thread_local bool on_the_server = false;
std::atomic<long> until_one_fails{-1};  // allocations of the server's thread that still succeed; -1: none fails
std::atomic<bool> all_after{false};     // when one has failed, all after it do
std::atomic<bool> one_failed{false};

bool fails() {
    if (!on_the_server || until_one_fails < 0) return false;
    if (until_one_fails > 0) {
        --until_one_fails;
        return false;
    }
    if (!all_after) until_one_fails = -1;
    one_failed = true;
    return true;
}

}  // namespace admin_memory_test

// Asio takes the memory of its operations from here.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    if (admin_memory_test::fails()) return nullptr;
    void* memory = nullptr;
    return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

namespace admin_memory_test {

using namespace resilience;
using namespace resilience::testing_http;

struct AdminMemory : AdminServerTest {
    // A server whose thread is known to be one.
    void start_marked() {
        start(any_port(), {{.method = "GET", .path_prefix = "/mark", .answer = [](const HttpQuestion&) {
                                on_the_server = true;
                                return HttpAnswer{};
                            }}});
        EXPECT_EQ(ask("GET", "/mark").status, 200);
    }
    // Whether an allocation fails after so many while one client comes and asks. Its connection may end by it.
    bool fails_while_asked(long succeed) {
        one_failed = false;
        until_one_fails = succeed;
        try {
            static_cast<void>(ask("GET", "/livez", "Connection: close\r\n"));
        } catch (const std::runtime_error&) {
            EXPECT_TRUE(one_failed) << succeed;
        }
        return one_failed;
    }
};

TEST_F(AdminMemory, goes_on_whichever_allocation_of_its_operations_fails) {
    bool failed = true;
    for (long succeed = 0; failed; ++succeed) {
        start_marked();
        failed = fails_while_asked(succeed);
        until_one_fails = -1;
        EXPECT_EQ(ask("GET", "/livez").status, 200) << succeed;
        EXPECT_EQ(ask("GET", "/livez").status, 200) << succeed;
        server.reset();
        EXPECT_TRUE(failed || succeed > 0) << "nothing is allocated here";
    }
}

TEST_F(AdminMemory, hears_who_is_connected_while_there_is_none_for_the_next) {
    all_after = true;
    bool failed = true;
    for (long succeed = 0; failed; ++succeed) {
        start_marked();
        Client connected = client();
        EXPECT_EQ(connected.ask("GET", "/livez").status, 200);
        failed = fails_while_asked(succeed);
        connected.end_sending();
        EXPECT_TRUE(connected.at_end()) << succeed;
        until_one_fails = -1;
        EXPECT_EQ(ask("GET", "/livez").status, 200) << succeed;
        server.reset();
    }
    all_after = false;
}

}  // namespace admin_memory_test
