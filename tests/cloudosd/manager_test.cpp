#include <fcntl.h>
#include <lmdb.h>

#include "cloudosd/liveness.hpp"
#include "cloudosd/notify.hpp"
#include "managed.hpp"

using namespace managed_test;

namespace {

/// A listening socket on a free port of loopback, with a number that shells can pass on.
int listening(int family, std::uint16_t& port) {
  const int socket = ::socket(family, SOCK_STREAM, 0);
  REQUIRE(socket >= 0);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_addr = in6addr_loopback;
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool v6 = family == AF_INET6;
  auto* address = v6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
  socklen_t size = v6 ? sizeof six : sizeof four;
  REQUIRE(::bind(socket, address, size) == 0);
  REQUIRE(::listen(socket, 16) == 0);
  REQUIRE(::getsockname(socket, address, &size) == 0);
  port = ntohs(v6 ? six.sin6_port : four.sin_port);
  const int high = ::fcntl(socket, F_DUPFD, 100);
  ::close(socket);
  REQUIRE(high >= 100);
  return high;
}

/// A shell that becomes the program with these descriptors as a manager passes them.
std::vector<std::string> passing(const std::vector<int>& descriptors) {
  std::string script = "exec";
  for (std::size_t i = 0; i < descriptors.size(); ++i)
    script += " " + std::to_string(3 + i) + "<&" + std::to_string(descriptors[i]) + " " +
              std::to_string(descriptors[i]) + "<&-";
  return {"/bin/bash", "-c", script + "; export LISTEN_PID=$$; exec \"$@\"", "bash"};
}

}  // namespace

TEST_CASE("the manager is told: ready, reloading, ready again, stopping") {
  TempDir dir;
  for (const bool abstract : {false, true}) {
    CAPTURE(abstract);
    Manager manager(abstract ? "@" + dir.path().string() : (dir.path() / "notify").string());
    Managed cloud("", {{"NOTIFY_SOCKET", manager.name()}});
    const auto opening = manager.next();
    REQUIRE(opening);
    CHECK(opening->find("STATUS=opening ") == 0);
    const auto ready = manager.next();
    REQUIRE(ready);
    CHECK(ready->find("READY=1\nSTATUS=answers at http://127.0.0.1:") == 0);
    CHECK(status_of(cloud.ready(), "/healthz") == 200);

    cloud.process->signal(SIGHUP);
    const auto reloading = manager.next();
    REQUIRE(reloading);
    CHECK(reloading->find("RELOADING=1\nMONOTONIC_USEC=") == 0);
    CHECK(manager.next_like("READY=1\nSTATUS=answers at"));
    cloud.configure("level = loud\n");
    cloud.process->signal(SIGHUP);
    CHECK(manager.next()->find("RELOADING=1") == 0);
    CHECK(manager.next()->find("the last reload failed") != std::string::npos);

    CHECK(cloud.stop() == 0);
    CHECK(manager.next_like("STOPPING=1"));
  }
}

TEST_CASE("a cloud that cannot start tells the manager why, and never that it is ready") {
  TempDir dir;
  Manager manager((dir.path() / "notify").string());
  Managed first;
  (void)first.ready();
  Managed second("", {{"NOTIFY_SOCKET", manager.name()},
                      {"CLOUDOS_CLOUD_DATA_DIR", (first.dir.path() / "data").string()}});
  CHECK(second.process->wait() == 1);
  CHECK(manager.next()->find("STATUS=opening") == 0);
  const auto why = manager.next();
  REQUIRE(why);
  CHECK(why->find("STATUS=") == 0);
  CHECK_FALSE(manager.next(1ms));
}

TEST_CASE("a manager's socket that is none stops nothing") {
  for (const char* socket : {"", "x", "relative", "/no/such/socket", "@", "@nobody.listens.here"}) {
    CAPTURE(socket);
    const cloudosd::Notifier notifier(socket);
    CHECK_FALSE(notifier.listened());
    notifier.ready("x");
  }
  const cloudosd::Notifier longer("/" + std::string(200, 'x'));
  CHECK_FALSE(longer.listened());
}

TEST_CASE("the watchdog hears of a cloud that lives, and not of one whose store hangs") {
  TempDir dir;
  Manager manager((dir.path() / "notify").string());
  Managed cloud("", {{"NOTIFY_SOCKET", manager.name()}, {"WATCHDOG_USEC", "400000"}});
  (void)cloud.ready();
  for (int i = 0; i < 3; ++i) CHECK(manager.next_like("WATCHDOG=1"));

  // Whoever holds the store's writer lock makes every commit of the cloud wait.
  MDB_env* env = nullptr;
  REQUIRE(mdb_env_create(&env) == 0);
  const std::string store = (cloud.dir.path() / "data" / "store").string();
  REQUIRE(mdb_env_open(env, store.c_str(), 0, 0600) == 0);
  MDB_txn* txn = nullptr;
  REQUIRE(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
  while (manager.next(50ms)) {
  }
  CHECK_FALSE(manager.next(1s));
  mdb_txn_abort(txn);
  mdb_env_close(env);
  CHECK(manager.next_like("WATCHDOG=1"));
  CHECK(cloud.stop() == 0);
}

TEST_CASE("without a watchdog nothing is asked and nothing is sent") {
  TempDir dir;
  Manager manager((dir.path() / "notify").string());
  Managed cloud(
      "", {{"NOTIFY_SOCKET", manager.name()}, {"WATCHDOG_USEC", "100000"}, {"WATCHDOG_PID", "1"}});
  (void)cloud.ready();
  CHECK(manager.next_like("READY=1"));
  CHECK_FALSE(manager.next(300ms));
  CHECK(cloud.stop() == 0);
}

TEST_CASE("a round is good only if every part has answered well") {
  std::atomic<int> good{0};
  std::mutex mutex;
  std::string why;
  std::atomic<bool> well{true}, hangs{false}, stuck{false};
  std::vector<cloudosd::Liveness::Question> questions = {
      {"first", [&] { return std::string(well ? "" : "is ill"); }},
      {"second", [&] {
         while (hangs) {
           stuck = true;
           hangs.wait(true);
         }
         return std::string();
       }}};
  cloudosd::Liveness liveness(questions,
                              {[&] { ++good; },
                               [&](const std::string& text) {
                                 const std::lock_guard lock(mutex);
                                 why = text;
                               }},
                              1ms);
  CHECK(becomes([&] { return good > 2; }));
  hangs = true;
  REQUIRE(becomes([&] { return stuck.load(); }));
  const int held = good;
  {  // As many rounds later: none was good.
    std::atomic<int> rounds{0};
    const cloudosd::Liveness beside({}, {[&] { ++rounds; }, [](const std::string&) {}}, 1ms);
    CHECK(becomes([&] { return rounds > 20; }));
  }
  CHECK(good == held);
  hangs = false;
  hangs.notify_all();
  CHECK(becomes([&] { return good > held; }));
  well = false;
  CHECK(becomes([&] {
    const std::lock_guard lock(mutex);
    return why == "first: is ill";
  }));
}

TEST_CASE("sockets that the manager opened are answered instead of those configured") {
  std::uint16_t first = 0, second = 0;
  const std::vector<int> sockets = {listening(AF_INET, first), listening(AF_INET6, second)};
  {
    Managed cloud("", {{"LISTEN_FDS", "2"}, {"LISTEN_FDNAMES", "http:other"}}, passing(sockets));
    CHECK(cloud.ready() == first);
    CHECK(status_of(first, "/healthz") == 200);
    const Ran six =
        run_program({"/usr/bin/env", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                     "http://[::1]:" + std::to_string(second) + "/healthz"});
    CHECK(six.out == "200");
    CHECK(cloud.stop() == 0);
  }
  // They are the manager's: clients of a cloud that is down wait for the next one.
  RawConnection early(first);
  early.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  {
    Managed cloud("", {{"LISTEN_FDS", "2"}}, passing(sockets));
    CHECK(cloud.ready() == first);
    CHECK(early.read_reply().status == 200);
    CHECK(cloud.stop() == 0);
  }
  for (const int socket : sockets) ::close(socket);
}

TEST_CASE("passed descriptors that are no listening sockets are refused, others' are left alone") {
  struct Row {
    std::string what;
    Variables variables;
    std::string script;
    int code;
  };
  const Row rows[] = {
      {"a file", {{"LISTEN_FDS", "1"}}, "exec 3</dev/null; export LISTEN_PID=$$; exec \"$@\"", 1},
      {"closed", {{"LISTEN_FDS", "1"}}, "exec 3<&-; export LISTEN_PID=$$; exec \"$@\"", 1},
      {"no number", {{"LISTEN_FDS", "x"}}, "export LISTEN_PID=$$; exec \"$@\"", 1},
      {"too many", {{"LISTEN_FDS", "9999"}}, "export LISTEN_PID=$$; exec \"$@\"", 1},
      {"for another process", {{"LISTEN_FDS", "1"}, {"LISTEN_PID", "1"}}, "exec \"$@\"", 0},
      {"none", {}, "exec \"$@\"", 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Managed cloud("", row.variables, {"/bin/bash", "-c", row.script, "bash"});
    if (row.code != 0) {
      CHECK(cloud.process->wait() == row.code);
      CHECK(cloud.log().find(row.what == "a file" || row.what == "closed"
                                 ? "Descriptor 3"
                                 : "LISTEN_FDS") != std::string::npos);
    } else {
      CHECK(status_of(cloud.ready(), "/healthz") == 200);
      CHECK(cloud.stop() == 0);
    }
  }
}
