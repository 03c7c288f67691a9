#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "image/imports.hpp"

// Files beside the staging area: read, and made of gzip data.
namespace cloudos::image {
namespace {

class PlainFileReader final : public RandomReader {
 public:
  PlainFileReader(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  ~PlainFileReader() override { ::close(fd_); }
  PlainFileReader(const PlainFileReader&) = delete;
  PlainFileReader& operator=(const PlainFileReader&) = delete;
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    std::size_t done = 0;
    while (done < buffer.size() && offset + done < size_) {
      const ssize_t got = ::pread(fd_, buffer.data() + done, buffer.size() - done,
                                  static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail(ErrorCode::Unavailable, std::strerror(errno));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  const int fd_;
  const std::uint64_t size_;
};

/// A new file that goes again unless it is kept.
class UnpackedFile {
 public:
  explicit UnpackedFile(std::filesystem::path path)
      : path_(std::move(path)),
        fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640)) {}
  ~UnpackedFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!kept_) ::unlink(path_.c_str());
  }
  UnpackedFile(const UnpackedFile&) = delete;
  UnpackedFile& operator=(const UnpackedFile&) = delete;
  Result<void> write(std::span<const unsigned char> bytes) {
    while (!bytes.empty()) {
      const ssize_t put = fd_ < 0 ? -1 : ::write(fd_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) {
        const bool full = errno == ENOSPC || errno == EDQUOT;
        return fail(full ? ErrorCode::StorageFull : ErrorCode::Unavailable,
                    full ? "the disk that holds the images is full: free some space"
                         : "the folder of conversions does not work",
                    std::strerror(errno));
      }
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return Result<void>();
  }
  void keep() { kept_ = true; }

 private:
  const std::filesystem::path path_;
  const int fd_;
  bool kept_ = false;
};

class Inflater {
 public:
  Inflater() : ready_(inflateInit2(&stream_, 15 + 16) == Z_OK) {}  // 16: gzip, nothing else.
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  bool ready() const { return ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_;
};

Failure bad_gzip() {
  return fail(ErrorCode::InvalidArgument, "image data refused: it is no whole gzip data");
}

}  // namespace

Result<std::unique_ptr<RandomReader>> open_plain_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return fail(error == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
                "the staged data cannot be read", std::strerror(error));
  }
  return std::unique_ptr<RandomReader>(
      std::make_unique<PlainFileReader>(fd, static_cast<std::uint64_t>(status.st_size)));
}

Result<void> unpack_gzip(RandomReader& from, const std::filesystem::path& to, std::uint64_t most,
                         const GoOn& go_on) {
  UnpackedFile file(to);
  Inflater inflater;
  if (!inflater.ready()) return fail(ErrorCode::Internal, "the gzip library does not work");
  z_stream& stream = inflater.stream();
  std::vector<std::byte> in(limits::kImageChunkBytes);
  std::vector<unsigned char> out(limits::kImageChunkBytes);
  std::uint64_t at = 0, total = 0;
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    if (go_on) CLOUDOS_CHECK(go_on());
    if (stream.avail_in == 0) {
      CLOUDOS_TRY(const std::size_t got, from.read_at(at, in));
      if (got == 0) return bad_gzip();
      at += got;
      stream.next_in = reinterpret_cast<unsigned char*>(in.data());
      stream.avail_in = static_cast<unsigned>(got);
    }
    stream.next_out = out.data();
    stream.avail_out = static_cast<unsigned>(out.size());
    state = inflate(&stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) return bad_gzip();
    const std::size_t made = out.size() - stream.avail_out;
    // A bomb ends here, whatever it would still become.
    if (made > most - total) {
      return fail(ErrorCode::TooLarge, fmt::format("unpacked it is more than {} bytes", most));
    }
    total += made;
    CLOUDOS_CHECK(file.write(std::span<const unsigned char>(out).first(made)));
  }
  if (stream.avail_in != 0 || at < from.size()) return bad_gzip();  // Something follows.
  file.keep();
  return Result<void>();
}

}  // namespace cloudos::image
