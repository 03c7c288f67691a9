#include "network/linuxbridge/netns.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <thread>

namespace cloudos::network::linuxbridge {
namespace {

constexpr long kNsfsMagic = 0x6e736673;

std::string netns_path(const std::string& name) {
  return std::string(kNetnsFolder) + "/" + name;
}

Failure netns_failed(std::string_view what, const std::string& name) {
  return fail(ErrorCode::Unavailable,
              fmt::format("{} network namespace {} failed: {}", what, name, std::strerror(errno)));
}

}  // namespace

Result<void> on_own_thread(const std::function<Result<void>()>& work) {
  Result<void> result;
  try {
    std::thread([&] {
      try {
        result = work();
      } catch (const std::exception& e) {
        result = fail(ErrorCode::Internal, "work in a network namespace failed", e.what());
      }
    }).join();
  } catch (const std::exception& e) {
    return fail(ErrorCode::Unavailable, "cannot start a thread", e.what());
  }
  return result;
}

Result<void> create_netns(const std::string& name) {
  if (open_netns(name)) return Result<void>();
  if (::mkdir(kNetnsFolder, 0755) != 0 && errno != EEXIST) return netns_failed("making", name);
  const std::string path = netns_path(name);
  ::unlink(path.c_str());  // A leftover of a machine that went down.
  Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file.valid()) return netns_failed("making", name);
  file.reset();
  auto made = on_own_thread([&]() -> Result<void> {
    if (::unshare(CLONE_NEWNET) != 0) return netns_failed("making", name);
    if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
      return netns_failed("naming", name);
    }
    return Result<void>();
  });
  if (!made) ::unlink(path.c_str());
  return made;
}

std::optional<Fd> open_netns(const std::string& name) {
  Fd fd(::open(netns_path(name).c_str(), O_RDONLY | O_CLOEXEC));
  struct statfs kind {};
  if (!fd.valid() || ::fstatfs(fd.get(), &kind) != 0 || kind.f_type != kNsfsMagic) {
    return std::nullopt;
  }
  return fd;
}

Result<void> remove_netns(const std::string& name) {
  const std::string path = netns_path(name);
  ::umount2(path.c_str(), MNT_DETACH);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return netns_failed("removing", name);
  // Leaves no empty folder behind; one that others use (or iproute2 mounted) refuses to go.
  ::rmdir(kNetnsFolder);
  return Result<void>();
}

std::vector<std::string> list_netns(std::string_view prefix) {
  std::vector<std::string> names;
  DIR* folder = ::opendir(kNetnsFolder);
  if (folder == nullptr) return names;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string_view name(entry->d_name);
    if (name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix) {
      names.emplace_back(name);
    }
  }
  ::closedir(folder);
  return names;
}

Result<void> run_in_netns(int netns, const std::function<Result<void>()>& work) {
  return on_own_thread([&]() -> Result<void> {
    if (::setns(netns, CLONE_NEWNET) != 0) return netns_failed("entering", "");
    return work();
  });
}

bool same_netns(int netns, const std::string& proc_file) {
  struct stat a {};
  struct stat b {};
  return ::fstat(netns, &a) == 0 && ::stat(proc_file.c_str(), &b) == 0 && a.st_ino == b.st_ino &&
         a.st_dev == b.st_dev;
}

Result<int> netns_id(Netlink& netlink, int netns) {
  const auto about = [&](std::uint16_t type) {
    NetlinkMessage message(type, 0);
    message.header(rtgenmsg{AF_UNSPEC});
    message.attr_u32(NETNSA_FD, static_cast<std::uint32_t>(netns));
    return message;
  };
  std::int32_t number = -1;
  const auto ask = [&] {
    auto message = about(RTM_GETNSID);
    return netlink.dump(message, [&](const nlmsghdr& answer) {
      const auto* attrs =
          static_cast<const char*>(NLMSG_DATA(&answer)) + NLMSG_ALIGN(sizeof(rtgenmsg));
      each_attr(attrs, answer.nlmsg_len - NLMSG_SPACE(sizeof(rtgenmsg)),
                [&](std::uint16_t type, const char* data, std::size_t n) {
                  if (type == NETNSA_NSID && n >= sizeof number)
                    std::memcpy(&number, data, sizeof number);
                });
    });
  };
  int error = ask();
  if (error == 0 && number < 0) {
    auto give = about(RTM_NEWNSID);
    give.attr_u32(NETNSA_NSID, static_cast<std::uint32_t>(-1));  // Whichever is free.
    error = netlink.execute(give);
    if (error == 0 || error == EEXIST) error = ask();
  }
  if (error == 0 && number >= 0) return number;
  return fail(ErrorCode::Unavailable, "a network namespace gets no number",
              error == 0 ? "" : std::strerror(error));
}

Result<void> write_sysctl(const std::string& path, std::string_view value) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() ||
      ::write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return fail(ErrorCode::Unavailable, "cannot set " + path + ": " + std::strerror(errno));
  }
  return Result<void>();
}

std::optional<std::string> read_small_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  std::string out;
  std::array<char, 4096> chunk;
  while (true) {
    const ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return out;
    out.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace cloudos::network::linuxbridge
