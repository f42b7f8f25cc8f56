#pragma once

// The answer of a policy that was asked to admit an attempt: a permit, or the rejection.
//
//     auto permit = bulkhead.try_acquire();
//     if (!permit) return refuse(permit.error());
//     work();                                        // the slot is held until `permit` dies or is settled
//
// It is a std::expected whose *temporary* does not convert to bool. `if (bulkhead.try_acquire()) work();` would give
// the slot back before `work` begins, so it does not compile; `if (auto permit = bulkhead.try_acquire())` does. To ask
// and drop on purpose, write `bulkhead.try_acquire().has_value()`.

#include <expected>
#include <resilience/base/rejection.hpp>
#include <utility>

namespace resilience::inline v1 {

template <class Permit>
class [[nodiscard("dropping a permit counts the call as ignored")]] Admission
    : public std::expected<Permit, Rejection> {
    using Base = std::expected<Permit, Rejection>;

  public:
    using Base::Base;
    Admission(Base&& admission) noexcept : Base(std::move(admission)) {}

    explicit operator bool() const& noexcept { return this->has_value(); }
    explicit operator bool() const&& = delete;
};

}  // namespace resilience::inline v1
