#pragma once
#include <functional>

#include "image/fetch_stream.hpp"
#include "image/impl.hpp"
#include "image/pipeline.hpp"
#include "image/verify.hpp"

/// Data that somebody else keeps and that was declared rather than read: who compares it, and what
/// becomes of what is not what was said.
namespace cloudos::image {

/// What was found out of the bytes behind a URL.
struct Findings {
  std::uint64_t size_bytes = 0;
  Digests::Values sums;
  Verified verified;
};
/// Reads all of it. `formats`: what the bytes must be. Errors: as open_url and verify_content, and
/// what go_on says.
Result<Findings> read_location(const Images::Impl& images, const Context& ctx,
                               const std::string& url, const Image& formats, const GoOn& go_on);
/// Hexadecimal digits of an algorithm's name, or empty, mean: nothing was declared.
/// Errors: Conflict (it is another one).
Result<void> check_sums(const Digests::Values& found, const std::string& sha512,
                        const std::string& md5);

/// One commit: the location's bytes are what was declared, or `problem` says why they are not.
/// A location that is gone, or has its problem already, is left as it is.
Result<void> settle_location(const Images::Impl& images, const ImageId& id, const std::string& url,
                             const std::string& problem);
/// The same within the caller's transaction.
Result<void> settle_location(store::Txn& txn, const ImageId& id, const std::string& url,
                             const std::string& problem);
/// Reads the location whole and settles it. Errors: Conflict (it is not what was declared), those
/// of reading.
Result<void> verify_location(const Images::Impl& images, const Payload& payload,
                             const ImageLocation& location, RandomReader& bytes, const GoOn& go_on);
/// "…: its bytes are not those that were declared".
std::string not_as_declared(std::string_view url);
/// Unavailable, or Conflict with the reason when no location has the data that was declared.
Failure no_location_left(const Payload& payload);

/// Brings the data whole into what `open` makes, and publishes it. Locations that turn out not to
/// have what was declared are passed over; content that nobody of us has looked at is inspected
/// before it is published. Errors: Conflict (no location has the declared data, or it is not what
/// the image says it is), those of reading and writing, and what go_on says.
Result<void> fill_verified(const Images::Impl& images, const Payload& payload,
                           const std::function<Result<std::unique_ptr<PayloadWriter>>()>& open,
                           const GoOn& go_on);

}  // namespace cloudos::image
