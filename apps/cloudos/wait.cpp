#include "wait.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
using cloudos::verbs::Noun;

constexpr std::chrono::milliseconds kFirstPoll{50};
constexpr std::chrono::milliseconds kLongestPoll{1'000};

std::string label(const Noun& noun, const json& thing) {
  const std::string name = text_member(thing, noun.label);
  return fmt::format("{} {}", noun.words, name.empty() ? text_member(thing, noun.key) : name);
}

/// The time that waiting takes, and the pauses between looks.
class Patience {
 public:
  Patience(Session& session, std::chrono::seconds most) : session_(session), most_(most) {}
  double seconds() const { return std::chrono::duration<double>(took()).count(); }
  bool over() const { return took() > most_; }
  /// False: nobody does what is waited for.
  bool pause() {
    const bool done_by_somebody = session_.transport().pause(pause_);
    pause_ = std::min(pause_ * 2, kLongestPoll);
    return done_by_somebody;
  }
  static cloudos::Failure nobody(const Noun& noun, const json& thing, const std::string& status) {
    return fail(ErrorCode::Unavailable,
                fmt::format("{} is {}, and nobody is there to change that.", label(noun, thing),
                            status));
  }
  cloudos::Failure error(const Noun& noun, const json& thing,
                                       const std::string& status) const {
    return fail(ErrorCode::Timeout,
                fmt::format("{} is still {} after {} s; it goes on. Look at it: cloudos {} show {}",
                            label(noun, thing), status, most_.count(), noun.words,
                            text_member(thing, noun.key)));
  }

 private:
  std::chrono::steady_clock::duration took() const {
    return std::chrono::steady_clock::now() - began_;
  }
  Session& session_;
  const std::chrono::seconds most_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::milliseconds pause_ = kFirstPoll;
};

Result<json> look(Session& session, const Noun& noun, const std::string& key) {
  return session.perform(std::string(noun.name) + ".show", {{"id", key}});
}

}  // namespace

Progress::~Progress() {
  if (shown_ && terminal_) fmt::print(stderr, "\n");
}

void Progress::show(const std::string& text) {
  if (text == last_) return;
  last_ = text;
  shown_ = true;
  if (terminal_)
    fmt::print(stderr, "\r\033[K{}", text);
  else
    fmt::print(stderr, "{}\n", text);
  std::fflush(stderr);
}

Result<json> wait_until_ready(Session& session, const Noun& noun, const json& made,
                              std::chrono::seconds most, std::string_view status_wanted) {
  const std::string_view wanted = status_wanted.empty() ? noun.ready : status_wanted;
  Progress progress;
  Patience patience(session, most);
  while (true) {
    CLOUDOS_TRY(json thing, look(session, noun, text_member(made, noun.key)));
    const std::string status = text_member(thing, "status");
    progress.show(progress.terminal() ? fmt::format("{}: {} after {:.1f} s", label(noun, thing),
                                                    status, patience.seconds())
                                      : fmt::format("{}: {}", label(noun, thing), status));
    if (status == wanted) return thing;
    if (status == noun.broken) {
      const std::string why =
          thing.contains("fault") ? text_member(thing["fault"], "message") : std::string();
      return fail(
          ErrorCode::Internal,
          fmt::format("{} is in {}{}{}. Look at it: cloudos {} show {}", label(noun, thing), status,
                      why.empty() ? "" : ": ", why, noun.words, text_member(thing, noun.key)));
    }
    // A server that no task changes stays what it is.
    if (!status_wanted.empty() && text_member(thing, "OS-EXT-STS:task_state").empty())
      return fail(ErrorCode::Conflict,
                  fmt::format("{} is still {}. What was tried: cloudos task list --resource "
                              "server/{}",
                              label(noun, thing), status, text_member(thing, noun.key)));
    if (patience.over()) return patience.error(noun, thing, status);
    if (!patience.pause()) return Patience::nobody(noun, thing, status);
  }
}

Result<void> wait_until_gone(Session& session, const Removal& removal, std::chrono::seconds most) {
  Progress progress;
  Patience patience(session, most);
  const Noun& noun = *removal.noun;
  while (true) {
    const auto left = look(session, noun, removal.id);
    if (!left && left.error().code == ErrorCode::NotFound) return Result<void>();
    if (!left) return fail(left.error());
    std::string status = text_member(*left, "status");
    if (status.empty()) status = "there";
    progress.show(fmt::format("{}: deleting, still {}", label(noun, *left), status));
    if (patience.over()) return patience.error(noun, *left, status);
    if (!patience.pause()) return Patience::nobody(noun, *left, status);
  }
}

}  // namespace cli
