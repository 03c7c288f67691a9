// A disk that is full or read-only: clear errors, nothing half done, and a way out.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "compute/records.hpp"
#include "records/table.hpp"
#include "support/invariants.hpp"
#include "tasks/task.hpp"

using namespace cloudos;
using namespace std::chrono_literals;

namespace {

/// A tmpfs of eight MiB and a cloud on it that runs on this thread and a clock of its own.
struct SmallCloud {
  SmallCloud() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cloudos-disk-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    at = pattern;
    mounted = ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=8m") == 0;
    me.project = ProjectId{"p"};
  }
  ~SmallCloud() {
    close();
    if (mounted) ::umount2(at.c_str(), MNT_DETACH);
    std::error_code ignored;
    std::filesystem::remove_all(at, ignored);
  }
  Result<void> open() {
    Options options;
    options.data_dir = at / "data";
    options.password_cost = 4;
    options.host_names = {"host-1"};
    options.store_limit_bytes = std::uint64_t{1} << 32;
    options.workers = 0;
    options.clock = clock;
    CLOUDOS_TRY(cloud, Cloud::open(options));
    return Result<void>();
  }
  void close() { cloud.reset(); }
  bool remount(unsigned long flags) const {
    return ::mount(nullptr, at.c_str(), nullptr, MS_REMOUNT | flags, nullptr) == 0;
  }
  /// Takes what is left of the disk, to the last byte.
  void fill() const {
    const int fd = ::open((at / "filler").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    REQUIRE(fd >= 0);
    const std::string page(4096, 'f');
    while (::write(fd, page.data(), page.size()) > 0) {
    }
    ::close(fd);
  }
  void make_room() const { std::filesystem::remove(at / "filler"); }
  void pass(std::chrono::minutes time) {
    const MonoTime end = clock->mono() + time;
    while (clock->mono() < end) {
      cloud->run_pending();
      const auto due = cloud->next_deadline();
      if (!due) return;
      if (*due > clock->mono()) clock->advance(*due - clock->mono());
    }
  }
  Result<Image> upload(std::size_t bytes) {
    CLOUDOS_TRY(const auto image, cloud->images().create(
        me, {.name = "i", .disk_format = DiskFormat::Raw,
             .container_format = ContainerFormat::Bare}));
    TextSource data(std::string(bytes, 'x'));
    return cloud->images().upload(me, image.id, data);
  }
  Result<Server> create(const ImageId& image) {
    CLOUDOS_TRY(const auto flavors, cloud->servers().flavors().list(me));
    ServerCreate spec;
    spec.name = std::string(200, 's');
    spec.flavor = flavors.front().id;
    spec.image = image;
    spec.user_data = std::string(60'000, 'A');
    spec.networks = std::vector<ServerNetwork>{};
    return cloud->servers().create(me, spec);
  }
  /// Closes the cloud, for the store has one owner, and looks at what is there.
  void check_folder() {
    close();
    const auto store = store::open_lmdb({.directory = at / "data" / "store",
                                         .map_bytes = std::uint64_t{1} << 32});
    REQUIRE(store);
    const auto snapshot = *(*store)->snapshot();
    test::check_records(*snapshot);
    test::check_files_at_rest(*snapshot, at / "data");
  }

  std::filesystem::path at;
  bool mounted = false;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  Context me = Context::system();
  std::unique_ptr<Cloud> cloud;
};

/// A refusal of a full or dead disk says so, and what to do.
void check_refusal(const Error& error, ErrorCode code) {
  CAPTURE(error.message);
  CHECK(error.code == code);
  CHECK(error.message.size() > 20);
}

}  // namespace

TEST_CASE("a full disk refuses clearly, keeps what there is, and lets go of what is deleted") {
  SmallCloud small;
  if (!small.mounted) {
    MESSAGE("this user may not mount: skipped");
    return;
  }
  REQUIRE(small.open());
  const auto first = small.upload(1 << 20);
  REQUIRE(first);
  std::vector<ImageId> kept{first->id};
  std::optional<Error> refused;
  for (int i = 0; i < 20 && !refused; ++i) {
    const auto image = small.upload(1 << 20);
    if (image) kept.push_back(image->id);
    else refused = image.error();
  }
  REQUIRE(refused);
  check_refusal(*refused, ErrorCode::StorageFull);

  const auto server = small.create(kept.front());
  REQUIRE(server);
  small.pass(1min);
  REQUIRE(small.cloud->servers().get(small.me, server->id)->vm_state == VmState::Active);
  small.fill();
  refused.reset();
  std::vector<ServerId> made{server->id};
  for (int i = 0; i < 60 && !refused; ++i) {
    const auto more = small.create(kept.front());
    if (more) made.push_back(more->id);
    else if (more.error().code != ErrorCode::QuotaExceeded) refused = more.error();
    small.pass(1min);
    if (!more && !refused) break;
  }
  if (refused) check_refusal(*refused, ErrorCode::StorageFull);
  // Tasks that could not be recorded are not lost, nor do they spin.
  small.pass(5min);

  SUBCASE("deleting works on a disk without a free byte") {
    for (const ServerId& id : made) CHECK(small.cloud->servers().remove(small.me, id));
    small.pass(15min);
    CHECK(small.cloud->servers().list(small.me)->empty());
    for (const ImageId& id : kept) CHECK(small.cloud->images().remove(small.me, id));
    small.pass(15min);
    CHECK(small.upload(1 << 20));
  }
  SUBCASE("a restart works on a disk without a free byte") {
    small.close();
    const auto again = small.open();
    const std::string why = again ? "" : again.error().message;
    CAPTURE(why);
    REQUIRE(again);
    CHECK(small.cloud->servers().list(small.me)->size() == made.size());
  }
  small.make_room();
  small.pass(30min);
  small.check_folder();
}

TEST_CASE("a cloud on a disk that is full from the start says so") {
  SmallCloud small;
  if (!small.mounted) {
    MESSAGE("this user may not mount: skipped");
    return;
  }
  small.fill();
  const auto opened = small.open();
  REQUIRE_FALSE(opened);
  check_refusal(opened.error(), ErrorCode::StorageFull);
  small.make_room();
  CHECK(small.open());
}

TEST_CASE("a read-only disk is refused in a sentence; under a running cloud nothing is lost") {
  SmallCloud small;
  if (!small.mounted) {
    MESSAGE("this user may not mount: skipped");
    return;
  }
  REQUIRE(small.open());
  const auto image = small.upload(4'096);
  REQUIRE(image);
  // The kernel refuses while files are open for writing: a process that keeps them sees this only
  // from outside, so the cloud is closed first.
  small.close();
  REQUIRE(small.remount(MS_RDONLY));
  const auto refused = small.open();
  REQUIRE_FALSE(refused);
  check_refusal(refused.error(), ErrorCode::Unavailable);
  CHECK(refused.error().message.find("ead-only") != std::string::npos);
  REQUIRE(small.remount(0));
  REQUIRE(small.open());
  CHECK(small.cloud->images().get(small.me, image->id)->status == ImageStatus::Active);
}
