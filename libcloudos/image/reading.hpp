#pragma once
#include "image/impl.hpp"

/// Reading an image's data from whichever of its locations has it.
namespace cloudos::image {

/// A file of this host that has the whole of the data at this location; empty: there is none.
std::filesystem::path local_file(const Images::Impl& images, const Payload& payload,
                                 const ImageLocation& location);
/// The locations in the order they are to be read, without those that are known to be wrong.
std::vector<ImageLocation> ordered_locations(const Images::Impl& images, const Payload& payload);

/// Bytes of one location that has as many as the payload. Reads that go on where the last one ended
/// are one request. Errors: Unavailable (also: its size is another), NotFound, Forbidden.
Result<std::unique_ptr<RandomReader>> open_location(const Images::Impl& images,
                                                    const Payload& payload,
                                                    const ImageLocation& location,
                                                    const Context& ctx);
/// The same for a URL whose size nobody knows yet. Errors: TooLarge, Unavailable.
Result<std::unique_ptr<RandomReader>> open_url(const Images::Impl& images, const std::string& url,
                                               const Context& ctx);

struct Reading {
  std::uint64_t offset = 0;
  std::uint64_t length = UINT64_MAX;
  /// Places in the order of ordered_locations() that are passed over: those that failed already.
  std::size_t skip = 0;
  /// What was sent before `offset` is read again here, so that the whole is verified.
  bool verify_before = false;
};
/// A location whose read fails or that ends too early is given up for the next one, where it goes
/// on at the same byte. Data that was read whole must have its checksum, or its last piece is an
/// error; data of one local store, verified when it was stored, is not hashed again. A location
/// that is unverified is settled by reading it: whole, or before the first byte of a part.
/// `images` outlives it. Errors: Unavailable (no location can be opened), Conflict (none has what
/// was declared; also of the last piece).
Result<std::unique_ptr<ByteSource>> read_payload(const Images::Impl& images, const Payload& payload,
                                                 const Reading& reading, const Context& ctx);

}  // namespace cloudos::image
