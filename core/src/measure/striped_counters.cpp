#include <algorithm>
#include <atomic>
#include <bit>
#include <resilience/measure/striped_counters.hpp>
#include <thread>

namespace resilience::inline v1::detail {

std::uint32_t assign_thread_number() noexcept {
    static constinit std::atomic<std::uint32_t> last{0};
    // 0 stands for none, also after 2^32 threads.
    std::uint32_t number = 0;
    while (number == 0) number = last.fetch_add(1, std::memory_order_relaxed) + 1;
    thread_number = number;
    return number;
}

std::uint32_t default_stripes() noexcept {
    static const std::uint32_t stripes = std::bit_ceil(std::clamp(std::thread::hardware_concurrency(), 1U, 8U));
    return stripes;
}

}  // namespace resilience::inline v1::detail
