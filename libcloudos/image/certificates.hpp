#pragma once
#include "cloudos/certificates.hpp"
#include "image/impl.hpp"
#include "image/import_records.hpp"
#include "image/signature.hpp"
#include "records/table.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

/// The room's door to them.
std::unique_ptr<Certificates> make_certificates(const Engine& engine);

namespace image {

/// The check that an image's properties ask for, ready for its bytes; nothing: it is not signed.
/// `trusted` are ids of certificates that the signer must descend from; empty: anybody's.
/// The certificate is looked up for the image's owner. Errors: InvalidArgument.
Result<std::optional<SignatureCheck>> begin_signature(const store::Snapshot& at, const Image& image,
                                                      const std::vector<std::string>& trusted,
                                                      WallTime now);

/// Before a server starts from it. Reads the data once a process. Errors: InvalidArgument.
Result<void> check_boot_signature(Images::Impl& images, const Payload& payload);

}  // namespace image
}  // namespace cloudos
