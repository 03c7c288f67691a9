#include "hypervisor/libvirt.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

#include "hypervisor/host.hpp"
#include "hypervisor/libvirt_driver.hpp"
#include "hypervisor/process.hpp"

namespace cloudos::hypervisor {
namespace {

constexpr std::string_view kEmbed = "qemu:///embed";
constexpr char kGuestUser[] = "libvirt-qemu";
// QEMU's monitor socket is <root>/lib/qemu/domain-<number>-<20 bytes of name>/monitor.sock, and
// the kernel takes 107 bytes.
constexpr std::size_t kRootPathBytes = 107 - std::string_view("/lib/qemu/domain-").size() - 6 - 1 -
                                       20 - std::string_view("/monitor.sock").size();

// A root of our own needs no separation from other users of libvirt. Consoles go to plain files
// (there is no virtlogd), and no owner is remembered in extended attributes that a copy of the data
// folder would lose.
constexpr std::string_view kQemuConf =
    "# Written by libcloudos at every start; changes are lost.\n"
    "security_driver = \"none\"\n"
    "stdio_handler = \"file\"\n"
    "remember_owner = 0\n";
// Without root libvirt runs QEMU as whom it is itself, and does not look at these.
constexpr std::string_view kQemuConfOfRoot =
    "user = \"root\"\n"
    "group = \"root\"\n";

Result<void> refuse(ErrorCode code, std::string message) {
  return fail(code, std::move(message));
}

/// Where libvirt keeps files of a user's that are not under the root: as it looks for it itself.
std::string user_runtime_folder() {
  for (const char* name : {"XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "HOME"}) {
    const char* const path = std::getenv(name);
    if (path == nullptr || *path == '\0') continue;
    return ::access(path, W_OK | X_OK) == 0 ? path : std::string();
  }
  return {};
}

bool user_and_group_exist(const char* name) {
  std::array<char, 16 << 10> buffer{};
  passwd user{};
  passwd* found_user = nullptr;
  ::getpwnam_r(name, &user, buffer.data(), buffer.size(), &found_user);
  const bool has_user = found_user != nullptr;
  group group_entry{};
  group* found_group = nullptr;
  ::getgrnam_r(name, &group_entry, buffer.data(), buffer.size(), &found_group);
  return has_user && found_group != nullptr;
}

Result<void> check_settings(const LibvirtSettings& settings) {
  const std::string& folder = settings.folder_id;
  const bool plain = !folder.empty() &&
                     std::all_of(folder.begin(), folder.end(),
                                 [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
  if (!plain || folder.size() > 64) {
    return refuse(ErrorCode::InvalidArgument,
                  "a data folder's id is 1 to 64 letters, digits and dashes");
  }
  if (settings.virt_type != "auto" && settings.virt_type != "kvm" && settings.virt_type != "qemu") {
    return refuse(ErrorCode::InvalidArgument, "the virtualisation type is auto, kvm or qemu");
  }
  return Result<void>();
}

/// What qemu:///embed needs of the machine, said in our words: libvirt's name neither the package
/// nor the cure.
Result<void> check_machine() {
  if (::geteuid() != 0 && user_runtime_folder().empty()) {
    return refuse(ErrorCode::Unsupported,
                  "running guests by qemu:///embed without root needs a folder for libvirt's own "
                  "files: set XDG_RUNTIME_DIR, or HOME, to one that can be written");
  }
  if (find_program("qemu-system-x86_64").empty()) {
    return refuse(ErrorCode::Unsupported, "QEMU is missing: install the package qemu-system-x86");
  }
  if (find_program("qemu-img").empty()) {
    return refuse(ErrorCode::Unsupported, "qemu-img is missing: install the package qemu-utils");
  }
  if (::geteuid() == 0 && !user_and_group_exist(kGuestUser)) {
    return refuse(
        ErrorCode::Unsupported,
        fmt::format("the system user or group {0} is missing, which libvirt looks for: add "
                    "them by \"useradd --system --user-group {0}\"",
                    kGuestUser));
  }
  return Result<void>();
}

Result<void> write_conf(const std::filesystem::path& root) {
  std::error_code error;
  std::filesystem::create_directories(root / "etc", error);
  if (!error) {
    std::filesystem::permissions(root, std::filesystem::perms::owner_all, error);
  }
  if (!error) {
    const auto draft = root / "etc" / "qemu.conf.part";
    std::ofstream file(draft, std::ios::trunc);
    file << kQemuConf;
    if (::geteuid() == 0) file << kQemuConfOfRoot;
    file.close();
    if (!file) {
      return refuse(ErrorCode::StorageFull,
                    "libvirt's folder cannot be written: is the disk full?");
    }
    std::filesystem::rename(draft, root / "etc" / "qemu.conf", error);
  }
  if (!error) return Result<void>();
  return fail(ErrorCode::Unavailable, "libvirt's folder cannot be made: " + error.message(),
              root.native());
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '/' || c == '-' || c == '_' || c == '.') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

/// Returns the short name it had to give the root, or nothing.
Result<std::unique_ptr<RootLink>> prepare_embed(LibvirtSettings& settings) {
  auto root = settings.root_dir;
  if (!root.is_absolute()) {
    return fail(ErrorCode::InvalidArgument, "the data folder needs an absolute path");
  }
  CLOUDOS_CHECK(check_machine());
  CLOUDOS_CHECK(claim_embed_root(root));
  CLOUDOS_CHECK(write_conf(root));
  std::unique_ptr<RootLink> link;
  if (root.native().size() > kRootPathBytes) {
    CLOUDOS_TRY(link, RootLink::make(root, "cloudos-" + settings.folder_id));
    root = link->path();
  }
  settings.uri = fmt::format("{}?root={}", kEmbed, percent_encode(root.native()));
  return link;
}

/// "auto" looks at this machine, so it is for URIs that lead to it; another host is taken to have
/// KVM, which is what a host is bought for.
std::string decide_virt_type(const LibvirtSettings& settings) {
  if (settings.uri.starts_with("test:")) return "test";
  if (settings.virt_type != "auto") return settings.virt_type;
  const bool local =
      settings.uri.starts_with("qemu:///") || settings.uri.starts_with("qemu+unix:///");
  return !local || kvm_usable() ? "kvm" : "qemu";
}

}  // namespace

Result<std::unique_ptr<Driver>> make_libvirt(LibvirtSettings settings) {
  CLOUDOS_CHECK(check_settings(settings));
  settings.virt_type = decide_virt_type(settings);
  std::unique_ptr<RootLink> link;
  if (settings.uri == kEmbed) {
    CLOUDOS_TRY(link, prepare_embed(settings));
  }
  if (settings.disks_dir.empty()) settings.disks_dir = settings.root_dir;
  CLOUDOS_TRY(auto libvirt, use_libvirt());
  auto driver = std::make_unique<LibvirtDriver>(std::move(settings), std::move(libvirt),
                                                std::move(link));
  driver->warm_up();
  return driver;
}

}  // namespace cloudos::hypervisor
