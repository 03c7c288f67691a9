#include <cerrno>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "image/payload.hpp"

namespace cloudos::image {
namespace {

constexpr std::string_view kPartSuffix = ".part";

Failure file_failure(std::string_view what, const std::error_code& error) {
  const std::error_code quota(EDQUOT, std::generic_category());
  const bool full = error == std::errc::no_space_on_device || error == quota;
  return fail(full ? ErrorCode::StorageFull : ErrorCode::Unavailable,
              full ? std::string("the disk that holds the images is full: free some space")
                   : fmt::format("the images' folder does not work: {}", error.message()),
              std::string(what));
}
Failure file_failure(std::string_view what, int error) {
  return file_failure(what, std::error_code(error, std::generic_category()));
}

int open_retrying(const std::filesystem::path& path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const Fd directory(open_retrying(folder, O_RDONLY | O_DIRECTORY));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
    return file_failure("sync images folder", errno);
  }
  return Result<void>();
}

class FileReader final : public RandomReader {
 public:
  FileReader(int fd, std::uint64_t size, bool owned) : fd_(fd), size_(size), owned_(owned) {}
  ~FileReader() override {
    if (owned_) ::close(fd_);
  }
  std::uint64_t size() const override { return size_; }
  void grow(std::uint64_t by) { size_ += by; }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    std::size_t done = 0;
    while (done < buffer.size() && offset + done < size_) {
      const ssize_t got = ::pread(fd_, buffer.data() + done, buffer.size() - done,
                                  static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return file_failure("read payload", errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  int fd_;
  std::uint64_t size_;
  bool owned_;
};

class FileWriter final : public PayloadWriter {
 public:
  FileWriter(int fd, std::filesystem::path part, std::filesystem::path final_path)
      : fd_(fd), part_(std::move(part)), final_(std::move(final_path)), reader_(fd, 0, false) {}
  ~FileWriter() override {
    if (!published_) ::unlink(part_.c_str());
  }
  Result<void> write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return file_failure("write payload", errno);
      reader_.grow(static_cast<std::uint64_t>(put));
      start_writing_back();
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return Result<void>();
  }
  /// The disk has its share of a long payload while the rest still comes, not all at the end.
  void start_writing_back() {
    constexpr std::uint64_t kStretch = 16 << 20;
    if (reader_.size() - behind_ < kStretch) return;
    (void)::sync_file_range(fd_.get(), static_cast<off_t>(behind_),
                            static_cast<off_t>(reader_.size() - behind_), SYNC_FILE_RANGE_WRITE);
    behind_ = reader_.size();
  }
  RandomReader& written() override { return reader_; }
  Result<void> publish() override {
    // Nobody writes to it again, ourselves included.
    if (::fchmod(fd_.get(), 0440) != 0) return file_failure("protect payload", errno);
    if (::fsync(fd_.get()) != 0) return file_failure("sync payload", errno);
    if (::rename(part_.c_str(), final_.c_str()) != 0) {
      return file_failure("rename payload", errno);
    }
    published_ = true;
    return sync_folder(final_.parent_path());
  }

 private:
  Fd fd_;
  std::filesystem::path part_, final_;
  FileReader reader_;
  std::uint64_t behind_ = 0;  // Bytes that are on their way to the disk.
  bool published_ = false;
};

Failure busy_elsewhere(const ImageId& id) {
  return fail(ErrorCode::Conflict,
              fmt::format("image {} is being uploaded by another process on this data folder",
                          id.value));
}

class PayloadFiles final : public PayloadStore {
 public:
  explicit PayloadFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  Result<std::unique_ptr<PayloadWriter>> create(const ImageId& id) override {
    CLOUDOS_CHECK(remove(id));
    const int fd = open_retrying(part(id), O_RDWR | O_CREAT | O_EXCL, 0640);
    if (fd < 0 && errno == EEXIST) return busy_elsewhere(id);
    if (fd < 0) return file_failure("create payload", errno);
    // Held until the writer goes: guests of the folder write payloads too.
    (void)::flock(fd, LOCK_EX | LOCK_NB);
    return std::unique_ptr<PayloadWriter>(std::make_unique<FileWriter>(fd, part(id), path(id)));
  }
  Result<std::unique_ptr<RandomReader>> open(const ImageId& id) const override {
    const int fd = open_retrying(path(id), O_RDONLY);
    if (fd < 0 && errno == ENOENT) {
      return fail(ErrorCode::NotFound, fmt::format("image {} has no data", id.value));
    }
    if (fd < 0) return file_failure("open payload", errno);
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
      const int error = errno;
      ::close(fd);
      return file_failure("stat payload", error);
    }
    return std::unique_ptr<RandomReader>(
        std::make_unique<FileReader>(fd, static_cast<std::uint64_t>(status.st_size), true));
  }
  Result<void> remove(const ImageId& id) override {
    {
      const Fd written(open_retrying(part(id), O_RDONLY));
      if (written.get() >= 0 && ::flock(written.get(), LOCK_EX | LOCK_NB) != 0 &&
          errno == EWOULDBLOCK) {
        return busy_elsewhere(id);
      }
    }
    for (const std::filesystem::path& name : {part(id), path(id)}) {
      if (::unlink(name.c_str()) != 0 && errno != ENOENT) {
        return file_failure("remove payload", errno);
      }
    }
    return Result<void>();
  }
  Result<std::vector<ImageId>> list() const override {
    std::vector<ImageId> ids;
    DIR* directory = ::opendir(folder_.c_str());
    if (directory == nullptr && errno == ENOENT) return ids;
    if (directory == nullptr) return file_failure("list images folder", errno);
    for (const dirent* entry = ::readdir(directory); entry; entry = ::readdir(directory)) {
      std::string_view name = entry->d_name;
      if (name.ends_with(kPartSuffix)) name.remove_suffix(kPartSuffix.size());
      if (name.size() == 36 && is_uuid_like(name)) ids.emplace_back(std::string(name));
    }
    ::closedir(directory);
    return ids;
  }
  std::filesystem::path path(const ImageId& id) const override { return folder_ / id.value; }

 private:
  std::filesystem::path part(const ImageId& id) const {
    return folder_ / (id.value + std::string(kPartSuffix));
  }
  std::filesystem::path folder_;
};

/// Whoever runs guests as another user must get to a payload whose name it was told, and nobody but
/// the owner may look around: 0711. What an operator took away stays away.
Result<void> make_images_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);
  if (error) return file_failure("make images folder", error);
  if (::mkdir(folder.c_str(), 0711) == 0) {
    // Whatever the program's umask is.
    if (::chmod(folder.c_str(), 0711) != 0) return file_failure("protect images folder", errno);
    return Result<void>();
  }
  if (errno != EEXIST) return file_failure("make images folder", errno);
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return file_failure("look at images folder", errno);
  if (!S_ISDIR(status.st_mode)) return file_failure("make images folder", ENOTDIR);
  // As older versions made it. One that is another user's is their affair.
  if ((status.st_mode & 0006) != 0) (void)::chmod(folder.c_str(), status.st_mode & 07771);
  return Result<void>();
}

}  // namespace

Result<std::unique_ptr<PayloadStore>> open_payload_files(std::filesystem::path folder) {
  CLOUDOS_CHECK(make_images_folder(folder));
  return std::unique_ptr<PayloadStore>(std::make_unique<PayloadFiles>(std::move(folder)));
}

}  // namespace cloudos::image
