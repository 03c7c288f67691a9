#include "guest_support.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

namespace cloudos::test {

namespace {

void say(const std::string& line) {
  const std::string row = line + "\n";
  if (::write(3, row.data(), row.size()) != static_cast<ssize_t>(row.size())) ::_exit(3);
}

}  // namespace

ServedFolder::ServedFolder() = default;

ServingOwner::ServingOwner(const ServedFolder& folder, const store::LmdbOptions& options) {
  store::LmdbOptions chosen = options;
  chosen.directory = folder.store();
  auto opened = store::open_lmdb(chosen);
  REQUIRE(opened);
  store = std::move(*opened);
  auto serving = store::serve_guests(*store, folder.socket());
  REQUIRE(serving);
  service = std::move(*serving);
}

void ServingOwner::end() {
  service.reset();
  store.reset();
}

std::unique_ptr<store::Store> open_writing_guest(const ServedFolder& folder) {
  auto guest =
      store::open_lmdb({.directory = folder.store(), .owner = false, .socket = folder.socket()});
  if (!guest) FAIL(guest.error().message, " ", guest.error().detail);
  return std::move(*guest);
}

int serve(const std::filesystem::path& folder) {
  auto owner = store::open_lmdb({.directory = folder});
  if (!owner) return 1;
  const auto service = store::serve_guests(**owner, socket_of(folder));
  if (!service) return 2;
  say("serving");
  for (;;) ::pause();
}

int echo(const std::filesystem::path& folder) {
  auto owner = store::open_lmdb({.directory = folder});
  if (!owner) return 1;
  const auto service = store::serve_guests(**owner, socket_of(folder));
  if (!service) return 2;
  std::atomic<int> rings{0};
  const auto watch = (*owner)->watch("/ask", [&] {
    ++rings;
    rings.notify_one();
  });
  say("serving");
  for (int seen = 0;;) {
    rings.wait(seen);
    seen = rings;
    if (!put_one(**owner, "/answer", value_of(**owner, "/ask"))) return 4;
  }
}

int hold_pin(const std::filesystem::path& folder) {
  const auto guest =
      store::open_lmdb({.directory = folder, .owner = false, .socket = socket_of(folder)});
  if (!guest) return 1;
  const auto view = (*guest)->snapshot();
  if (!view || !(*view)->get("/a")) return 2;
  say("holding");
  for (;;) ::pause();
}

int count_as_guest(const std::filesystem::path& folder) {
  const auto guest =
      store::open_lmdb({.directory = folder, .owner = false, .socket = socket_of(folder)});
  if (!guest) return 1;
  for (int i = 0; i < 100; ++i) {
    const auto done = (*guest)->transact([](store::Txn& txn) {
      const auto seen = txn.get("/count");
      txn.put("/count", std::to_string(seen ? std::stoi(std::string(*seen)) + 1 : 1));
      return Result<void>();
    });
    if (!done) {
      say(done.error().message + " " + done.error().detail);
      return 2;
    }
  }
  say("counted");
  return 0;
}

}  // namespace cloudos::test
