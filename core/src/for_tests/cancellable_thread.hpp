#pragma once

// A thread that can be cancelled (pthread_cancel), which std::thread does not offer.

#include <pthread.h>

#include <functional>
#include <new>
#include <utility>

namespace for_tests {

class CancellableThread {
  public:
    explicit CancellableThread(std::function<void()> body) : body_(std::move(body)) {
        if (pthread_create(&thread_, nullptr, &CancellableThread::run, &body_) != 0) throw std::bad_alloc();
    }
    void cancel() { pthread_cancel(thread_); }
    // Waits for its end. True if it was cancelled.
    [[nodiscard]] bool was_cancelled() {
        void* result = nullptr;
        pthread_join(thread_, &result);
        return result == PTHREAD_CANCELED;
    }

  private:
    static void* run(void* body) {
        (*static_cast<std::function<void()>*>(body))();
        return nullptr;
    }
    std::function<void()> body_;
    pthread_t thread_{};
};

inline void cancel_this_thread() {
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

}  // namespace for_tests
