#pragma once
#include "cloudos/certificates.hpp"
#include "codec/fields.hpp"
#include "image/signature.hpp"
#include "records/table.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

void fields(codec::FieldVisitor& v, Certificate& c);
void keys(records::Keys& k, const Certificate& c);

/// The room's door to them.
std::unique_ptr<Certificates> make_certificates(const Engine& engine);

namespace image {

/// The check that an image's properties ask for, ready for its bytes; nothing: it is not signed.
/// `trusted` are ids of certificates that the signer must descend from; empty: anybody's.
/// The certificate is looked up for the image's owner. Errors: InvalidArgument.
Result<std::optional<SignatureCheck>> begin_signature(const store::Snapshot& at, const Image& image,
                                                      const std::vector<std::string>& trusted,
                                                      WallTime now);

}  // namespace image
}  // namespace cloudos
