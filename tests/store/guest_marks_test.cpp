// Marks of guests' sessions: kept for as long as anybody may ask about them.
#include "store/guest_marks.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "guest_support.hpp"
#include "store/guest_wire.hpp"

using namespace cloudos;
using store::guest::Frame;
using store::guest::SessionMarks;
using store::guest::Socket;
using Marks = std::vector<std::string>;

namespace {

std::int64_t mark_deadline() {
  return store::guest::now_ns() + 5'000'000'000;
}

Socket mark_guest(const test::ServedFolder& folder) {
  auto socket = Socket::connect(folder.socket());
  REQUIRE(socket);
  std::string body;
  store::guest::append_text(body, store::guest::kHelloName);
  store::guest::append_integer(body, store::guest::kProtocol);
  REQUIRE(socket->send(Frame::Hello, body, mark_deadline()));
  REQUIRE(socket->receive(mark_deadline())->kind == Frame::Ok);
  return std::move(*socket);
}

/// Commit `number` of the session named by `letter`, which puts `key`.
Frame commit_mark(const Socket& socket, char letter, std::uint64_t number, const std::string& key) {
  store::guest::Script script;
  script.put(key, std::to_string(number));
  std::string body(store::guest::kSessionBytes, letter);
  store::guest::append_integer(body, number);
  store::guest::append_integer(body, static_cast<std::uint64_t>(mark_deadline()));
  REQUIRE(socket.send(Frame::Commit, body + script.bytes(), mark_deadline()));
  const auto reply = socket.receive(mark_deadline());
  REQUIRE(reply);
  return reply->kind;
}

std::string mark_in(store::Store& store, char letter) {
  const std::string hex = letter == 'a' ? "61" : "62";
  std::string key = "/guest-commit/";
  for (std::size_t i = 0; i < store::guest::kSessionBytes; ++i) key += hex;
  const auto entry = *(*store.snapshot())->get(key);
  return entry ? std::to_string(store::lmdb::read_integer<std::uint64_t>(entry->value)) : "none";
}

/// A store in whose transactions something else happens first, once.
class Interrupted final : public store::Store {
 public:
  explicit Interrupted(store::Store& inner) : inner_(inner) {}
  void before_next(std::function<void()> what, bool fails) {
    what_ = std::move(what);
    fails_ = fails;
  }
  Result<std::unique_ptr<store::Snapshot>> snapshot() override { return inner_.snapshot(); }
  Result<store::Revision> transact(const store::Body& body) override {
    if (what_) {
      const auto what = std::exchange(what_, nullptr);
      what();
      if (fails_) return fail(ErrorCode::StorageFull, "the disk is full");
    }
    return inner_.transact(body);
  }
  std::unique_ptr<store::Watch> watch(std::string prefix, std::function<void()> wake) override {
    return inner_.watch(std::move(prefix), std::move(wake));
  }
  Result<store::Changes> changes(std::string_view prefix, store::Revision since) override {
    return inner_.changes(prefix, since);
  }

 private:
  store::Store& inner_;
  std::function<void()> what_;
  bool fails_ = false;
};

}  // namespace

TEST_CASE("a mark is taken once its last connection has been gone for long enough") {
  SessionMarks marks(std::chrono::nanoseconds(100));
  marks.enter("a");
  marks.enter("a");  // By its next connection, before the end of the first was noticed.
  marks.leave("a", 0);
  CHECK(marks.take(1'000).empty());
  CHECK_FALSE(marks.has_left("a"));
  marks.leave("a", 1'000);
  CHECK(marks.has_left("a"));
  CHECK(marks.take(1'100).empty());
  CHECK(marks.take(1'101) == Marks{"a"});
  CHECK(marks.take(9'000).empty());
}

TEST_CASE("a mark that was given back waits anew, unless its session is in use again") {
  SessionMarks marks(std::chrono::nanoseconds(100));
  marks.found("a", 0);
  marks.found("b", 0);
  CHECK(marks.take(200) == Marks{"a", "b"});
  marks.enter("a");
  marks.give_back({"a", "b"}, 200);
  CHECK(marks.take(250).empty());
  CHECK(marks.take(400) == Marks{"b"});
  marks.leave("a", 500);
  CHECK(marks.take(700) == Marks{"a"});
}

TEST_CASE("who came back and left again waits for its whole time, and at most some are taken") {
  SessionMarks marks(std::chrono::nanoseconds(100));
  marks.found("a", 0);
  marks.enter("a");
  marks.leave("a", 90);
  CHECK(marks.take(150).empty());
  CHECK(marks.take(191) == Marks{"a"});
  for (std::size_t i = 0; i <= limits::kGuestMarkersPerCommit; ++i)
    marks.found("m" + std::to_string(i), 0);
  CHECK(marks.take(1'000).size() == limits::kGuestMarkersPerCommit);
  CHECK(marks.take(1'000).size() == 1);
}

TEST_CASE("a session that comes back while its mark is being erased keeps its newest mark") {
  struct Row {
    std::string what;
    bool fails;
  };
  for (const Row& row : {Row{"the other commit is made", false}, Row{"it fails", true}}) {
    CAPTURE(row.what);
    const test::ServedFolder folder;
    const auto owner = test::open_owner(folder.store());
    Interrupted between(*owner);
    auto served = store::guest::serve(between, folder.socket(), std::chrono::nanoseconds(0));
    REQUIRE(served);
    {
      const Socket first = mark_guest(folder);
      REQUIRE(commit_mark(first, 'a', 1, "/one") == Frame::Ok);
    }
    while ((*served)->numbers().connections > 0) std::this_thread::yield();
    const Socket other = mark_guest(folder), back = mark_guest(folder);
    // The other guest's commit has chosen the mark to erase when its session commits again.
    between.before_next([&] { REQUIRE(commit_mark(back, 'a', 2, "/two") == Frame::Ok); },
                        row.fails);
    CHECK(commit_mark(other, 'b', 1, "/other") == (row.fails ? Frame::Failed : Frame::Ok));
    CHECK(mark_in(*owner, 'a') == "2");
    // Nor is it erased by a later commit while the session is in use.
    CHECK(commit_mark(other, 'b', 2, "/other") == Frame::Ok);
    CHECK(mark_in(*owner, 'a') == "2");
    // So the answer that got lost is still known, and nothing is made twice.
    REQUIRE(owner->transact([](store::Txn& txn) {
      txn.erase("/two");
      return Result<void>();
    }));
    CHECK(commit_mark(back, 'a', 2, "/two") == Frame::Ok);
    CHECK(test::value_of(*owner, "/two") == "(none)");
  }
}

TEST_CASE("the mark of a guest that left is erased by the commit of another") {
  const test::ServedFolder folder;
  const auto owner = test::open_owner(folder.store());
  auto served = store::guest::serve(*owner, folder.socket(), std::chrono::nanoseconds(0));
  REQUIRE(served);
  {
    const Socket first = mark_guest(folder);
    REQUIRE(commit_mark(first, 'a', 1, "/one") == Frame::Ok);
    CHECK(mark_in(*owner, 'a') == "1");
  }
  while ((*served)->numbers().connections > 0) std::this_thread::yield();
  const Socket other = mark_guest(folder);
  REQUIRE(commit_mark(other, 'b', 1, "/other") == Frame::Ok);
  CHECK(mark_in(*owner, 'a') == "none");
  CHECK(mark_in(*owner, 'b') == "1");
}
