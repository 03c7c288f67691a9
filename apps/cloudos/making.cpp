#include "making.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "base/text.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

using KeyPointer = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using DigestPointer = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr std::size_t kPieceBytes = 256 << 10;

cloudos::Failure unreadable_file(const std::string& file) {
  return fail(ErrorCode::InvalidArgument, fmt::format("Cannot read the file {}.", file));
}

Result<KeyPointer> read_private_key(const std::string& file) {
  const std::unique_ptr<FILE, int (*)(FILE*)> in(std::fopen(file.c_str(), "re"), &std::fclose);
  if (!in) return unreadable_file(file);
  // OpenSSL would ask on the terminal itself.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  KeyPointer key(PEM_read_PrivateKey(in.get(), nullptr, no_password, nullptr), &EVP_PKEY_free);
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} holds no private RSA key in PEM without a password.", file));
  return key;
}

}  // namespace

Result<std::string> sign_file(const std::string& file, const std::string& key_file) {
  CLOUDOS_TRY(const KeyPointer key, read_private_key(key_file));
  std::ifstream in(file, std::ios::binary);
  if (!in) return unreadable_file(file);
  const DigestPointer digest(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_PKEY_CTX* how = nullptr;  // The digest's.
  bool good = digest && EVP_DigestSignInit(digest.get(), &how, EVP_sha256(), nullptr,
                                           key.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_MAX) == 1;
  std::vector<char> piece(kPieceBytes);
  while (good && in) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    good = EVP_DigestSignUpdate(digest.get(), piece.data(),
                                static_cast<std::size_t>(in.gcount())) == 1;
  }
  if (in.bad()) return unreadable_file(file);
  std::size_t size = 0;
  good = good && EVP_DigestSignFinal(digest.get(), nullptr, &size) == 1;
  std::string signature(size, '\0');
  good = good && EVP_DigestSignFinal(digest.get(),
                                     reinterpret_cast<unsigned char*>(signature.data()),
                                     &size) == 1;
  if (!good) return fail(ErrorCode::Internal, "The image could not be signed.");
  signature.resize(size);
  return cloudos::to_base64(signature);
}

NewImageData::NewImageData(const Given& given)
    : file_(value_of(given, "--file")),
      key_file_(value_of(given, "--sign-key-path")),
      certificate_(value_of(given, "--sign-cert-id")),
      import_(has(given, "--import")),
      protected_(has(given, "--protected")) {}

Result<void> NewImageData::prepare(json& parameters) const {
  if (file_.empty() && (import_ || !key_file_.empty()))
    return fail(ErrorCode::InvalidArgument, "--import and --sign-key-path go with --file.");
  if (key_file_.empty() != certificate_.empty())
    return fail(ErrorCode::InvalidArgument, "--sign-key-path and --sign-cert-id go together.");
  if (!file_.empty() && ::access(file_.c_str(), R_OK) != 0) return unreadable_file(file_);
  if (key_file_.empty()) return Result<void>();
  CLOUDOS_TRY(parameters["img_signature"], sign_file(file_, key_file_));
  parameters["img_signature_certificate_uuid"] = certificate_;
  parameters["img_signature_hash_method"] = "SHA-256";
  parameters["img_signature_key_type"] = "RSA-PSS";
  return Result<void>();
}

Result<void> NewImageData::bring(Session& session, const std::string& image) const {
  CLOUDOS_CHECK(session.perform(import_ ? "images.stage" : "images.upload",
                                {{"id", image}, {"file", file_}}));
  if (import_)
    CLOUDOS_CHECK(session.perform("images.import", {{"id", image}, {"name", "glance-direct"}}));
  return Result<void>();
}

Result<void> NewImageData::send(Session& session, const std::string& image) const {
  if (file_.empty()) return Result<void>();
  auto sent = bring(session, image);
  if (sent) return sent;
  // An image without its data is of no use to anyone.
  if (protected_) (void)session.perform("images.update", {{"id", image}, {"protected", false}});
  (void)session.perform("images.delete", {{"id", image}});
  return sent;
}

SecretFile::~SecretFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!path_.empty() && !kept_) ::unlink(path_.c_str());
}

Result<void> SecretFile::open(const std::string& path) {
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ >= 0) {
    path_ = path;
    return Result<void>();
  }
  if (errno == EEXIST)
    return fail(ErrorCode::Conflict, fmt::format("{} is there already: choose another.", path));
  return fail(ErrorCode::Unavailable,
              fmt::format("{} cannot be written: {}.", path, std::strerror(errno)));
}

Result<void> SecretFile::write(std::string_view secret) {
  while (!secret.empty()) {
    const ssize_t put = ::write(fd_, secret.data(), secret.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) break;
    secret.remove_prefix(static_cast<std::size_t>(put));
  }
  kept_ = secret.empty() && ::fsync(fd_) == 0;
  if (kept_) return Result<void>();
  return fail(ErrorCode::StorageFull,
              fmt::format("{} cannot be written: {}.", path_, std::strerror(errno)));
}

Result<void> SecretFile::keep(Session& session, json& pair) {
  const std::string secret = text_member(pair, "private_key");
  auto written = secret.empty()
                     ? Result<void>(fail(ErrorCode::Internal, "The cloud sent no private key."))
                     : write(secret);
  if (written) {
    pair.erase("private_key");
    return Result<void>();
  }
  json which = {{"id", text_member(pair, "name")}};
  if (const std::string user = text_member(pair, "user_id"); !user.empty()) which["user_id"] = user;
  (void)session.perform("keypairs.delete", which);
  return written;
}

}  // namespace cli
