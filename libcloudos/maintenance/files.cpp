#include "maintenance/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace cloudos::maintenance {

namespace {

constexpr std::size_t kCopyBytes = 1 << 20;

Result<void> write_all(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(file_error(errno, "write", path));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return Result<void>();
}

/// Passes every piece of `file` to `take`; returns how many bytes there were.
Result<std::uint64_t> read_pieces(const std::filesystem::path& file,
                                  const std::function<Result<void>(std::string_view)>& take) {
  const Fd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (in.get() < 0) return fail(file_error(errno, "open", file));
  std::string piece(kCopyBytes, '\0');
  std::uint64_t total = 0;
  for (;;) {
    const auto got = ::read(in.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(file_error(errno, "read", file));
    if (got == 0) return total;
    total += static_cast<std::uint64_t>(got);
    CLOUDOS_CHECK(take(std::string_view(piece).substr(0, static_cast<std::size_t>(got))));
  }
}

}  // namespace

void Checksum::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Result<Checksum> Checksum::make(std::string_view algorithm) {
  const EVP_MD* method = nullptr;
  if (algorithm == "sha256") method = EVP_sha256();
  if (algorithm == "sha512") method = EVP_sha512();
  if (!method) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("checksums of kind '{}' are not known", algorithm.substr(0, 32)));
  }
  Checksum made(std::string(algorithm), EVP_MD_CTX_new());
  if (!made.context_ || EVP_DigestInit_ex(made.context_.get(), method, nullptr) != 1)
    return fail(ErrorCode::Internal, "checksums cannot be computed", "EVP_DigestInit_ex");
  return made;
}

void Checksum::update(std::string_view bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Checksum::finish() {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
  return name_ + ':' + to_hex({digest.data(), size});
}

Error file_error(const std::error_code& error, std::string_view doing,
                 const std::filesystem::path& path) {
  const auto is = [&](int number) {
    return error == std::error_code(number, std::generic_category());
  };
  ErrorCode code = ErrorCode::Unavailable;
  if (is(ENOENT) || is(ENOTDIR)) code = ErrorCode::NotFound;
  if (is(ENOSPC) || is(EDQUOT)) code = ErrorCode::StorageFull;
  if (is(EXDEV)) code = ErrorCode::Unsupported;
  return {code, fmt::format("{} {}: {}", doing, path.native(), error.message()), {}};
}

Error file_error(int number, std::string_view doing, const std::filesystem::path& path) {
  return file_error(std::error_code(number, std::generic_category()), doing, path);
}

Result<FileFacts> read_facts(const std::filesystem::path& file, std::string_view algorithm) {
  CLOUDOS_TRY(Checksum sum, Checksum::make(algorithm));
  FileFacts facts;
  CLOUDOS_TRY(facts.size, read_pieces(file, [&](std::string_view piece) {
                sum.update(piece);
                return Result<void>();
              }));
  facts.checksum = sum.finish();
  return facts;
}

Result<FileFacts> copy_file(const std::filesystem::path& from, const std::filesystem::path& to,
                            unsigned mode, std::string_view algorithm) {
  CLOUDOS_TRY(Checksum sum, Checksum::make(algorithm));
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  FileFacts facts;
  {
    const Fd out(::open(to.c_str(), flags, 0600));
    if (out.get() < 0) return fail(file_error(errno, "make", to));
    auto read = read_pieces(from, [&](std::string_view piece) {
      sum.update(piece);
      return write_all(out.get(), piece, to);
    });
    if (read && (::fchmod(out.get(), mode) != 0 || ::fsync(out.get()) != 0))
      read = fail(file_error(errno, "sync", to));
    if (!read) {
      ::unlink(to.c_str());
      return fail(read.error());
    }
    facts.size = *read;
  }
  facts.checksum = sum.finish();
  return facts;
}

Result<void> write_file(const std::filesystem::path& file, std::string_view text, unsigned mode) {
  const Fd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (out.get() < 0) return fail(file_error(errno, "make", file));
  CLOUDOS_CHECK(write_all(out.get(), text, file));
  if (::fsync(out.get()) != 0) return fail(file_error(errno, "sync", file));
  return Result<void>();
}

Result<std::string> read_small_file(const std::filesystem::path& file, std::size_t most) {
  std::string text;
  CLOUDOS_CHECK(read_pieces(file, [&](std::string_view piece) -> Result<void> {
    if (text.size() + piece.size() > most)
      return fail(ErrorCode::TooLarge, fmt::format("{} is too large", file.native()));
    text += piece;
    return Result<void>();
  }));
  return text;
}

Result<void> make_folder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(file_error(errno, "make", folder));
  return Result<void>();
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return fail(file_error(errno, "sync", folder));
  return Result<void>();
}

Result<void> check_empty(const std::filesystem::path& folder, std::string_view what) {
  std::error_code error;
  const bool exists = std::filesystem::exists(folder, error);
  if (!error && !exists) return Result<void>();
  const bool empty = !error && std::filesystem::is_empty(folder, error);
  if (error) return fail(file_error(error, "look into", folder));
  if (empty && std::filesystem::is_directory(folder, error)) return Result<void>();
  return fail(ErrorCode::Conflict,
              fmt::format("{} {} is not empty; nothing was changed: name a new folder", what,
                          folder.native()));
}

}  // namespace cloudos::maintenance
