#include "demo/script_player.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>

namespace resilience::demo {
namespace script_player_test {

using namespace std::chrono_literals;

TEST(ScriptSteps, end_a_changed_load_by_themselves) {
    const auto steps = steps_of(parse_script("at=10s load=5x for=20s\nat=12s say busy\n").value());
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(steps[0].at, 10s);
    EXPECT_FALSE(steps[0].ends_load);
    EXPECT_EQ(steps[1].at, 12s);
    EXPECT_EQ(steps[2].at, 30s);
    EXPECT_TRUE(steps[2].ends_load);
}

TEST(ScriptSteps, let_a_later_load_take_the_place_of_an_earlier_one) {
    const auto steps = steps_of(parse_script("at=10s load=5x for=20s\nat=20s load=2x for=20s\n").value());
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_FALSE(steps[1].ends_load);
    EXPECT_TRUE(steps[2].ends_load);
    EXPECT_EQ(steps[2].at, 40s);
}

// Writes down what the script does and waits for it without sleeping.
class Record {
  public:
    ScriptStage stage() {
        return {.say = [this](std::string_view text) { add("say " + std::string(text)); },
                .begin_fault =
                    [this](UpstreamId id, const Fault& fault, Duration period) {
                        add(told(name_of(id), fault) + " for " + std::to_string(period.count()));
                    },
                .set_load = [this](double factor) { add("load " + std::to_string(static_cast<int>(factor))); }};
    }
    std::vector<std::string> wait_for(std::size_t count) {
        std::unique_lock lock(mutex_);
        grown_.wait_for(lock, 20s, [&] { return deeds_.size() >= count; });
        return deeds_;
    }

  private:
    void add(std::string deed) {
        {
            const std::lock_guard lock(mutex_);
            deeds_.push_back(std::move(deed));
        }
        grown_.notify_one();
    }
    std::mutex mutex_;
    std::condition_variable grown_;
    std::vector<std::string> deeds_;
};

TEST(ScriptPlayer, plays_in_order_at_the_speed_of_its_clock) {
    Record record;
    const Script script =
        parse_script("at=2s payment error=0.5 for=10s\nat=1s say calm\nat=3s load=5x for=1s\n").value();
    ScriptPlayer player(script, {.started = Clock::now(), .speed = 100}, record.stage());
    const auto deeds = record.wait_for(6);
    ASSERT_EQ(deeds.size(), 6U);
    EXPECT_EQ(deeds[0], "say calm");
    EXPECT_EQ(deeds[1], "payment starts failing 50 % of its calls for 100000000");
    EXPECT_EQ(deeds[2], "say the load grows to 5 times the usual");
    EXPECT_EQ(deeds[3], "load 5");
    EXPECT_EQ(deeds[4], "load 1");
    EXPECT_EQ(deeds[5], "say the load is as usual again");
}

TEST(ScriptPlayer, begins_again_when_the_script_loops) {
    Record record;
    Script script = parse_script("at=1s say a\nat=2s say b\n").value();
    script.loop = 3s;
    ScriptPlayer player(script, {.started = Clock::now(), .speed = 100}, record.stage());
    const auto deeds = record.wait_for(5);
    ASSERT_GE(deeds.size(), 5U);
    EXPECT_EQ(deeds[2], "say a");
    EXPECT_EQ(deeds[3], "say b");
}

TEST(ScriptPlayer, ends_at_once_when_destroyed_however_far_the_next_event_is) {
    Record record;
    const Script script = parse_script("at=24h say never\n").value();
    const TimePoint began = Clock::now();
    {
        const ScriptPlayer player(script, {.started = began, .speed = 1}, record.stage());
    }
    EXPECT_LT(Clock::now() - began, 10s);
}

}  // namespace script_player_test
}  // namespace resilience::demo
