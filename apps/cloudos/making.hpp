#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "args.hpp"
#include "session.hpp"

/// What making things takes beside their verb: the data of an image, the file of a private key.
namespace cli {

/// The data that `image create` gives a new image.
class NewImageData {
 public:
  explicit NewImageData(const Given& given);
  bool any() const { return !file_.empty(); }
  /// Before the image is made: looks at the file, and signs it where a key was given.
  /// Errors: InvalidArgument.
  cloudos::Result<void> prepare(json& parameters) const;
  /// Uploads it, or stages it to be imported. An image that could not get its data is deleted.
  cloudos::Result<void> send(Session& session, const std::string& image) const;

 private:
  cloudos::Result<void> bring(Session& session, const std::string& image) const;

  std::string file_, key_file_, certificate_;
  bool import_ = false, protected_ = false;
};

/// A new file of mode 0600 for a secret. It is there, empty, before the secret is asked for, and
/// gone again when none came.
class SecretFile {
 public:
  SecretFile() = default;
  ~SecretFile();
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;
  /// Errors: Conflict (there is one already), Unavailable.
  cloudos::Result<void> open(const std::string& path);
  /// Moves the private key of a new pair into it. One that nobody has is of no use to anyone: where
  /// the file cannot be written, the pair is deleted. Errors: StorageFull, Internal (no key came).
  cloudos::Result<void> keep(Session& session, json& pair);

 private:
  cloudos::Result<void> write(std::string_view secret);

  std::string path_;
  int fd_ = -1;
  bool kept_ = false;
};

/// The RSA-PSS signature of a file over SHA-256, in base64, by the private key of a PEM file.
/// Errors: InvalidArgument (the file, the key; it needs no password).
cloudos::Result<std::string> sign_file(const std::string& file, const std::string& key_file);

}  // namespace cli
