#include "image/certificates.hpp"
#include "image/impl.hpp"
#include "image/reading.hpp"

// Signatures looked at again before a server starts from an image: a certificate may have expired,
// been taken away or lost its trust since the upload.
namespace cloudos::image {

Result<void> check_boot_signature(Images::Impl& images, const Payload& payload) {
  CLOUDOS_TRY(const auto snapshot, images.engine.store.snapshot());
  const auto found = records::get<Image>(*snapshot, payload.id);
  // Deleted since a server began to boot from it: what it said went with it.
  if (!found && found.error().code == ErrorCode::NotFound) return Result<void>();
  if (!found) return fail(found.error());
  CLOUDOS_TRY(auto signature,
              begin_signature(*snapshot, *found, images.settings.imports.trusted_certificates,
                              images.engine.clock.wall()));
  if (!signature) return Result<void>();
  {
    const LockGuard lock(images.mutex);
    const auto known = images.signed_data.find(payload.id);
    // The same bytes under the same signature: only the certificates had to be asked again.
    if (known != images.signed_data.end() &&
        known->second == payload.sha512 + found->properties.at("img_signature")) {
      return Result<void>();
    }
  }
  CLOUDOS_TRY(const auto source, read_payload(images, payload, {}, Context::system()));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  for (;;) {
    CLOUDOS_TRY(const std::size_t got, source->read(buffer));
    if (got == 0) break;
    CLOUDOS_CHECK(signature->update(std::span<const std::byte>(buffer).first(got)));
  }
  CLOUDOS_CHECK(signature->finish());
  const LockGuard lock(images.mutex);
  if (images.signed_data.size() >= limits::kImageSignaturesKnown) images.signed_data.clear();
  images.signed_data[payload.id] = payload.sha512 + found->properties.at("img_signature");
  return Result<void>();
}

}  // namespace cloudos::image
