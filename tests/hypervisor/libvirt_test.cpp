#include "hypervisor/libvirt.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <clocale>
#include <fstream>
#include <thread>

#include "hypervisor/contract.hpp"
#include "hypervisor/process.hpp"

using namespace cloudos;
using namespace cloudos::hypervisor;
using namespace std::chrono_literals;

namespace {

const ServerId kGuest{"0192f0c1-8a00-7000-8000-0000000000aa"};
constexpr char kRootVariable[] = "CLOUDOS_TEST_LIBVIRT_ROOT";
constexpr char kFolderId[] = "0192f0c1-aaaa-7000-8000-000000000001";
constexpr char kOtherFolderId[] = "0192f0c1-bbbb-7000-8000-000000000002";

/// One root of qemu:///embed for the whole test process: libvirt allows no second one.
const std::filesystem::path& embed_root() {
  static const test::TempFolder folder;
  return folder.path();
}

LibvirtSettings embed_settings(std::filesystem::path root, std::string folder_id = kFolderId) {
  LibvirtSettings settings;
  settings.root_dir = std::move(root);
  settings.folder_id = std::move(folder_id);
  return settings;
}

/// Whether real guests can run here; says why not.
bool can_run_guests() {
  const char* lack = nullptr;
  if (::geteuid() != 0) lack = "not root";
  if (find_program("qemu-system-x86_64").empty()) lack = "QEMU is not installed";
  if (lack != nullptr) MESSAGE("skipped, nothing was tested: " << lack);
  return lack == nullptr;
}

std::unique_ptr<Driver> open_driver(LibvirtSettings settings) {
  auto driver = make_libvirt(std::move(settings));
  REQUIRE_MESSAGE(driver.has_value(), test::why(driver));
  return std::move(*driver);
}

pid_t pid_of_guest(const std::filesystem::path& root, const ServerId& id, std::string_view folder) {
  std::ifstream file(root / "run" / "qemu" / fmt::format("cloudos-{}-{}.pid", folder, id.value));
  pid_t pid = 0;
  file >> pid;
  return pid;
}

/// This test program again, running one of its skipped cases; returns its pid and its output.
struct Child {
  pid_t pid = -1;
  int output = -1;
};

Child run_again(const std::string& test_case, const std::filesystem::path& root) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const std::string filter = "--test-case=" + test_case;
  const std::string variable = fmt::format("{}={}", kRootVariable, root.native());
  const char* arguments[] = {"test_hypervisor", "--no-skip", filter.c_str(), nullptr};
  std::vector<std::string> variables = {variable, "LIBVIRT_DEBUG=4", "CLOUDOS_TEST_STAYS=yes",
                                        "PATH=/usr/bin:/bin:/usr/sbin:/sbin"};
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name))
      variables.push_back(fmt::format("{}={}", name, value));
  }
  std::vector<const char*> environment;
  for (const std::string& each : variables) environment.push_back(each.c_str());
  environment.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  Child child;
  auto** const values = const_cast<char**>(environment.data());
  REQUIRE(::posix_spawn(&child.pid, "/proc/self/exe", &actions, nullptr,
                        const_cast<char**>(arguments), values) == 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  child.output = ends[0];
  return child;
}

/// Reads what the child prints until it says `word`, or ends.
bool wait_for_word(const Child& child, std::string_view word) {
  std::string text;
  char block[256];
  while (text.find(word) == std::string::npos) {
    const ssize_t got = ::read(child.output, block, sizeof block);
    if (got <= 0) {
      MESSAGE("the child said: " << text);
      return false;
    }
    text.append(block, static_cast<std::size_t>(got));
  }
  return true;
}

int end_of(const Child& child) {
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  ::close(child.output);
  return status;
}

void say(const char* word) {
  std::printf("%s\n", word);
  std::fflush(stdout);
}

}  // namespace

TEST_CASE("settings that cannot work are refused before anything is touched") {
  struct Row {
    std::string what;
    std::function<void(LibvirtSettings&)> spoil;
    ErrorCode code;
  };
  const Row rows[] = {
      {"no folder id", [](auto& s) { s.folder_id.clear(); }, ErrorCode::InvalidArgument},
      {"folder id with markup", [](auto& s) { s.folder_id = "a'/>"; }, ErrorCode::InvalidArgument},
      {"virtualisation type", [](auto& s) { s.virt_type = "xen"; }, ErrorCode::InvalidArgument},
      {"relative root", [](auto& s) { s.root_dir = "libvirt"; }, ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    LibvirtSettings settings = embed_settings("/tmp/clhv-none");
    row.spoil(settings);
    const auto made = make_libvirt(settings);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == row.code);
  }
  CHECK_FALSE(std::filesystem::exists("/tmp/clhv-none"));
}

TEST_CASE("a hypervisor that cannot be reached is Unavailable, and says so at each call") {
  LibvirtSettings settings = embed_settings({});
  settings.uri = "qemu+unix:///system?socket=/nonexistent/libvirt-sock";
  const auto driver = open_driver(settings);
  for (int round = 0; round < 2; ++round) {
    const auto states = driver->list();
    REQUIRE_FALSE(states);
    CHECK(states.error().code == ErrorCode::Unavailable);
    CHECK(states.error().detail.find("/nonexistent/libvirt-sock") != std::string::npos);
  }
}

TEST_CASE("libvirt's own test host: domains of others under our id are left alone") {
  test::TempFolder folder;
  LibvirtSettings settings = embed_settings(folder.path());
  settings.uri = "test:///default";
  const auto ours = open_driver(settings);
  settings.folder_id = kOtherFolderId;
  const auto theirs = open_driver(settings);
  const auto before = ours->list();
  REQUIRE(before);
  CHECK(before->empty());  // The test host comes with a domain of its own.
  REQUIRE_OK(theirs->define(test::small_domain(kGuest.value, folder.path())));
  REQUIRE_OK(theirs->start(kGuest));
  CHECK(ours->list()->empty());
  CHECK(ours->destroy(kGuest).error().code == ErrorCode::Conflict);
  CHECK(ours->define(test::small_domain(kGuest.value, folder.path())).error().code ==
        ErrorCode::Conflict);
  CHECK(theirs->list(kGuest)->at(0).power == PowerState::Running);
  REQUIRE_OK(theirs->destroy(kGuest));
  CHECK(theirs->list()->empty());
}

TEST_CASE("QEMU by libvirt keeps the contract of drivers") {
  if (!can_run_guests()) return;
  test::TempFolder folder;
  const auto driver = open_driver(embed_settings(embed_root()));
  const auto other = open_driver(embed_settings(embed_root(), kOtherFolderId));
  ServerId foreign;
  test::check_driver_contract({*driver, folder.path(),
                               [&](const ServerId& id) {
                                 foreign = id;
                                 const auto spec = test::small_domain(id.value, folder.path());
                                 REQUIRE_OK(other->make_disk(spec.disks.front()));
                                 REQUIRE_OK(other->define(spec));
                                 REQUIRE_OK(other->start(id));
                               },
                               [&](const ServerId& id) {
                                 const auto states = other->list(id);
                                 return states && states->size() == 1 &&
                                        states->at(0).power == PowerState::Running;
                               }});
  REQUIRE_OK(other->destroy(foreign));
  CHECK(other->list()->empty());
}

TEST_CASE("a second root in one process is refused in one clear sentence") {
  if (!can_run_guests()) return;
  const auto first = open_driver(embed_settings(embed_root()));
  test::TempFolder second;
  const auto made = make_libvirt(embed_settings(second.path()));
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::Conflict);
  CHECK(std::filesystem::is_empty(second.path()));
}

TEST_CASE("libvirt in our process changes nothing that belongs to the host program") {
  if (!can_run_guests()) return;
  const auto mask = ::umask(0027);
  const auto folder = std::filesystem::current_path();
  const std::string locale = std::setlocale(LC_ALL, nullptr);
  const int signals[] = {SIGPIPE, SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
  struct sigaction before[std::size(signals)];
  for (std::size_t i = 0; i < std::size(signals); ++i) ::sigaction(signals[i], nullptr, &before[i]);
  {
    test::TempFolder disks;
    const auto driver = open_driver(embed_settings(embed_root()));
    const auto spec = test::small_domain(kGuest.value, disks.path());
    REQUIRE_OK(driver->make_disk(spec.disks.front()));
    REQUIRE_OK(driver->define(spec));
    REQUIRE_OK(driver->start(kGuest));
    const pid_t pid = pid_of_guest(embed_root(), kGuest, kFolderId);
    REQUIRE(pid > 0);
    CHECK(::getpgid(pid) != ::getpgid(0));
    CHECK(::getsid(pid) != ::getsid(0));
    const auto its_stdout = std::filesystem::read_symlink(fmt::format("/proc/{}/fd/1", pid));
    CHECK(its_stdout != std::filesystem::read_symlink("/proc/self/fd/1"));
    REQUIRE_OK(driver->destroy(kGuest));
    CHECK(::kill(pid, 0) != 0);
  }
  for (std::size_t i = 0; i < std::size(signals); ++i) {
    CAPTURE(signals[i]);
    struct sigaction after {};
    ::sigaction(signals[i], nullptr, &after);
    CHECK((after.sa_handler == before[i].sa_handler));
  }
  CHECK(::umask(mask) == 0027);
  CHECK(std::filesystem::current_path() == folder);
  CHECK(std::setlocale(LC_ALL, nullptr) == locale);
}

TEST_CASE("a guest whose process is killed is shown as crashed, and starts again") {
  if (!can_run_guests()) return;
  test::TempFolder disks;
  const auto driver = open_driver(embed_settings(embed_root()));
  const auto spec = test::small_domain(kGuest.value, disks.path());
  REQUIRE_OK(driver->make_disk(spec.disks.front()));
  REQUIRE_OK(driver->define(spec));
  REQUIRE_OK(driver->start(kGuest));
  REQUIRE(::kill(pid_of_guest(embed_root(), kGuest, kFolderId), SIGKILL) == 0);
  auto power = PowerState::Running;
  for (int i = 0; i < 500 && power == PowerState::Running; ++i) {
    std::this_thread::sleep_for(10ms);  // The kernel and libvirt tell in their own time.
    power = driver->list(kGuest)->at(0).power;
  }
  CHECK(power == PowerState::Crashed);
  REQUIRE_OK(driver->start(kGuest));
  CHECK(driver->list(kGuest)->at(0).power == PowerState::Running);
  REQUIRE_OK(driver->destroy(kGuest));
}

TEST_CASE("a guest boots from an overlay, tells so on its console, and powers off when asked") {
  if (!can_run_guests()) return;
  const char* image = std::getenv("CLOUDOS_GUEST_IMAGE");
  if (image == nullptr) {
    MESSAGE(
        "skipped, nothing was tested: CLOUDOS_GUEST_IMAGE names no image (tests/run makes one)");
    return;
  }
  test::TempFolder disks;
  const auto driver = open_driver(embed_settings(embed_root()));
  auto spec = test::small_domain(kGuest.value, disks.path());
  spec.ram_mib = 128;
  spec.disks.front() = {disks.path() / "disk.qcow2", image, "qcow2", 0};
  spec.nics.push_back({PortId{"p"}, "52:54:00:12:34:56", "", 1400});
  spec.console_log = disks.path() / "console.log";
  REQUIRE_OK(driver->make_disk(spec.disks.front()));
  REQUIRE_OK(driver->define(spec));
  REQUIRE_OK(driver->start(kGuest));
  const auto console_says = [&](std::string_view word, std::size_t times) {
    std::ifstream file(spec.console_log);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    std::size_t found = 0;
    for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++found;
    return found >= times;
  };
  const auto wait_for = [](const std::function<bool()>& seen) {
    for (int i = 0; i < 1200 && !seen(); ++i) std::this_thread::sleep_for(50ms);
    return seen();
  };
  const auto is_off = [&] { return driver->list(kGuest)->at(0).power == PowerState::Shutdown; };
  CHECK(wait_for([&] { return console_says("GUEST-UP guest 10.0.2.15", 1); }));
  REQUIRE_OK(driver->stop(kGuest, StopMode::Graceful));
  CHECK(wait_for(is_off));
  CHECK(console_says("reboot: Power down", 1));
  REQUIRE_OK(driver->start(kGuest));
  // The log was appended to: the first boot is still in it.
  CHECK(wait_for([&] { return console_says("GUEST-UP", 2); }));
  REQUIRE_OK(driver->destroy(kGuest));
}

TEST_CASE("child: starts a guest and waits to be killed" * doctest::skip()) {
  const char* root = std::getenv(kRootVariable);
  REQUIRE(root != nullptr);
  const auto driver = open_driver(embed_settings(root));
  const auto spec = test::small_domain(kGuest.value, root);
  REQUIRE_OK(driver->make_disk(spec.disks.front()));
  REQUIRE_OK(driver->define(spec));
  REQUIRE_OK(driver->start(kGuest));
  say("STARTED");
  ::pause();
}

TEST_CASE("child: finds the guest running and deletes it at once" * doctest::skip()) {
  const char* root = std::getenv(kRootVariable);
  REQUIRE(root != nullptr);
  const auto driver = open_driver(embed_settings(root));
  const auto states = driver->list();
  REQUIRE(states);
  REQUIRE(states->size() == 1);
  CHECK(states->front().id == kGuest);
  CHECK(states->front().power == PowerState::Running);
  CHECK(driver->start(kGuest));
  REQUIRE_OK(driver->destroy(kGuest));
  CHECK(driver->list()->empty());
}

TEST_CASE("a guest outlives kill -9 of its process and is adopted by the next one") {
  if (!can_run_guests()) return;
  test::TempFolder root;
  const Child first = run_again("child: starts a guest*", root.path());
  REQUIRE(wait_for_word(first, "STARTED"));
  const pid_t guest = pid_of_guest(root.path(), kGuest, kFolderId);
  REQUIRE(guest > 0);
  ::kill(first.pid, SIGKILL);
  CHECK(WIFSIGNALED(end_of(first)));
  CHECK(::kill(guest, 0) == 0);
  const Child second = run_again("child: finds the guest*", root.path());
  CHECK(wait_for_word(second, "SUCCESS!"));
  const int status = end_of(second);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  CHECK(::kill(guest, 0) != 0);
}
