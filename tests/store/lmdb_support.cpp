#include "lmdb_support.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace cloudos::test {

TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "cloudos-store-XXXXXX").native();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

SmallDisk::SmallDisk(const std::filesystem::path& at, const char* options)
    : at_(at), ok_(::mount("tmpfs", at.c_str(), "tmpfs", 0, options) == 0) {}

SmallDisk::~SmallDisk() {
  if (ok_) ::umount2(at_.c_str(), MNT_DETACH);
}

bool SmallDisk::make_read_only() const {
  return ::mount(nullptr, at_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
}

Child::Child(const char* role, const std::filesystem::path& folder) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const std::string job = std::string(role) + ":" + folder.native();
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, 1);
    ::dup2(null, 2);
    ::dup2(ends[1], 3);  // Where the roles report to; dup2 drops close-on-exec.
    ::setenv("CLOUDOS_STORE_CHILD", job.c_str(), 1);
    ::execl("/proc/self/exe", "child", "--no-skip", "--test-case=a child of the store tests",
            nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  reports_ = ends[0];
}

Child::~Child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    wait_ended();
  }
  ::close(reports_);
}

std::string Child::line() {
  for (;;) {
    if (const auto end = buffered_.find('\n'); end != std::string::npos) {
      const std::string line = buffered_.substr(0, end);
      buffered_.erase(0, end + 1);
      return line;
    }
    char bytes[4096];
    const auto got = ::read(reports_, bytes, sizeof bytes);
    if (got <= 0) return {};
    buffered_.append(bytes, static_cast<std::size_t>(got));
  }
}

void Child::signal(int number) const {
  REQUIRE(::kill(pid_, number) == 0);
}

bool Child::wait_stopped() const {
  int status = 0;
  return ::waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
}

int Child::wait_ended() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::unique_ptr<store::Store> open_owner(const std::filesystem::path& folder,
                                         std::uint64_t map_bytes) {
  auto opened = store::open_lmdb({.directory = folder, .map_bytes = map_bytes});
  if (!opened) FAIL(opened.error().message, " ", opened.error().detail);
  return std::move(*opened);
}

Result<store::Revision> put_one(store::Store& s, const std::string& key, const std::string& value) {
  return s.transact([&](store::Txn& txn) {
    txn.put(key, value);
    return Result<void>();
  });
}

Result<store::Revision> erase_one(store::Store& s, const std::string& key) {
  return s.transact([&](store::Txn& txn) {
    txn.erase(key);
    return Result<void>();
  });
}

std::string value_of(store::Store& s, const std::string& key) {
  const auto snapshot = s.snapshot();
  if (!snapshot) return snapshot.error().message;
  const auto entry = (*snapshot)->get(key);
  if (!entry) return entry.error().message;
  return *entry ? (*entry)->value : "(none)";
}

}  // namespace cloudos::test
