#include "cloudosd/liveness.hpp"

namespace cloudosd {

Liveness::Liveness(std::vector<Question> questions, Reports reports,
                   std::chrono::microseconds period)
    : questions_(std::move(questions)),
      reports_(std::move(reports)),
      period_(period),
      thread_([this] { run(); }) {}

Liveness::~Liveness() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Liveness::ask_all() {
  std::string why;
  for (const Question& question : questions_) {
    const std::string answer = question.ask();
    if (!answer.empty()) why += (why.empty() ? "" : "; ") + question.name + ": " + answer;
  }
  if (why.empty())
    reports_.answered();
  else
    reports_.unwell(why);
}

void Liveness::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    ask_all();
    lock.lock();
    wake_.wait_for(lock, period_, [this] { return stopping_; });
  }
}

}  // namespace cloudosd
