#pragma once

// Keeps a thread from being cancelled while it runs user code inside a function that cannot be unwound.

#if __has_include(<pthread.h>)
#include <pthread.h>
#endif

namespace resilience::inline v1::detail {

#if __has_include(<pthread.h>)
// Holds off pthread_cancel: its unwinding cannot pass a noexcept function.
class CancellationHold {
  public:
    CancellationHold() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
    ~CancellationHold() { pthread_setcancelstate(before_, nullptr); }
    CancellationHold(const CancellationHold&) = delete;
    CancellationHold& operator=(const CancellationHold&) = delete;

  private:
    int before_ = PTHREAD_CANCEL_ENABLE;
};
#else
struct CancellationHold {};
#endif

}  // namespace resilience::inline v1::detail
