// The owner's side: takes guests' connections and commits what they ask for.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <list>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "store/guest_marks.hpp"
#include "store/guest_wire.hpp"
#include "store/lmdb_pins.hpp"
#include "store/txn_buffer.hpp"

namespace cloudos::store {

namespace guest {

namespace {

std::string marker_of(std::string_view session) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(session.data());
  return std::string(kGuestMarkers) + to_hex({bytes, session.size()});
}

void ring(const Descriptor& event) {
  const std::uint64_t one = 1;
  // Full only if it rang already.
  (void)!::write(event.get(), &one, sizeof one);
}

void silence(const Descriptor& event) {
  std::uint64_t count = 0;
  (void)!::read(event.get(), &count, sizeof count);
}

Descriptor make_event() {
  return Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

struct Connection {
  Socket socket;
  pid_t process = 0;
  Descriptor changed;              ///< Rings when the store changed.
  std::set<std::string> sessions;  ///< That committed by it.
  std::set<std::uint64_t> pins;
  std::atomic<std::int64_t> idle_since{0};  ///< 0 while it works or watches.
  std::atomic<bool> evicted{false};         ///< We closed it, not the guest.
  std::atomic<bool> ended{false};
  std::thread thread;
};

class Service final : public GuestService {
 public:
  Service(Store& owner, std::filesystem::path path, Descriptor listener,
          std::chrono::nanoseconds mark_rest)
      : store_(owner),
        pins_(dynamic_cast<lmdb::PinSource*>(&owner)),
        path_(std::move(path)),
        listener_(std::move(listener)),
        marks_(mark_rest) {}
  ~Service() override;

  Result<void> start();
  Numbers numbers() const override;

 private:
  void accept_all();
  void accept_one();
  bool welcome(pid_t process);
  void reap();
  void serve(Connection& c);
  void leave(Connection& c);
  /// False: the connection is over.
  bool answer(Connection& c, const Message& request);
  Result<std::string> hello(std::string_view body) const;
  Result<std::string> commit(Connection& c, std::string_view body);
  Result<Revision> commit_once(const std::string& marker, std::uint64_t number,
                               std::int64_t deadline, std::string_view script);
  Result<std::string> pin(Connection& c, std::string_view body);
  Result<std::string> renew(const Connection& c, std::string_view body);
  Result<std::string> watch(Connection& c, std::string_view body);
  std::string own_numbers() const;

  Store& store_;
  lmdb::PinSource* const pins_;  // Null: this store cannot pin.
  const std::filesystem::path path_;
  Descriptor listener_;
  const Descriptor wake_ = make_event();  // Of the acceptor: to stop, or to join who ended.
  std::atomic<bool> stopping_{false};
  ReceiveBudget budget_;
  SessionMarks marks_;
  std::unique_ptr<Watch> watch_;
  std::thread acceptor_;

  mutable Mutex mutex_;
  std::list<Connection> connections_ CLOUDOS_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> commits_{0}, conflicts_{0}, refused_{0};
};

Result<void> Service::start() {
  // What guests of an earlier owner left behind.
  ScanOptions scan;
  scan.keys_only = true;
  CLOUDOS_TRY(const auto snapshot, store_.snapshot());
  for (;;) {
    CLOUDOS_TRY(const auto entries, snapshot->scan(kGuestMarkers, scan));
    for (const Entry& entry : entries) marks_.found(entry.key, now_ns());
    if (entries.size() < limits::kScanPage) break;
    scan.after = entries.back().key;
  }
  watch_ = store_.watch("", [this] {
    LockGuard lock(mutex_);
    for (const Connection& c : connections_)
      if (c.changed.get() >= 0) ring(c.changed);
  });
  try {
    acceptor_ = std::thread([this] { accept_all(); });
  } catch (const std::system_error& thrown) {
    return fail(ErrorCode::Unavailable, "no thread is left to serve the store's guests",
                thrown.what());
  }
  return Result<void>();
}

Service::~Service() {
  stopping_ = true;
  watch_.reset();
  ring(wake_);
  if (acceptor_.joinable()) acceptor_.join();
  {
    LockGuard lock(mutex_);
    for (Connection& c : connections_) {
      c.evicted = true;
      c.socket.interrupt();  // What runs is answered first.
      if (c.changed.get() >= 0) ring(c.changed);
    }
  }
  std::list<Connection> last;
  {
    LockGuard lock(mutex_);
    last.swap(connections_);
  }
  for (Connection& c : last) c.thread.join();
  // Only now: a guest that finds nobody listening concludes that nothing of its runs any more.
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

GuestService::Numbers Service::numbers() const {
  Numbers numbers;
  numbers.commits = commits_;
  numbers.conflicts = conflicts_;
  numbers.refused = refused_;
  LockGuard lock(mutex_);
  for (const Connection& c : connections_) numbers.connections += !c.ended;
  return numbers;
}

void Service::accept_all() {
  while (!stopping_) {
    pollfd items[] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    const int ready = ::poll(items, 2, -1);
    silence(wake_);  // Rung at the end of each connection too.
    reap();
    if (ready > 0 && (items[0].revents & POLLIN) && !stopping_) accept_one();
  }
}

/// Joins those that have ended.
void Service::reap() {
  std::list<Connection> over;
  {
    LockGuard lock(mutex_);
    for (auto c = connections_.begin(); c != connections_.end();) {
      const auto next = std::next(c);
      if (c->ended) over.splice(over.end(), connections_, c);
      c = next;
    }
  }
  for (Connection& c : over) c.thread.join();
}

void Service::accept_one() {
  Descriptor fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd.get() < 0) {
    // Without descriptors poll() would return at once, for ever.
    if (errno == EMFILE || errno == ENFILE) ::usleep(100'000);
    return;
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  if (!known || (peer.uid != ::geteuid() && peer.uid != 0) || !welcome(peer.pid)) {
    ++refused_;
    return;
  }
  LockGuard lock(mutex_);
  Connection& c = connections_.emplace_back();
  c.socket = Socket(std::move(fd));
  c.process = peer.pid;
  c.idle_since = now_ns();
  try {
    c.thread = std::thread([this, &c] { serve(c); });
  } catch (const std::system_error&) {
    connections_.pop_back();
    ++refused_;
  }
}

/// Whether there is room for one more. When there is none, who idled longest has to go; the new one
/// comes again.
bool Service::welcome(pid_t process) {
  LockGuard lock(mutex_);
  std::size_t of_process = 0;
  Connection* idlest = nullptr;
  for (Connection& c : connections_) {
    if (c.ended || c.evicted) continue;
    of_process += c.process == process;
    const std::int64_t since = c.idle_since;
    if (since != 0 && (!idlest || since < idlest->idle_since)) idlest = &c;
  }
  if (of_process >= limits::kGuestConnectionsEach) return false;
  if (connections_.size() < limits::kGuestConnections) return true;
  if (idlest) {
    idlest->evicted = true;
    idlest->socket.interrupt();
  }
  return false;
}

void Service::serve(Connection& c) {
  const auto first = c.socket.receive(now_ns() + in_ns(limits::kGuestFrameTime), &budget_);
  bool goes_on = first && first->kind == Frame::Hello && answer(c, *first);
  if (!goes_on && !c.evicted) ++refused_;
  while (goes_on && !stopping_) {
    c.idle_since = now_ns();
    const auto request = c.socket.receive(now_ns() + in_ns(limits::kGuestIdleTime), &budget_);
    c.idle_since = 0;
    if (!request) {
      // Nobody speaking is no offence, nor is leaving.
      const ErrorCode code = request.error().code;
      if (code == ErrorCode::Timeout) c.evicted = true;
      if (code == ErrorCode::TooLarge) ++refused_;
      break;
    }
    goes_on = answer(c, *request);
  }
  leave(c);
  c.ended = true;
  ring(wake_);
}

void Service::leave(Connection& c) {
  for (const std::string& session : c.sessions) marks_.leave(marker_of(session), now_ns());
  // A guest that we sent away may still read by its pins: they end with their lease.
  if (!c.evicted)
    for (const std::uint64_t id : c.pins) pins_->unpin(id);
  LockGuard lock(mutex_);
  c.socket.close();
  c.changed = Descriptor();
}

bool Service::answer(Connection& c, const Message& request) {
  Result<std::string> reply{std::string()};
  switch (request.kind) {
    case Frame::Hello:
      reply = hello(request.body);
      break;
    case Frame::Commit:
      reply = commit(c, request.body);
      break;
    case Frame::Pin:
      reply = pin(c, request.body);
      break;
    case Frame::Renew:
      reply = renew(c, request.body);
      break;
    case Frame::Watch:
      reply = watch(c, request.body);
      break;
    case Frame::Numbers:
      reply = own_numbers();
      break;
    case Frame::Unpin: {
      Parser in(request.body);
      const auto id = in.integer<std::uint64_t>();
      if (c.pins.erase(id) > 0) pins_->unpin(id);
      return in.ok();
    }
    default:
      ++refused_;
      return false;
  }
  const std::int64_t deadline = now_ns() + in_ns(limits::kGuestFrameTime);
  if (reply) return c.socket.send(Frame::Ok, *reply, deadline).has_value();
  const bool broken = reply.error().code == ErrorCode::InvalidArgument;
  refused_ += broken;
  return c.socket.send(Frame::Failed, encode_error(reply.error()), deadline) && !broken;
}

Failure bad_request() {
  return fail(ErrorCode::InvalidArgument, "a guest of the store sent an unreadable request");
}

Result<std::string> Service::hello(std::string_view body) const {
  Parser in(body);
  const bool named = in.text() == kHelloName;
  const auto version = in.integer<std::uint32_t>();
  if (!named || !in.ok()) return bad_request();
  if (version != kProtocol) {
    return fail(ErrorCode::Unsupported,
                "this program and the one that runs the folder are of different versions");
  }
  std::string reply;
  append_integer(reply, pins_ ? pins_->epoch() : std::uint64_t{0});
  return reply;
}

Result<std::string> Service::commit(Connection& c, std::string_view body) {
  Parser in(body);
  const std::string session(in.take(kSessionBytes));
  const auto number = in.integer<std::uint64_t>();
  const auto asked = static_cast<std::int64_t>(in.integer<std::uint64_t>());
  const std::string_view script = in.rest();
  if (!in.ok() || number == 0) return bad_request();
  CLOUDOS_CHECK(check_script(script));
  // One connection, few sessions: who broke its line comes back with the session of then.
  if (c.sessions.size() >= limits::kGuestWriters && !c.sessions.contains(session))
    return bad_request();
  const std::string marker = marker_of(session);
  if (c.sessions.insert(session).second) marks_.enter(marker);
  const std::int64_t most = now_ns() + in_ns(limits::kGuestCallTime);
  auto revision = commit_once(marker, number, std::min(asked, most), script);
  if (!revision) {
    conflicts_ += revision.error().code == ErrorCode::Stale;
    // The guest would take it for a refusal of the request itself.
    if (revision.error().code == ErrorCode::InvalidArgument)
      revision.error().code = ErrorCode::Internal;
    return fail(revision.error());
  }
  std::string reply;
  append_integer(reply, *revision);
  return reply;
}

/// Commits number `number` of a session, or finds that it was committed before: then a connection
/// broke, and the guest asks again.
Result<Revision> Service::commit_once(const std::string& marker, std::uint64_t number,
                                      std::int64_t deadline, std::string_view script) {
  std::string mark;
  append_integer(mark, number);
  const auto erase = marks_.take(now_ns());
  bool known = false;
  auto committed = store_.transact([&](Txn& txn) -> Result<void> {
    const auto before = txn.get(marker);
    known = before && before->size() == mark.size() &&
            lmdb::read_integer<std::uint64_t>(*before) >= number;
    if (known) return Result<void>();
    // Whoever gave up must not be surprised by it later.
    if (now_ns() > deadline)
      return fail(ErrorCode::Timeout, "the change came too late and was not made");
    CLOUDOS_CHECK(replay(script, txn));
    txn.put(marker, mark);
    // Bodies run one after the other: whoever comes back from now on commits after us.
    for (const std::string& key : erase)
      if (marks_.has_left(key)) txn.erase(key);
    return Result<void>();
  });
  if (!committed || known) marks_.give_back(erase, now_ns());
  if (!committed) return fail(committed.error());
  if (!known) {
    ++commits_;
    return *committed;
  }
  CLOUDOS_TRY(const auto snapshot, store_.snapshot());
  CLOUDOS_TRY(const auto entry, snapshot->get(marker));
  return entry ? entry->revision : *committed;
}

Result<std::string> Service::pin(Connection& c, std::string_view body) {
  Parser in(body);
  const auto least = in.integer<std::uint64_t>();
  if (!in.ok()) return bad_request();
  if (!pins_) return fail(ErrorCode::Unsupported, "this store pins no snapshots");
  CLOUDOS_TRY(const lmdb::PinnedCommit pinned, pins_->pin(least));
  c.pins.insert(pinned.id);
  std::string reply;
  for (const std::uint64_t number :
       {pinned.id, pinned.commit.txn, pinned.commit.root, pinned.commit.last_page,
        static_cast<std::uint64_t>(pinned.expires)})
    append_integer(reply, number);
  return reply;
}

Result<std::string> Service::renew(const Connection& c, std::string_view body) {
  Parser in(body);
  const auto id = in.integer<std::uint64_t>();
  if (!in.ok()) return bad_request();
  if (!c.pins.contains(id)) return fail(ErrorCode::Stale, "the snapshot has ended", "renew");
  CLOUDOS_TRY(const std::int64_t expires, pins_->renew(id));
  std::string reply;
  append_integer(reply, static_cast<std::uint64_t>(expires));
  return reply;
}

std::string Service::own_numbers() const {
  const Numbers own = numbers();
  std::string reply;
  for (const std::uint64_t number :
       {std::uint64_t{own.connections}, own.commits, own.conflicts, own.refused,
        pins_ ? pins_->pin_count() : 0, pins_ ? pins_->reader_count() : 0})
    append_integer(reply, number);
  return reply;
}

/// Waits until there is something newer than what the guest has seen, or half the idle time.
Result<std::string> Service::watch(Connection& c, std::string_view body) {
  Parser in(body);
  const auto seen = in.integer<std::uint64_t>();
  if (!in.ok()) return bad_request();
  if (c.changed.get() < 0) {
    Descriptor event = make_event();
    LockGuard lock(mutex_);
    c.changed = std::move(event);
  }
  const std::int64_t end = now_ns() + in_ns(limits::kGuestIdleTime) / 2;
  for (;;) {
    silence(c.changed);
    Revision newest = 0;
    {
      CLOUDOS_TRY(const auto snapshot, store_.snapshot());
      newest = snapshot->revision();
    }
    const std::int64_t left = end - now_ns();
    if (newest != seen || left <= 0 || stopping_ || c.evicted) {
      std::string reply;
      append_integer(reply, newest);
      return reply;
    }
    pollfd items[] = {{c.changed.get(), POLLIN, 0}, {c.socket.fd(), POLLIN, 0}};
    ::poll(items, 2, static_cast<int>(left / 1'000'000 + 1));
    // A word from the guest, or its end: this request is over.
    if (items[1].revents != 0) return fail(ErrorCode::Unavailable, "the watch has ended");
  }
}

}  // namespace

Result<std::unique_ptr<GuestService>> serve(Store& owner, const std::filesystem::path& socket,
                                            std::chrono::nanoseconds mark_rest) {
  CLOUDOS_TRY(auto listener, listen_at(socket));
  auto service = std::make_unique<Service>(owner, socket, std::move(listener), mark_rest);
  CLOUDOS_CHECK(service->start());
  return service;
}

}  // namespace guest

Result<std::unique_ptr<GuestService>> serve_guests(Store& owner,
                                                   const std::filesystem::path& socket) {
  return guest::serve(owner, socket, guest::kMarkRest);
}

}  // namespace cloudos::store
