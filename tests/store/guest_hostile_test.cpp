// What may come in at the socket of a store that serves guests.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "cloudos/random.hpp"
#include "guest_support.hpp"
#include "store/guest_wire.hpp"

using namespace cloudos;
using store::guest::Frame;
using store::guest::Socket;
using test::open_writing_guest;
using test::put_one;
using test::ServedFolder;
using test::ServingOwner;
using test::value_of;

namespace {

std::int64_t soon() {
  return store::guest::now_ns() + 5'000'000'000;
}

std::string hello_body() {
  std::string body;
  store::guest::append_text(body, store::guest::kHelloName);
  store::guest::append_integer(body, store::guest::kProtocol);
  return body;
}

/// Many of us come and go: the queue may be full, or we are one too many for a moment.
Socket greeted(const ServedFolder& folder) {
  for (int i = 0; i < 2'000; ++i) {
    auto socket = Socket::connect(folder.socket());
    if (socket && socket->send(Frame::Hello, hello_body(), soon())) {
      const auto reply = socket->receive(soon());
      if (reply && reply->kind == Frame::Ok) return std::move(*socket);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  FAIL("the owner takes nobody");
  return {};
}

std::string commit_body(const std::string& script, std::uint64_t number = 1) {
  std::string body(store::guest::kSessionBytes, 's');
  store::guest::append_integer(body, number);
  store::guest::append_integer(body, static_cast<std::uint64_t>(soon()));
  return body + script;
}

/// What the owner does with one request: its refusal's code, "ok", or that it hung up.
std::string outcome_of(const ServedFolder& folder, Frame kind, const std::string& body) {
  const Socket socket = greeted(folder);
  if (!socket.send(kind, body, soon())) return "hung up";
  const auto reply = socket.receive(soon());
  if (!reply) return "hung up";
  if (reply->kind == Frame::Ok) return "ok";
  return std::string(to_string(store::guest::decode_error(reply->body).code));
}

/// Between a guest and its owner: passes bytes on, and now and then hangs up instead of passing on
/// the owner's answer.
class LossyProxy {
 public:
  LossyProxy(const std::filesystem::path& at, std::filesystem::path to, unsigned lose_one_in)
      : to_(std::move(to)), lose_one_in_(lose_one_in) {
    auto listening = store::guest::listen_at(at);
    REQUIRE(listening);
    listener_ = std::move(*listening);
    acceptor_ = std::thread([this] { run(); });
  }
  ~LossyProxy() {
    stop_ = true;
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
  }
  int lost() const { return lost_; }

 private:
  void run() {
    while (!stop_) {
      pollfd item{listener_.get(), POLLIN, 0};
      if (::poll(&item, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) continue;
      threads_.emplace_back([this, fd] { pass(Socket(store::guest::Descriptor(fd))); });
    }
  }
  void pass(const Socket& guest) {
    const auto owner = Socket::connect(to_);
    if (!owner) return;
    while (!stop_) {
      pollfd item{guest.fd(), POLLIN, 0};
      if (::poll(&item, 1, 20) == 0) continue;
      const auto request = guest.receive(soon());
      if (!request || !owner->send(request->kind, request->body, soon())) return;
      if (request->kind == Frame::Unpin) continue;
      const auto reply = owner->receive(soon());
      if (!reply) return;
      if (request->kind == Frame::Commit && ++commits_ % lose_one_in_ == 0) {
        ++lost_;
        return;
      }
      if (!guest.send(reply->kind, reply->body, soon())) return;
    }
  }

  const std::filesystem::path to_;
  const unsigned lose_one_in_;
  store::guest::Descriptor listener_;
  std::atomic<bool> stop_{false};
  std::atomic<unsigned> commits_{0};
  std::atomic<int> lost_{0};
  std::thread acceptor_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("a commit whose answer was lost is made once, and its guest learns of it") {
  const ServedFolder folder;
  ServingOwner owner(folder);
  const auto at = folder.store().parent_path() / "proxy.sock";
  LossyProxy proxy(at, folder.socket(), 3);
  auto guest = *store::open_lmdb({.directory = folder.store(), .owner = false, .socket = at});
  for (int i = 1; i <= 60; ++i) {
    const auto done = guest->transact([](store::Txn& txn) {
      const auto seen = txn.get("/count");
      txn.put("/count", std::to_string(seen ? std::stoi(std::string(*seen)) + 1 : 1));
      return Result<void>();
    });
    REQUIRE(done);
    const auto entry = *(*owner.store->snapshot())->get("/count");
    CHECK(entry->value == std::to_string(i));
    CHECK(entry->revision == *done);
  }
  CHECK(proxy.lost() > 20);
  CHECK(owner.service->numbers().commits == 60);
  guest.reset();
}

TEST_CASE("requests that are none, or over a limit, are refused and change nothing") {
  const ServedFolder folder;
  ServingOwner owner(folder);
  REQUIRE(put_one(*owner.store, "/a", "1"));
  const auto before = (*owner.store->snapshot())->revision();
  store::guest::Script stale;
  stale.read("/a", "another value");
  stale.put("/a", "2");
  store::guest::Script absent;
  absent.read("/a", std::nullopt);
  absent.put("/a", "2");
  store::guest::Script none;
  none.none("/a", true);
  none.put("/a", "2");
  store::guest::Script long_key;
  long_key.put(std::string(limits::kKeyBytes + 1, 'k'), "");
  store::guest::Script keys, steps;
  for (std::size_t i = 0; i <= limits::kTxnKeys; ++i) keys.put("/k/" + std::to_string(i), "");
  for (std::size_t i = 0; i <= limits::kGuestScriptSteps; ++i) steps.read("/zz", std::nullopt);
  const std::string past(8, '\0');
  struct Row {
    std::string what;
    Frame kind;
    std::string body;
    std::string outcome;
  };
  const Row rows[] = {
      {"nothing", Frame::Commit, "", "InvalidArgument"},
      {"no script", Frame::Commit, commit_body("x"), "InvalidArgument"},
      {"a script that is cut off", Frame::Commit, commit_body(std::string("p\0\x05/a", 5)),
       "InvalidArgument"},
      {"an empty key", Frame::Commit, commit_body(std::string("d\0\0", 3)), "InvalidArgument"},
      {"a key that is too long", Frame::Commit, commit_body(long_key.bytes()), "InvalidArgument"},
      {"number zero", Frame::Commit, commit_body(absent.bytes(), 0), "InvalidArgument"},
      {"another value read", Frame::Commit, commit_body(stale.bytes()), "Stale"},
      {"read as absent", Frame::Commit, commit_body(absent.bytes()), "Stale"},
      {"none, where there is one", Frame::Commit, commit_body(none.bytes()), "Stale"},
      {"too many keys", Frame::Commit, commit_body(keys.bytes()), "TooLarge"},
      {"too many steps", Frame::Commit, commit_body(steps.bytes()), "TooLarge"},
      {"after its time", Frame::Commit,
       std::string(16, 's') + std::string(7, '\0') + '\x01' + past + "d" +
           std::string("\0\x02/a", 4),
       "Timeout"},
      {"a pin that is not there", Frame::Renew, std::string(8, '\x07'), "Stale"},
      {"half a pin", Frame::Renew, "abc", "InvalidArgument"},
      {"half a transaction to pin", Frame::Pin, "abc", "InvalidArgument"},
      {"half a revision", Frame::Watch, "abc", "InvalidArgument"},
      {"an unknown kind", static_cast<Frame>('?'), "", "hung up"},
      {"an answer", Frame::Ok, "", "hung up"},
      {"hello twice, by another name", Frame::Hello, "abc", "InvalidArgument"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(outcome_of(folder, row.kind, row.body) == row.outcome);
  }
  CHECK((*owner.store->snapshot())->revision() == before);
  CHECK(put_one(*open_writing_guest(folder), "/a", "3"));
}

TEST_CASE("random bytes and endless frames end their own connection only") {
  const ServedFolder folder;
  ServingOwner owner(folder);
  SeededRandom random(5);
  for (int i = 0; i < 400; ++i) {
    auto socket = Socket::connect(folder.socket());
    for (int tries = 0; tries < 1'000 && !socket; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      socket = Socket::connect(folder.socket());
    }
    REQUIRE(socket);
    std::string bytes(random.below(300), '\0');
    random.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    // Half of them behind a proper greeting.
    if (i % 2 == 0) (void)socket->send(Frame::Hello, hello_body(), soon()).has_value();
    (void)!::send(socket->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  const Socket endless = greeted(folder);
  const char huge[] = {'\x7f', '\x7f', '\x7f', '\x7f', 'C'};
  REQUIRE(::send(endless.fd(), huge, sizeof huge, MSG_NOSIGNAL) == 5);
  CHECK_FALSE(endless.receive(soon()));
  CHECK(put_one(*open_writing_guest(folder), "/a", "1"));
  for (int i = 0; i < 1'000 && owner.service->numbers().refused <= 100; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(owner.service->numbers().refused > 100);
  CHECK((*owner.store->snapshot())->scan("")->size() == 2);  // That one record and its mark.
}

TEST_CASE("a process that takes all connections, and keeps silent, keeps no guest out") {
  const ServedFolder folder;
  ServingOwner owner(folder);
  std::vector<Socket> silent;
  for (std::size_t i = 0; i < 4 * limits::kGuestConnections; ++i)
    if (auto socket = Socket::connect(folder.socket())) silent.push_back(std::move(*socket));
  for (int i = 0; i < 1'000 && owner.service->numbers().connections == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(owner.service->numbers().connections <= limits::kGuestConnectionsEach);
  test::Child guest("count", folder.store());
  CHECK(guest.line() == "counted");
  silent.clear();
  CHECK(put_one(*open_writing_guest(folder), "/a", "1"));
}

TEST_CASE("guests hold a bounded number of snapshots, and give all of them back") {
  const ServedFolder folder;
  ServingOwner owner(folder);
  REQUIRE(put_one(*owner.store, "/a", "1"));
  std::string least;
  store::guest::append_integer(least, std::uint64_t{0});
  {
    const Socket greedy = greeted(folder);
    for (std::size_t i = 0; i <= limits::kGuestPins; ++i) {
      REQUIRE(greedy.send(Frame::Pin, least, soon()));
      const auto reply = greedy.receive(soon());
      REQUIRE(reply);
      CHECK((reply->kind == Frame::Ok) == (i < limits::kGuestPins));
    }
    // The owner's own readers have room left, and other guests read without a pin.
    CHECK(value_of(*owner.store, "/a") == "1");
    CHECK(value_of(*open_writing_guest(folder), "/a") == "1");
  }
  const Socket asking = greeted(folder);
  std::uint64_t pins = 1;
  for (int i = 0; i < 1'000 && pins > 0; ++i) {
    REQUIRE(asking.send(Frame::Numbers, {}, soon()));
    const auto reply = asking.receive(soon());
    REQUIRE(reply);
    store::guest::Parser in(reply->body);
    for (int skip = 0; skip < 4; ++skip) (void)in.integer<std::uint64_t>();
    pins = in.integer<std::uint64_t>();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(pins == 0);
}

TEST_CASE("another user's process is not served, even where it can open the socket") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root becomes another user");
    return;
  }
  const ServedFolder folder;
  ServingOwner owner(folder);
  struct stat socket {};
  REQUIRE(::stat(folder.socket().c_str(), &socket) == 0);
  CHECK((socket.st_mode & 0777) == 0600);
  // As if somebody had opened the doors.
  REQUIRE(::chmod(folder.store().parent_path().c_str(), 0755) == 0);
  REQUIRE(::chmod(folder.socket().c_str(), 0666) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::setgid(65'534) != 0 || ::setuid(65'534) != 0) ::_exit(1);
    const auto connected = Socket::connect(folder.socket());
    if (!connected) ::_exit(2);
    (void)connected->send(Frame::Hello, hello_body(), soon()).has_value();
    ::_exit(connected->receive(soon()) ? 3 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(owner.service->numbers().refused == 1);
}
