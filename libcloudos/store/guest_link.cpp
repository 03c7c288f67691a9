#include "store/guest_link.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "cloudos/random.hpp"
#include "store/txn_buffer.hpp"

namespace cloudos::store::guest {

namespace {

constexpr std::int64_t kConnectRest = 10'000'000;     // Between two tries to connect.
constexpr std::int64_t kNoPinsRest = 200'000'000;     // After the owner kept no snapshot for us.
constexpr std::int64_t kPinCallTime = 2'000'000'000;  // For an answer about a pin.

void rest(std::int64_t nanoseconds) {
  std::this_thread::sleep_for(std::chrono::nanoseconds{nanoseconds});
}

std::string new_session() {
  std::array<std::uint8_t, kSessionBytes> bytes{};
  SystemRandom().fill(bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

/// A snapshot's claim on a commit. The owner ends it by the clock; what was read before is whole
/// when, after that, the connection is open, the owner the same and the lease not over.
class Link::HeldPin final : public lmdb::Hold {
 public:
  HeldPin(std::shared_ptr<Link> link, std::shared_ptr<PinLine> line, std::uint64_t id,
          lmdb::Commit commit, std::int64_t expires)
      : link_(std::move(link)),
        line_(std::move(line)),
        id_(id),
        commit_(std::move(commit)),
        lease_(expires - now_ns()),
        expires_(expires) {}
  ~HeldPin() override { link_->unpin(*line_, id_); }

  bool holds() const override {
    if (!line_->open || link_->epoch_->now() != line_->epoch) return false;
    const std::int64_t left = expires_ - now_ns();
    if (left <= 0) return false;
    if (left < lease_ / 2 && !renewing_.exchange(true)) {
      // At its last renewal the lease comes back short: then it just runs out.
      if (const std::int64_t expires = link_->renew(*line_, id_); expires > expires_) {
        expires_ = expires;
        renewing_ = false;
      }
    }
    return true;
  }
  bool fresh() const {
    return line_->open && expires_ - now_ns() > lease_ / 2 &&
           link_->epoch_->now() == line_->epoch;
  }
  const lmdb::Commit& commit() const { return commit_; }

 private:
  const std::shared_ptr<Link> link_;
  const std::shared_ptr<PinLine> line_;
  const std::uint64_t id_;
  const lmdb::Commit commit_;
  const std::int64_t lease_;
  mutable std::atomic<std::int64_t> expires_;
  mutable std::atomic<bool> renewing_{false};
};

Link::Link(std::filesystem::path socket, std::shared_ptr<const lmdb::EpochFile> epoch, Read read)
    : socket_(std::move(socket)), epoch_(std::move(epoch)), read_(std::move(read)) {}

Link::~Link() = default;

Result<Socket> Link::connect(std::int64_t deadline, std::uint64_t* epoch) const {
  for (;;) {
    const auto tried = [&]() -> Result<Socket> {
      CLOUDOS_TRY(Socket socket, Socket::connect(socket_));
      std::string body;
      append_text(body, kHelloName);
      append_integer(body, kProtocol);
      CLOUDOS_CHECK(socket.send(Frame::Hello, body, deadline));
      CLOUDOS_TRY(const Message reply, socket.receive(deadline));
      if (reply.kind != Frame::Ok) return fail(decode_error(reply.body));
      Parser in(reply.body);
      if (epoch) *epoch = in.integer<std::uint64_t>();
      return socket;
    };
    auto socket = tried();
    // Unavailable: the queue is full, or there was no room and one was sent away for us.
    if (socket || socket.error().code != ErrorCode::Unavailable ||
        now_ns() + kConnectRest > deadline)
      return socket;
    rest(kConnectRest);
  }
}

std::unique_ptr<Link::Line> Link::take_line() {
  std::unique_lock lock(mutex_);
  while (idle_.empty() && lines_ >= limits::kGuestWriters) line_free_.wait(lock);
  if (idle_.empty()) {
    ++lines_;
    auto line = std::make_unique<Line>();
    line->session = new_session();
    return line;
  }
  auto line = std::move(idle_.back());
  idle_.pop_back();
  return line;
}

void Link::give_line(std::unique_ptr<Line> line) {
  {
    LockGuard lock(mutex_);
    idle_.push_back(std::move(line));
  }
  line_free_.notify_one();
}

/// One try. `sent`: the owner may have got it.
Result<Revision> Link::exchange(Line& line, const std::string& body, std::int64_t deadline,
                                bool& sent) const {
  if (!line.socket.open()) {
    CLOUDOS_TRY(line.socket, connect(deadline));
  }
  sent = true;
  auto reply = [&]() -> Result<Message> {
    CLOUDOS_CHECK(line.socket.send(Frame::Commit, body, deadline));
    return line.socket.receive(deadline);
  }();
  if (!reply) {
    line.socket.close();
    return fail(
        reply.error().code == ErrorCode::Timeout ? ErrorCode::Timeout : ErrorCode::Cancelled,
        "the connection broke", reply.error().detail);
  }
  if (reply->kind != Frame::Ok) return fail(decode_error(reply->body));
  Parser in(reply->body);
  return in.integer<std::uint64_t>();
}

/// Whether the line's newest commit was made, by the mark that it leaves.
Result<std::optional<Revision>> Link::find_mark(const Line& line) const {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(line.session.data());
  const std::string key = std::string(kGuestMarkers) + to_hex({bytes, line.session.size()});
  CLOUDOS_TRY(const auto entry, read_(key));
  if (!entry || entry->value.size() != sizeof line.number ||
      lmdb::read_integer<std::uint64_t>(entry->value) < line.number)
    return std::optional<Revision>();
  return std::optional<Revision>(entry->revision);
}

Result<Revision> Link::commit(const Script& script) {
  if (script.steps() > limits::kGuestScriptSteps ||
      script.bytes().size() > limits::kGuestRequestBytes - 64) {
    return fail(ErrorCode::TooLarge, "one change reads and writes too much");
  }
  auto line = take_line();
  const std::int64_t deadline = now_ns() + in_ns(limits::kGuestCallTime);
  std::string body = line->session;
  append_integer(body, ++line->number);
  append_integer(body, static_cast<std::uint64_t>(deadline));
  body += script.bytes();
  bool sent = false;
  auto outcome = exchange(*line, body, deadline, sent);
  // Cancelled: the connection broke. The same commit is asked for again; its number makes it one.
  while (!outcome && outcome.error().code == ErrorCode::Cancelled && now_ns() < deadline)
    outcome = exchange(*line, body, deadline, sent);
  // Without a connection there was no answer.
  if (!outcome && sent && !line->socket.open()) {
    const bool gone = outcome.error().code == ErrorCode::NotFound;
    const auto mark = find_mark(*line);
    if (mark && *mark)
      outcome = **mark;
    else if (!mark || !gone)
      outcome = fail(ErrorCode::Timeout,
                     "the process that runs the folder does not answer; the change may have been "
                     "made or not: look before trying again");
  }
  give_line(std::move(line));
  if (!outcome && (outcome.error().code == ErrorCode::NotFound || !sent)) {
    return fail(ErrorCode::Unavailable,
                "no process runs the folder and serves this one; nothing was changed",
                outcome.error().detail);
  }
  return outcome;
}

std::optional<lmdb::Commit> Link::pin(const lmdb::Commit& newest) {
  std::shared_ptr<HeldPin> pin, old;  // Ended outside the lock.
  {
    LockGuard lock(pin_mutex_);
    pin = newest_pin_;
    if (!pin || pin->commit().txn < newest.txn || !pin->fresh()) {
      std::string least;
      append_integer(least, newest.txn);
      const auto reply = ask_pins(Frame::Pin, least);
      if (!reply) return std::nullopt;
      Parser in(*reply);
      const auto id = in.integer<std::uint64_t>();
      lmdb::Commit commit;
      commit.txn = in.integer<std::uint64_t>();
      commit.root = in.integer<std::uint64_t>();
      commit.last_page = in.integer<std::uint64_t>();
      const auto expires = static_cast<std::int64_t>(in.integer<std::uint64_t>());
      pin = std::make_shared<HeldPin>(shared_from_this(), pin_line_, id, commit, expires);
      old = std::exchange(newest_pin_, pin);
    }
  }
  lmdb::Commit commit = pin->commit();
  commit.hold = std::move(pin);
  return commit;
}

void Link::end() {
  std::shared_ptr<HeldPin> last;  // Ended outside the lock.
  {
    LockGuard lock(pin_mutex_);
    last.swap(newest_pin_);
  }
}

Result<std::string> Link::ask_pins(Frame kind, std::string_view body) {
  const std::int64_t deadline = now_ns() + kPinCallTime;
  if (now_ns() < no_pins_until_) return fail(ErrorCode::Unavailable, "no pins", "lately refused");
  const auto asked = [&]() -> Result<std::string> {
    if (!pin_line_) {
      auto line = std::make_shared<PinLine>();
      CLOUDOS_TRY(line->socket, connect(deadline, &line->epoch));
      pin_line_ = std::move(line);
    }
    CLOUDOS_CHECK(pin_line_->socket.send(kind, body, deadline));
    CLOUDOS_TRY(Message reply, pin_line_->socket.receive(deadline));
    if (reply.kind != Frame::Ok) return fail(decode_error(reply.body));
    return std::move(reply.body);
  };
  auto reply = asked();
  if (!reply) {
    // An owner of before, perhaps: the next snapshot finds the present one.
    if (reply.error().code == ErrorCode::Unavailable && pin_line_) {
      drop_pin_line();
      reply = asked();
    }
  }
  if (!reply && reply.error().code != ErrorCode::Stale) {
    drop_pin_line();
    no_pins_until_ = now_ns() + kNoPinsRest;
  }
  return reply;
}

/// First the flag, then the end: a reader that still finds it open read before.
void Link::drop_pin_line() {
  if (!pin_line_) return;
  pin_line_->open = false;
  pin_line_->socket.close();
  pin_line_.reset();
}

std::int64_t Link::renew(const PinLine& line, std::uint64_t id) {
  LockGuard lock(pin_mutex_);
  if (&line != pin_line_.get()) return 0;
  std::string body;
  append_integer(body, id);
  const auto reply = ask_pins(Frame::Renew, body);
  if (!reply) return 0;
  return static_cast<std::int64_t>(Parser(*reply).integer<std::uint64_t>());
}

void Link::unpin(const PinLine& line, std::uint64_t id) {
  LockGuard lock(pin_mutex_);
  if (&line != pin_line_.get()) return;
  std::string body;
  append_integer(body, id);
  if (!line.socket.send(Frame::Unpin, body, now_ns() + kPinCallTime)) drop_pin_line();
}

ChangeTeller::ChangeTeller(std::shared_ptr<const Link> link, Revision since, Tell tell)
    : link_(std::move(link)),
      tell_(std::move(tell)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this, since] { run(since); }) {}

ChangeTeller::~ChangeTeller() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

/// Until the socket has something, the deadline, or the end: then false.
bool ChangeTeller::wait(const Socket* socket, std::int64_t deadline) const {
  pollfd items[] = {{stop_.get(), POLLIN, 0}, {socket ? socket->fd() : -1, POLLIN, 0}};
  const std::int64_t left = std::max<std::int64_t>(0, deadline - now_ns());
  ::poll(items, 2, static_cast<int>(left / 1'000'000 + 1));
  return items[0].revents == 0;
}

void ChangeTeller::run(Revision since) {
  Socket socket;
  std::int64_t connect_at = 0;
  for (;;) {
    since = tell_(since);
    if (!socket.open() && now_ns() >= connect_at) {
      connect_at = now_ns() + 10 * in_ns(limits::kGuestWatchPoll);
      // A short patience: the end must not wait for an owner that is stopped.
      if (auto made = link_->connect(now_ns() + in_ns(limits::kGuestWatchPoll)))
        socket = std::move(*made);
    }
    if (!socket.open()) {
      if (!wait(nullptr, now_ns() + in_ns(limits::kGuestWatchPoll))) return;
      continue;
    }
    std::string body;
    append_integer(body, since);
    const std::int64_t answered = now_ns() + in_ns(limits::kGuestIdleTime);
    const bool asked = socket.send(Frame::Watch, body, answered).has_value();
    if (asked && !wait(&socket, answered)) return;
    const auto reply = asked ? socket.receive(now_ns() + in_ns(limits::kGuestFrameTime))
                             : Result<Message>(fail(ErrorCode::Unavailable, "not asked"));
    if (!reply || reply->kind != Frame::Ok) socket.close();
  }
}

}  // namespace cloudos::store::guest
