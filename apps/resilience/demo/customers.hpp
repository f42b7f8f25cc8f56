#pragma once

// The customers at the door of one front: who has a connection, who stands in line, and what each of them got.
//
// A call takes an idle keep-alive connection or a new one; when all are busy it waits in line and is counted as late.

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <resilience/base/time.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "demo/arrivals.hpp"
#include "demo/load_generator.hpp"

namespace resilience::demo {

// Belongs to the thread that runs `io`, all but the picture.
class Customers {
  public:
    // `at_rest` is called when the last call has ended after `end_arrivals`.
    Customers(boost::asio::io_context& io, const LoadConfig& config, std::uint16_t port, TimePoint opened,
              std::function<void()> at_rest);
    ~Customers();
    Customers(const Customers&) = delete;
    Customers& operator=(const Customers&) = delete;

    void arrive(const Arrival& arrival, bool trouble);
    // To be called about ten times a second: ends what takes too long, lets who waited too long leave, closes what is
    // idle.
    void look(TimePoint now);
    // Nobody comes any more. The line is given up at `give_up_line`, calls that are under way at `give_up_calls`.
    void end_arrivals(TimePoint now, TimePoint give_up_line, TimePoint give_up_calls);
    [[nodiscard]] bool is_at_rest() const noexcept { return ended_ && line_.empty() && idle_.size() == all_.size(); }
    void close();  // at rest: every connection and the book of what customers got

    [[nodiscard]] LoadPicture picture() const;  // from any thread

  private:
    class Connection;
    using ConnectionPointer = std::shared_ptr<Connection>;

    void start(const Arrival& arrival);
    void freed(ConnectionPointer connection, bool reusable);
    void leave_line(std::size_t count);
    void look_at_line(TimePoint now);

    template <class Change>
    void count(Change change) {
        const std::lock_guard lock(mutex_);
        change(picture_);
    }

    boost::asio::io_context& io_;
    const LoadConfig& config_;
    const std::uint16_t port_;
    const std::function<void()> at_rest_;
    std::vector<std::string> requests_;  // by kind
    std::deque<Arrival> line_;
    std::vector<ConnectionPointer> idle_;  // the last one used is the first one taken
    std::unordered_set<ConnectionPointer> all_;
    bool ended_ = false;
    TimePoint give_up_line_ = never;
    TimePoint give_up_calls_ = never;

    mutable std::mutex mutex_;  // of the two below
    LoadPicture picture_;
    CustomerLedger ledger_;
};

}  // namespace resilience::demo
